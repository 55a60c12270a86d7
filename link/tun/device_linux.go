package tun

import (
	"sync/atomic"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/link"
)

// Device is an open TUN device. It is a link.Link.
//
// A received packet lies in Data, backed by a block of 72 KiB however small it
// is: who keeps a small one for long copies it.
type Device struct {
	attributes link.Attributes
	index      int
	vnet       bool // packets have a virtio-net header in front
	queues     []*queue
	closed     atomic.Bool
	drops      Drops
}

// Drops counts packets that the device did not pass on.
type Drops struct {
	// Write counts packets that the kernel did not take: the device is down, or
	// they are not IP, or need an offload that the link does not have.
	Write atomic.Uint64
	// Read counts packets that the kernel cut or described wrongly.
	Read atomic.Uint64
}

// Attributes returns what a host must know of the link.
func (d *Device) Attributes() link.Attributes { return d.attributes }

// Name returns the name of the device, which the kernel chose when Options had
// none or a pattern like "hf%d".
func (d *Device) Name() string { return d.attributes.Name }

// Index returns the kernel's number of the device.
func (d *Device) Index() int { return d.index }

// Offload reports whether super-segments and partial checksums pass.
func (d *Device) Offload() bool { return d.vnet }

// Drops returns the counters, which go on counting.
func (d *Device) Drops() *Drops { return &d.drops }

// Read waits for packets from the kernel and takes as many as are there. See
// link.Link.
func (d *Device) Read(queue int, batch []*buf.Packet) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	return d.queues[queue].read(batch)
}

// Write gives packets to the kernel. See link.Link. Calls for the same queue
// wait for each other.
func (d *Device) Write(queue int, batch []*buf.Packet) error {
	return d.queues[queue].write(batch)
}

// Close ends every Read and Write and gives the device back; unless it was made
// persistent it is gone with it.
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
