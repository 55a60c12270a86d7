package packet

import (
	"sync/atomic"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/link"
)

// Device is an open Ethernet device. It is a link.Link.
//
// A received frame lies in Data, backed by a block of 72 KiB however small it
// is: who keeps a small one for long copies it.
type Device struct {
	attributes link.Attributes
	index      int
	queues     []*queue
	closed     atomic.Bool
	drops      Drops
}

// Drops counts frames that the device did not pass on. What the kernel drops
// because nobody reads in time is not among them.
type Drops struct {
	// Write counts frames that the kernel did not take: the device is down, a
	// buffer is full, or the frame is larger than the device allows.
	Write atomic.Uint64
	// Read counts frames that we cannot use: those that the kernel cut, and
	// super-segments of other protocols than TCP.
	Read atomic.Uint64
}

// Attributes returns what a host must know of the link.
func (d *Device) Attributes() link.Attributes { return d.attributes }

// Name returns the name of the device.
func (d *Device) Name() string { return d.attributes.Name }

// Index returns the kernel's number of the device.
func (d *Device) Index() int { return d.index }

// Drops returns the counters, which go on counting.
func (d *Device) Drops() *Drops { return &d.drops }

// Read waits for frames and takes as many as are there, at most 32. See
// link.Link. While the device is down it waits.
func (d *Device) Read(queue int, batch []*buf.Packet) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	return d.queues[queue].in.read(batch)
}

// Write sends frames. See link.Link. Calls for the same queue wait for each
// other.
func (d *Device) Write(queue int, batch []*buf.Packet) error {
	return d.queues[queue].out.write(batch)
}

// Close ends every Read and Write.
func (d *Device) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	var first error
	for _, q := range d.queues {
		if err := q.file.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
