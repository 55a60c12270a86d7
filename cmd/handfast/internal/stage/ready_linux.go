package stage

import (
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// readyWithin is how long awaitReady waits. The kernel takes milliseconds.
const readyWithin = 10 * time.Second

// awaitReady waits until packets pass. When the kernel says that a device is up and has
// an address, workers of its own have still to start the queues of a veth pair and to
// enter the route to an IPv6 address. Until then it drops what comes, and on a busy
// machine that is the first of a program's connection.
//
// A kernel that never says so gets the program all the same.
func awaitReady(dev netlink.Link, addrs []netip.Prefix) {
	for end := time.Now().Add(readyWithin); !isReady(dev, addrs) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func isReady(dev netlink.Link, addrs []netip.Prefix) bool {
	if !runs(dev.Attrs().Index) {
		return false
	}
	// Of a veth pair this is the other end, which is somebody else's when it lies in another
	// namespace.
	if peer := dev.Attrs(); dev.Type() == "veth" && peer.NetNsID < 0 && !runs(peer.ParentIndex) {
		return false
	}
	for _, p := range addrs {
		if !isLocal(p.Addr()) {
			return false
		}
	}
	return true
}

// runs reports whether the device's queues have been started.
func runs(index int) bool {
	dev, err := netlink.LinkByIndex(index)
	return err == nil && dev.Attrs().RawFlags&unix.IFF_RUNNING != 0
}

// isLocal reports whether the kernel takes what comes for an address.
func isLocal(a netip.Addr) bool {
	routes, err := netlink.RouteGet(a.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}
