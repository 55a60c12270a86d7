package trace

import (
	"encoding/binary"
	"io"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// The parts of a pcapng file that we write.
// https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6 // enhanced packet block

	byteOrderMagic = 0x1a2b3c4d
	linkTypeRaw    = 101 // the packet begins with the IP header
	nanoseconds    = 9   // if_tsresol: units of 10^-9 s

	optEnd         = 0
	optComment     = 1
	optApplication = 4 // of a section
	optName        = 2 // of an interface
	optResolution  = 9 // of an interface
	optFlags       = 2 // of a packet

	directionInbound, directionOutbound = 1, 2 // in optFlags

	// maxOption is the longest value of an option, in bytes. What is longer is cut.
	maxOption = 1<<16 - 1
)

// Direction is which way a captured packet went at its interface.
type Direction uint8

// The directions.
const (
	Inbound  Direction = directionInbound
	Outbound Direction = directionOutbound
)

// Captured is one packet of a capture file.
type Captured struct {
	Time      clock.Time
	Interface int    // as AddInterface returned it
	Data      []byte // from the IP header on
	Size      int    // of the packet in bytes, when Data is only its beginning
	Direction Direction
	// Comments are shown by Wireshark above the packet's fields. Line breaks
	// are kept.
	Comments []string
}

// Pcapng writes captures that Wireshark and tshark open: times in nanoseconds,
// raw IP, little endian. It keeps the first error of its writer and writes
// nothing after it.
type Pcapng struct {
	w          io.Writer
	block      []byte
	err        error
	interfaces int
}

// NewPcapng begins a capture file on w. The comment describes the whole
// capture and may be empty.
func NewPcapng(w io.Writer, comment string) *Pcapng {
	p := &Pcapng{w: w}
	p.begin(blockSection)
	p.put32(byteOrderMagic)
	p.put16(1) // version 1.0
	p.put16(0)
	p.put32(0xffffffff) // length of the section: not told, as the writer need not seek
	p.put32(0xffffffff)
	p.option(optComment, comment)
	p.option(optApplication, "Handfast")
	p.end()
	return p
}

// AddInterface declares an interface and returns its number.
func (p *Pcapng) AddInterface(name string) int {
	p.begin(blockInterface)
	p.put16(linkTypeRaw)
	p.put16(0)
	p.put32(0) // no limit to a packet's length
	p.option(optName, name)
	p.option(optResolution, string([]byte{nanoseconds}))
	p.end()
	p.interfaces++
	return p.interfaces - 1
}

// Packet writes one packet.
func (p *Pcapng) Packet(c *Captured) {
	at := uint64(c.Time)
	p.begin(blockPacket)
	p.put32(uint32(c.Interface))
	p.put32(uint32(at >> 32))
	p.put32(uint32(at))
	p.put32(uint32(len(c.Data)))
	p.put32(uint32(max(c.Size, len(c.Data))))
	p.block = append(p.block, c.Data...)
	p.pad()
	for _, s := range c.Comments {
		p.option(optComment, s)
	}
	if c.Direction != 0 {
		p.option(optFlags, string([]byte{byte(c.Direction), 0, 0, 0}))
	}
	p.end()
}

// Err returns the first error of the writer.
func (p *Pcapng) Err() error { return p.err }

// begin starts a block; its length is filled in by end.
func (p *Pcapng) begin(kind uint32) {
	p.block = p.block[:0]
	p.put32(kind)
	p.put32(0)
}

// end closes the list of options, adds the length at both ends of the block
// and writes it.
func (p *Pcapng) end() {
	p.put32(optEnd)
	n := uint32(len(p.block) + 4)
	p.put32(n)
	binary.LittleEndian.PutUint32(p.block[4:], n)
	if p.err == nil {
		_, p.err = p.w.Write(p.block)
	}
}

// option appends an option, or nothing when it has no value. A comment that is cut is better
// than none; its length has 16 bits.
func (p *Pcapng) option(code uint16, value string) {
	if value == "" {
		return
	}
	value = value[:min(len(value), maxOption)]
	p.put16(code)
	p.put16(uint16(len(value)))
	p.block = append(p.block, value...)
	p.pad()
}

// pad fills up to a multiple of four bytes.
func (p *Pcapng) pad() {
	for len(p.block)%4 != 0 {
		p.block = append(p.block, 0)
	}
}

func (p *Pcapng) put16(v uint16) { p.block = binary.LittleEndian.AppendUint16(p.block, v) }
func (p *Pcapng) put32(v uint32) { p.block = binary.LittleEndian.AppendUint32(p.block, v) }
