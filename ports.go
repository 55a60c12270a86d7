package handfast

import (
	"hash/maphash"
	"iter"
	"math/rand/v2"
	"sync/atomic"

	"github.com/handfast-tcp/handfast/wire"
)

// portPicker chooses the ports that the program does not name, so that nobody
// outside can guess the next one: the double-hash algorithm of RFC 6056.
// Towards one destination the ports go up one by one, which keeps the time
// until one comes again as long as possible.
// https://www.rfc-editor.org/rfc/rfc6056#section-3.3.4
type portPicker struct {
	first, count uint32
	secret       maphash.Seed
	table        [64]atomic.Uint32
}

func (p *portPicker) init(first, last uint16) {
	p.first, p.count, p.secret = uint32(first), uint32(last)-uint32(first)+1, maphash.MakeSeed()
	for i := range p.table {
		p.table[i].Store(rand.Uint32())
	}
}

// flow is what the hashes of RFC 6056 are taken of.
type flow struct {
	local, remote wire.Addr
	remotePort    uint16
}

// candidates yields every port of the range once, beginning where the
// algorithm says. Whoever finds all of them in use has none.
func (p *portPicker) candidates(f flow) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		h := maphash.Comparable(p.secret, f)
		offset, index := uint32(h), h>>32%uint64(len(p.table))
		for range p.count {
			n := p.table[index].Add(1) + offset
			if !yield(uint16(p.first + n%p.count)) {
				return
			}
		}
	}
}
