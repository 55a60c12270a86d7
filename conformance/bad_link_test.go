package conformance

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/link"
)

// How often a bad link does what.
const (
	loss        = 0.02
	duplication = 0.02
	reordering  = 0.05
)

// badLink is a link that loses, repeats and reorders what is written to it.
type badLink struct {
	link.Link
	mu     sync.Mutex
	random *rand.Rand
	late   []*buf.Packet // go out behind the next packet
}

// newBadLinks returns a function that makes links bad. Each gets a seed of its
// own, derived from one that a failing test prints.
func newBadLinks(t *testing.T) func(link.Link) link.Link {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return func(l link.Link) link.Link {
		seed++
		return &badLink{Link: l, random: rand.New(rand.NewPCG(seed, 0))}
	}
}

func (l *badLink) Write(queue int, batch []*buf.Packet) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*buf.Packet
	for _, p := range batch {
		late := l.late
		l.late = nil
		switch x := l.random.Float64(); {
		case x < loss:
			p.Release()
		case x < loss+duplication:
			out = append(out, p, clone(p))
		case x < loss+duplication+reordering:
			l.late = append(l.late, p)
		default:
			out = append(out, p)
		}
		out = append(out, late...)
	}
	return l.Link.Write(queue, out)
}

func clone(p *buf.Packet) *buf.Packet {
	c := buf.NewPacket()
	room := c.ReceiveInto(p.Len())
	n := copy(room, p.Data)
	for _, v := range p.Views[:p.N] {
		n += copy(room[n:], v.Bytes())
	}
	c.Data, c.L3, c.GSOSize = room[:n], p.L3, p.GSOSize
	c.Checksum, c.CsumStart, c.CsumOffset = p.Checksum, p.CsumStart, p.CsumOffset
	return c
}
