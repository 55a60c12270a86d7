package packet

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/link/internal/netdev"
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
	q := &queue{file: os.NewFile(uintptr(fd), "packet "+d.Name())}
	conn, err := q.file.SyscallConn()
	if err != nil {
		q.file.Close()
		return nil, err
	}
	netdev.Own(&d.Device, q.file)
	q.in.init(d, q.file, conn)
	q.out.init(d, conn)
	return q, nil
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
