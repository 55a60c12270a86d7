package netdev

import (
	"cmp"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
)

// Device is the part of a link that is the same for every device. A link embeds
// it, and has its methods; what only the link itself may do are functions.
type Device struct {
	attributes link.Attributes
	index      int
	files      []*os.File
	closed     atomic.Bool
	drops      Drops
}

// Drops counts packets that a device did not pass on. What the kernel drops
// because we read too late is not among them.
type Drops struct {
	// Write counts packets that the kernel did not take: the device is down, a
	// buffer is full, or they are nothing that the device carries, such as a
	// TUN's that are not IP, frames larger than the device allows, or packets
	// that need an offload which the link does not have.
	Write atomic.Uint64
	// Read counts packets that we cannot use: those that the kernel cut or
	// described wrongly, and super-segments of other protocols than TCP.
	Read atomic.Uint64
}

// Describe says what d is, and its number in the kernel.
func Describe(d *Device, a link.Attributes, index int) { d.attributes, d.index = a, index }

// Own makes Close close f too.
func Own(d *Device, f *os.File) { d.files = append(d.files, f) }

// Failure is what a Read or Write returns to which the kernel said err; nil when
// that is nil and the device is open. Apart from Close there is one reason.
func Failure(d *Device, err error) error {
	switch {
	case d.closed.Load():
		return link.ErrClosed
	case err == nil:
		return nil
	}
	return fmt.Errorf("device %s is gone: it was removed; make it and open it again: %w", d.attributes.Name, err)
}

// Attributes returns what a host must know of the link.
func (d *Device) Attributes() link.Attributes { return d.attributes }

// Name returns the name of the device. Where the kernel was to choose one it is
// that.
func (d *Device) Name() string { return d.attributes.Name }

// Index returns the kernel's number of the device.
func (d *Device) Index() int { return d.index }

// Drops returns the counters, which go on counting.
func (d *Device) Drops() *Drops { return &d.drops }

// File returns a copy of a queue's descriptor, which another process, or FromFile
// of the package, can use. Closing it does not close the device.
func (d *Device) File(queue int) (*os.File, error) {
	fd, err := Duplicate(d.files[queue])
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.files[queue].Name()), nil
}

// Duplicate returns a descriptor of its own for what f has open, not blocking.
func Duplicate(f *os.File) (fd int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := conn.Control(func(have uintptr) {
		if fd, err = unix.FcntlInt(have, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(fd, true)
		}
	})
	if err = cmp.Or(failed, err); err != nil {
		return -1, os.NewSyscallError("dup", err)
	}
	return fd, nil
}

// Close ends every Read and Write, and gives the device back.
func (d *Device) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	var first error
	for _, f := range d.files {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Release releases a batch that was written.
func Release(batch []*buf.Packet) {
	for i, p := range batch {
		p.Release()
		batch[i] = nil
	}
}
