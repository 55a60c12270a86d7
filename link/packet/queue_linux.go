package packet

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/link"
)

// queue is one socket of the device. It is not blocking; the Go runtime's
// poller waits for it, so that a Read that waits costs no thread and Close
// ends it.
type queue struct {
	file *os.File
	in   receiver
	out  sender
}

func newQueue(d *Device, fd int) (*queue, error) {
	q := &queue{file: os.NewFile(uintptr(fd), "packet "+d.attributes.Name)}
	conn, err := q.file.SyscallConn()
	if err != nil {
		q.file.Close()
		return nil, err
	}
	q.in.init(d, q.file, conn)
	q.out.init(d, conn)
	return q, nil
}

// failure is what a Read or Write returns when the poller said polling and the
// kernel said call; nil when both are.
func (d *Device) failure(polling, call error) error {
	switch {
	case d.closed.Load():
		return link.ErrClosed
	case call == nil:
		call = polling
	}
	if call == nil {
		return nil
	}
	return fmt.Errorf("device %s is gone: somebody removed it; open it again: %w", d.attributes.Name, call)
}

// isGone reports whether the socket's device was removed: the kernel unbinds
// the socket then.
func isGone(fd int) bool {
	address, err := unix.Getsockname(fd)
	if err != nil {
		return true
	}
	bound, ok := address.(*unix.SockaddrLinklayer)
	return !ok || bound.Ifindex <= 0
}
