// Package ports chooses ephemeral ports.
package ports

import (
	"iter"
	"math/rand/v2"
	"sync"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Picker chooses the ports that the program does not name, so that no host
// outside can guess the next one, and no host we dial can tell how often we dial
// others: RFC 6056. Towards one destination the ports begin anywhere and go up one
// by one, which keeps the time until one comes again as long as possible.
//
// The RFC's algorithms count in tables that destinations share, so that who has
// many of them sees when the others are dialled (CVE-2022-32296). Here each has a
// counter of its own, of which the latest are kept.
// https://www.rfc-editor.org/rfc/rfc6056#section-3.3
type Picker struct {
	first, count uint32

	mu   sync.Mutex
	next map[Destination]uint32
}

// maxCounters bounds the destinations whose next port is known. Another one takes
// the place of any, which then begins anywhere again: its ports may come again
// sooner, and if one is in use still the next is taken.
const maxCounters = 4096

// New returns a picker of the ports from first to last.
func New(first, last uint16) *Picker {
	return &Picker{first: uint32(first), count: uint32(last) - uint32(first) + 1, next: map[Destination]uint32{}}
}

// Destination is what ports are chosen towards, and from which address.
type Destination struct {
	Local, Remote wire.Addr
	RemotePort    uint16
}

// Candidates yields every port of the range once, beginning where the
// destination's counter stands. A dial that finds all of them in use has none.
func (p *Picker) Candidates(to Destination) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		start := p.begin(to)
		for i := range p.count {
			if !yield(uint16(p.first + (start+i)%p.count)) {
				if i > 0 {
					p.skip(to, start+i+1)
				}
				return
			}
		}
	}
}

// begin returns where a destination's counter stands, and moves it on.
func (p *Picker) begin(to Destination) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, known := p.next[to]
	if !known {
		n = rand.Uint32N(p.count)
		p.makeRoom()
	}
	p.next[to] = (n + 1) % p.count
	return n
}

// skip moves a destination's counter past ports that were in use.
func (p *Picker) skip(to Destination, next uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.next[to]; known {
		p.next[to] = next % p.count
	}
}

// makeRoom forgets any counter when there are as many as may be: which one
// follows from the map's secret order.
func (p *Picker) makeRoom() {
	if len(p.next) < maxCounters {
		return
	}
	for to := range p.next {
		delete(p.next, to)
		return
	}
}
