package buf

import "sync"

// MaxViews is how many views a packet can carry after its first bytes.
const MaxViews = 4

// headRoom fits Ethernet, IPv6 and a TCP header with all options, and is two
// cache lines.
const headRoom = 128

// Checksum says what is known of a packet's transport checksum.
type Checksum uint8

// The states of a packet's transport checksum.
const (
	ChecksumFull     Checksum = iota // in the packet; a receiver has to verify it
	ChecksumPartial                  // the field holds the folded pseudo-header sum; the layer that needs the rest completes it
	ChecksumVerified                 // a layer below has verified it
)

// Packet is one IP packet or Ethernet frame on its way, perhaps one that is
// larger than the MTU and stands for several segments (GSO). The function that gets a
// *Packet owns it, and passes it on or calls Release.
//
// The bytes are Data followed by Views. All headers lie in Data. Payload is in
// Views when we send; a link that receives puts the whole packet in Data,
// backed by Block.
type Packet struct {
	// The order is that of cache lines, which travel from core to core with a
	// packet: usual headers take the first one, and what follows room up to the
	// first view another.
	room [headRoom]byte

	Data  []byte // first bytes, all headers in them
	Block *Block // what holds Data; nil when Data lies in the packet's own room
	// GSOSize is the payload of each TCP segment that the packet stands for,
	// in bytes; 0 when it is one segment.
	GSOSize uint16
	// L3 is where the IP header starts in Data: 0, or 14 on Ethernet.
	L3 uint16
	// CsumStart is where the transport header starts in Data, and CsumOffset
	// where the checksum field lies from there. Set when Checksum is
	// ChecksumPartial.
	CsumStart, CsumOffset uint16
	Checksum              Checksum

	N     uint8 // how many Views are used
	Views [MaxViews]View

	_ [16]byte // 256 bytes, so that every packet begins with a line
}

var packets sync.Pool

// NewPacket returns an empty packet whose Data has room for all headers.
func NewPacket() *Packet {
	p, _ := packets.Get().(*Packet)
	if p == nil {
		p = unpack()
	}
	p.Data = p.room[:0]
	return p
}

// ReceiveInto makes p ready to receive up to size bytes and returns where to
// put them; the caller then sets p.Data to the part that was filled.
func (p *Packet) ReceiveInto(size int) []byte {
	p.Clear()
	p.Block = Get(size)
	p.Data = p.Block.Bytes()
	return p.Data
}

// AddView appends v to the packet, which takes over v's reference. The caller
// knows that p.N < MaxViews.
func (p *Packet) AddView(v View) {
	p.Views[p.N] = v
	p.N++
}

// Len returns the length of the packet in bytes, from Data[0] on.
func (p *Packet) Len() int {
	n := len(p.Data)
	for i := range p.N {
		n += p.Views[i].Len()
	}
	return n
}

// Flatten copies the packet into one block when it is in several pieces or in
// the packet's own room, so that Data is all of it and backed by Block.
func (p *Packet) Flatten() {
	if p.N == 0 && p.Block != nil {
		return
	}
	b := Get(p.Len())
	n := p.gather(b.Bytes())
	for i := range p.N {
		p.Views[i].Release()
		p.Views[i] = View{}
	}
	if p.Block != nil {
		p.Block.Release()
	}
	p.N, p.Block, p.Data = 0, b, b.Bytes()[:n]
}

// Copy returns a packet with the same content in memory of its own, in one piece, which
// who gets it may write to.
func (p *Packet) Copy() *Packet {
	c := NewPacket()
	room := c.ReceiveInto(p.Len())
	c.Data = room[:p.gather(room)]
	c.L3, c.GSOSize = p.L3, p.GSOSize
	c.Checksum, c.CsumStart, c.CsumOffset = p.Checksum, p.CsumStart, p.CsumOffset
	return c
}

// gather copies all bytes of the packet to b, which has room for them.
func (p *Packet) gather(b []byte) (n int) {
	n = copy(b, p.Data)
	for i := range p.N {
		n += copy(b[n:], p.Views[i].Bytes())
	}
	return n
}

// Clear empties the packet and gives back all it holds.
func (p *Packet) Clear() {
	if p.Block != nil {
		p.Block.Release()
		p.Block = nil
	}
	for i := range p.N {
		p.Views[i].Release()
		p.Views[i] = View{}
	}
	p.reset()
}

// reset makes p, which holds nothing any more, as NewPacket returns it.
func (p *Packet) reset() {
	p.N = 0
	p.Data = p.room[:0]
	p.GSOSize, p.L3, p.CsumStart, p.CsumOffset, p.Checksum = 0, 0, 0, 0, ChecksumFull
}

// Release empties the packet and gives it back.
func (p *Packet) Release() {
	p.Clear()
	packets.Put(p)
}
