// Package pipe is a link in memory: what is written to one end is read from
// the other. Packets change hands by reference; their bytes are not copied.
//
// Each direction of each queue is a bounded FIFO. A packet that finds it full
// is dropped and counted, as on a network card.
package pipe

import (
	"sync/atomic"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
)

// Defaults and limits of Options.
const (
	DefaultMTU   = 1500
	DefaultQueue = 16384
	MaxQueues    = 256
	MaxQueue     = 1 << 24 // packets
)

// ethernetHeader is how many bytes a frame has that the MTU does not count.
const ethernetHeader = 14

// Options say what kind of link New makes. The zero value is a link of IP
// packets with an MTU of 1500 bytes, one queue and no offload.
type Options struct {
	Name   string      // the ends are called Name+"-a" and Name+"-b"; default "pipe"
	Medium link.Medium // what the link carries
	MTU    int         // largest IP packet in bytes; default DefaultMTU; a host takes 68 or more, with IPv6 1280

	// MaxGSO is the largest super-segment in bytes, IP header included; 0: none
	// passes. A host takes no value between 0 and MTU.
	MaxGSO int
	// ChecksumOffload lets packets with ChecksumPartial pass. They arrive as
	// such: memory does not flip bits, so the receiver may trust them.
	ChecksumOffload bool

	Queues int // 1, the default, to MaxQueues, the nearest one counts; what is written to queue i is read from queue i
	Queue  int // how many packets wait in each direction of each queue at most, 1 to MaxQueue, the nearest one counts; default DefaultQueue

	// HardwareAddrs are those of the two ends, for Ethernet. The default is
	// 02:00:00:00:00:0a and 02:00:00:00:00:0b.
	HardwareAddrs [2]link.HardwareAddr
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "pipe"
	}
	if o.MTU == 0 {
		o.MTU = DefaultMTU
	}
	o.Queues = min(max(o.Queues, 1), MaxQueues)
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	o.Queue = min(max(o.Queue, 1), MaxQueue)
	if o.Medium == link.Ethernet && o.HardwareAddrs == ([2]link.HardwareAddr{}) {
		o.HardwareAddrs = [2]link.HardwareAddr{{2, 0, 0, 0, 0, 0xa}, {2, 0, 0, 0, 0, 0xb}}
	}
	return o
}

// End is one end of a pipe. It is a link.Link.
//
// A received packet is the very one that the other end sent: headers in Data
// and payload in Views, or everything in Data.
type End struct {
	attributes link.Attributes
	in, out    []*fifo // by queue
	refused    atomic.Uint64
}

// New makes a pipe and returns its two ends. Closing one end does not close
// the other: what that one writes then is dropped, as on a cable that is
// unplugged.
func New(o Options) (a, b *End) {
	o = o.withDefaults()
	ab, ba := make([]*fifo, o.Queues), make([]*fifo, o.Queues)
	for i := range o.Queues {
		ab[i], ba[i] = newFIFO(o.Queue), newFIFO(o.Queue)
	}
	return newEnd(o, 0, ba, ab), newEnd(o, 1, ab, ba)
}

func newEnd(o Options, side int, in, out []*fifo) *End {
	return &End{in: in, out: out, attributes: link.Attributes{
		Name:            o.Name + [...]string{"-a", "-b"}[side],
		Medium:          o.Medium,
		MTU:             o.MTU,
		HardwareAddr:    o.HardwareAddrs[side],
		Queues:          o.Queues,
		MaxGSO:          o.MaxGSO,
		ChecksumOffload: o.ChecksumOffload,
	}}
}

// Attributes returns what a host must know of the link.
func (e *End) Attributes() link.Attributes { return e.attributes }

// Read waits for packets from the other end. See link.Link.
func (e *End) Read(queue int, batch []*buf.Packet) (int, error) {
	n, ok := e.in[queue].take(batch)
	if !ok {
		return 0, link.ErrClosed
	}
	return n, nil
}

// Write passes packets to the other end. See link.Link. A packet that is
// larger than the link allows, or that needs an offload which the link does
// not have, is dropped and counted.
func (e *End) Write(queue int, batch []*buf.Packet) error {
	if rest := e.refuse(batch); !e.out[queue].put(rest) {
		return link.ErrClosed
	}
	return nil
}

// refuse drops what the link does not carry and returns the rest, in place.
func (e *End) refuse(batch []*buf.Packet) []*buf.Packet {
	rest := batch[:0]
	for _, p := range batch {
		if !e.carries(p) {
			e.refused.Add(1)
			p.Release()
			continue
		}
		rest = append(rest, p)
	}
	return rest
}

// carries is as strict as a network card: without that, what a host sends wrongly would
// show on the first real link only.
func (e *End) carries(p *buf.Packet) bool {
	limit := e.attributes.MTU
	if p.GSOSize != 0 {
		limit = e.attributes.MaxGSO
	}
	if e.attributes.Medium == link.Ethernet {
		limit += ethernetHeader
	}
	return p.Len() <= limit && (p.Checksum != buf.ChecksumPartial || e.attributes.ChecksumOffload)
}

// Drops returns how many packets that this end wrote were dropped: because the
// queue was full, because the other end is closed, or because the link does
// not carry such packets.
func (e *End) Drops() uint64 {
	n := e.refused.Load()
	for _, f := range e.out {
		n += f.drops()
	}
	return n
}

// Close ends every Read and Write of this end and drops what waits to be read.
// What was written before is still delivered to the other end.
func (e *End) Close() error {
	for i := range e.in {
		e.in[i].closeReader()
		e.out[i].closeWriter()
	}
	return nil
}
