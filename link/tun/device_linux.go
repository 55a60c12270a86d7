package tun

import (
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/internal/netdev"
)

// Device is an open TUN or TAP device. It is a link.Link. Unless the device was made
// persistent it is gone with Close.
//
// A received packet lies in Data, backed by a block of 72 KiB however small it
// is: who keeps a small one for long copies it.
type Device struct {
	netdev.Device                   // Attributes, Name, Index, Drops, Close
	vnet          bool              // packets have a virtio-net header in front
	l3            int               // where the IP header lies: behind the Ethernet header of a TAP
	address       link.HardwareAddr // of a host on a TAP
	queues        []*queue
}

// Drops counts packets that the device did not pass on.
type Drops = netdev.Drops

// Offload reports whether super-segments and partial checksums pass.
func (d *Device) Offload() bool { return d.vnet }

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

// failure is what a Read or Write returns when the poller said polling and the
// kernel said call; nil when both are. When the device is removed the
// poller sees an error state, a read EFAULT while it goes, and later EBADFD.
func (d *Device) failure(polling, call error) error {
	if polling != nil {
		call = unix.EBADFD
	}
	return netdev.Failure(&d.Device, call)
}
