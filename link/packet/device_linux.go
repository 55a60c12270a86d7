package packet

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/internal/netdev"
)

// Device is an open Ethernet device. It is a link.Link.
//
// A received frame lies in Data, backed by a block of 72 KiB however small it
// is: who keeps a small one for long copies it.
type Device struct {
	netdev.Device // Attributes, Name, Index, Drops, Close
	queues        []*queue
}

// Drops counts frames that the device did not pass on.
type Drops = netdev.Drops

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

// failure is what a Read or Write returns when the poller said polling and the
// kernel said call; nil when both are.
func (d *Device) failure(polling, call error) error {
	if call == nil {
		call = polling
	}
	return netdev.Failure(&d.Device, call)
}
