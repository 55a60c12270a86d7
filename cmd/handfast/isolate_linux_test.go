package main

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// isolateTests runs this test program in a network namespace.
func isolateTests() (code int, err error) {
	for _, flags := range namespaceFlags() {
		if code, err = runIsolated(flags, isolatedVariable); err == nil {
			return code, nil
		}
	}
	return 0, err
}

// raiseLoopback makes 127.0.0.1 and ::1 work in a new namespace.
func raiseLoopback() error {
	lo, err := netlink.LinkByName("lo")
	return errors.Join(err, netlink.LinkSetUp(lo))
}
