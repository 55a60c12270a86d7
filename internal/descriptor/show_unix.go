//go:build unix && !aix && !solaris

package descriptor

import (
	"os"
	"syscall"
)

// Show calls f with one end of a pair of sockets of the kernel's, on which
// recv(2) says p, and returns what f returns. The descriptor lives as long as
// the call.
func Show(p Prospect, f func(fd uintptr) bool) (enough bool, err error) {
	near, far, err := socketPair()
	if err != nil {
		return false, err
	}
	defer syscall.Close(near)
	switch p {
	case DataWaits:
		_, err = syscall.Write(far, []byte{0})
	case Broken:
		// Linux resets a pair of which one end is closed with bytes unread.
		_, err = syscall.Write(near, []byte{0})
	}
	if err != nil {
		syscall.Close(far)
		return false, os.NewSyscallError("write", err)
	}
	if p == StreamEnded || p == Broken {
		syscall.Close(far)
	} else {
		defer syscall.Close(far)
	}
	return f(uintptr(near)), nil
}

func socketPair() (near, far int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return 0, 0, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
		if err == nil {
			err = syscall.SetNonblock(fd, true)
		}
	}
	if err != nil {
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return 0, 0, os.NewSyscallError("setnonblock", err)
	}
	return fds[0], fds[1], nil
}
