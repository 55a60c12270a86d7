package xdp

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
)

// Device is an open Ethernet device. It is a link.Link.
type Device struct {
	attributes link.Attributes
	sockets    []*socket // by queue
	program    *ebpf.Collection
	attached   bpflink.Link
	native     bool
	watched    chan struct{} // closed by Close
	closed     atomic.Bool
	drops      Drops
}

// Drops counts frames that a device did not pass on.
type Drops struct {
	// Write counts frames for which there was no room, and those that need what the link does not
	// offer: super-segments, and what is larger than the device allows.
	Write atomic.Uint64
}

// Attributes returns what a host must know of the link.
func (d *Device) Attributes() link.Attributes { return d.attributes }

// Drops returns the counters, which go on counting.
func (d *Device) Drops() *Drops { return &d.drops }

// Native reports whether the driver itself passes frames on (native XDP), and not the kernel
// behind it.
func (d *Device) Native() bool { return d.native }

// Read waits for frames. See link.Link.
func (d *Device) Read(queue int, batch []*buf.Packet) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	n, err := d.sockets[queue].read(batch)
	if n > 0 {
		return n, nil
	}
	return 0, d.failure(err)
}

// Write sends frames. See link.Link. Calls for the same queue wait for each other.
func (d *Device) Write(queue int, batch []*buf.Packet) error {
	err := d.sockets[queue].write(batch)
	for i, p := range batch {
		p.Release()
		batch[i] = nil
	}
	return d.failure(err)
}

func (d *Device) failure(err error) error {
	switch {
	case d.closed.Load():
		return link.ErrClosed
	case err == nil:
		return nil
	}
	return fmt.Errorf("device %s is gone: it was removed; make it and open it again: %w", d.attributes.Name, err)
}

// Close ends every Read and Write, and gives the device's frames back to the kernel.
func (d *Device) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	close(d.watched)
	var all []error
	if d.attached != nil {
		all = append(all, d.attached.Close())
	}
	for _, s := range d.sockets {
		all = append(all, s.close())
	}
	if d.program != nil {
		d.program.Close()
	}
	return errors.Join(all...)
}

// watch waits for the device to be removed. A socket whose device has gone wakes nobody.
func (d *Device) watch(index int) error {
	changes := make(chan netlink.LinkUpdate)
	if err := netlink.LinkSubscribe(changes, d.watched); err != nil {
		return err
	}
	go func() {
		for u := range changes {
			if u.Header.Type == unix.RTM_DELLINK && int(u.Index) == index {
				for _, s := range d.sockets {
					s.end()
				}
			}
		}
	}()
	return nil
}
