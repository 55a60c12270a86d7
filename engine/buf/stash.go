package buf

import "sync"

// batch is how many packets travel between stashes at once.
const batch = 64

// Stash is a store of empty packets for one user, so that most packets change
// hands without a lock. When it is full or empty it passes a batch to, or takes
// one from, all other stashes: what one core frees another one needs.
//
// It also gives back references to the same block together, as packets that
// come one after the other are likely to hold them. Flush ends the waiting.
// The zero value is ready. It is not for concurrent use.
type Stash struct {
	packets *[batch]*Packet
	n       int

	block *Block // references to it are due
	due   int32
}

// full and empty pass batches between stashes.
var full, empty sync.Pool

// Get returns an empty packet whose Data has room for all headers.
func (s *Stash) Get() *Packet {
	if s.n == 0 {
		return s.getFar()
	}
	s.n--
	return s.packets[s.n]
}

// getFar is Get when the stash is empty.
func (s *Stash) getFar() *Packet {
	if !s.refill() {
		return NewPacket()
	}
	s.n--
	return s.packets[s.n]
}

func (s *Stash) refill() bool {
	b, _ := full.Get().(*[batch]*Packet)
	if b == nil {
		return false
	}
	if s.packets != nil {
		*s.packets = [batch]*Packet{}
		empty.Put(s.packets)
	}
	s.packets, s.n = b, batch
	return true
}

// unpack makes single packets of what stashes had too much of.
func unpack() *Packet {
	b, _ := full.Get().(*[batch]*Packet)
	if b == nil {
		return new(Packet)
	}
	for _, p := range b[1:] {
		packets.Put(p)
	}
	p := b[0]
	*b = [batch]*Packet{}
	empty.Put(b)
	return p
}

// Put takes a packet back, in place of Release.
func (s *Stash) Put(p *Packet) {
	if p.Block != nil {
		s.release(p.Block)
		p.Block = nil
	}
	for i := range p.N {
		s.release(p.Views[i].Block)
		p.Views[i] = View{}
	}
	p.reset()
	if s.packets == nil || s.n == batch {
		s.makeRoom()
	}
	s.packets[s.n] = p
	s.n++
}

func (s *Stash) makeRoom() {
	if s.packets != nil {
		full.Put(s.packets)
	}
	s.packets, _ = empty.Get().(*[batch]*Packet)
	if s.packets == nil {
		s.packets = new([batch]*Packet)
	}
	s.n = 0
}

func (s *Stash) release(b *Block) {
	if s.block != b {
		s.Flush()
		s.block = b
	}
	s.due++
}

// Flush gives back the references that are due.
func (s *Stash) Flush() {
	if s.block != nil {
		s.block.release(s.due)
		s.block, s.due = nil, 0
	}
}
