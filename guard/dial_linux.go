package guard

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// transparent lets a socket have an address that is not this machine's.
func transparent(network, _ string, c syscall.RawConn) error {
	var err error
	failed := c.Control(func(fd uintptr) {
		if network == "tcp6" {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1)
		}
		// Two clients' ports may be the same as long as their addresses differ, which the
		// kernel finds out at connect and not at bind.
		if err == nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("guard: a back end's connection from its client's address needs CAP_NET_ADMIN: %w", os.NewSyscallError("setsockopt", err))
	}
	return nil
}
