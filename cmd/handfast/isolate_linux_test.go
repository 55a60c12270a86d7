package main

import (
	"errors"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
)

// isolateTests runs this test program in a network namespace.
func isolateTests() (code int, err error) { return stage.RunIsolated(isolatedVariable) }

// raiseLoopback makes 127.0.0.1 and ::1 work in a new namespace.
func raiseLoopback() error {
	lo, err := netlink.LinkByName("lo")
	return errors.Join(err, netlink.LinkSetUp(lo))
}
