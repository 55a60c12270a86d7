//go:build !linux

package gateway

import (
	"fmt"
	"net/netip"
	"syscall"
)

// DialPing opens a ping socket of the system's. It is for Linux only so far, and fails
// elsewhere: Config.Ping may give another way.
func DialPing(netip.Addr) (Pinger, error) {
	return nil, fmt.Errorf("gateway: no ping sockets on this system: %w", syscall.ENOTSUP)
}
