// Package ring captures packets from a network interface of Linux, by a ring that the
// kernel writes into and the program reads: no packet is copied to it, and no call is
// made for each.
//
// Packets begin with their IP header, whatever the interface is (capture.LinkRaw).
// https://docs.kernel.org/networking/packet_mmap.html
package ring

import "errors"

// Any captures from all interfaces.
const Any = "any"

var (
	// ErrNoInterface is wrapped when there is no interface of a name.
	ErrNoInterface = errors.New("no such interface")
	// ErrRights is wrapped when the kernel does not let this user capture.
	ErrRights = errors.New("capturing needs CAP_NET_RAW, which root has")
	// ErrGone is returned when an interface goes down or away.
	ErrGone = errors.New("the interface is down or gone")
	// ErrUnsupported is returned where there is no such ring.
	ErrUnsupported = errors.New("packets are captured on Linux only: capture them by another program, and read its file")
)

// Statistics count what became of packets.
type Statistics struct {
	Packets uint64 // that the interface had for us
	Dropped uint64 // of them: the ring was full
}
