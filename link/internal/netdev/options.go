package netdev

import "fmt"

// Limits of a device's options.
const (
	maxQueues = 256 // the kernel's, for a TUN and for a fanout group
	minMTU    = 68
	maxMTU    = 65535
)

// CheckOptions returns an error of the link called kind when a number is outside
// its range. Zero is the default of both.
func CheckOptions(kind string, queues, mtu int) error {
	if queues < 0 || queues > maxQueues {
		return fmt.Errorf("%s: %d queues; it may be 1 to %d, or 0 for one", kind, queues, maxQueues)
	}
	if mtu != 0 && (mtu < minMTU || mtu > maxMTU) {
		return fmt.Errorf("%s: MTU %d; it may be %d to %d bytes, or 0 for the device's own", kind, mtu, minMTU, maxMTU)
	}
	return nil
}
