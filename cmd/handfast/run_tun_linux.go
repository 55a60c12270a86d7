package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

// openTUN opens the device that --tun names, or takes the one of an open descriptor.
// One that it makes gets the command's addresses; another is as somebody has set it up.
func (o *runOptions) openTUN() (link.Link, error) {
	if number, ok := strings.CutPrefix(o.tun, "fd:"); ok {
		fd, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			return nil, usagef("--tun %s: write the number of an open descriptor, such as fd:3", o.tun)
		}
		f := os.NewFile(uintptr(fd), "descriptor "+number)
		if f == nil {
			return nil, usagef("--tun %s: no such descriptor", o.tun)
		}
		defer f.Close()
		return tun.FromFile(f, tun.Options{MTU: o.sandbox.MTU})
	}
	_, missing := netlink.LinkByName(o.tun)
	d, err := tun.Open(tun.Options{Name: o.tun, NoOffload: o.bad.wanted()})
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w\n  run --tun makes a device, which needs root: sudo handfast run --tun %s; run -- COMMAND does without,"+
			"\n  and so does --tun with a device that is yours: sudo ip tuntap add %[2]s mode tun user $USER", err, o.tun)
	}
	if err != nil || missing == nil {
		return d, err
	}
	if err := configureTUN(d.Attributes().Name, o.sandbox.MTU); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// configureTUN gives a device the addresses of a command inside, unless something here
// has such addresses already.
func configureTUN(name string, mtu int) error {
	if err := stage.Overlaps(insideAddrs[0]); err != nil {
		return fmt.Errorf("%s has no address: %v is taken; make the device first, with an address of yours: ip tuntap add %[1]s mode tun",
			name, insideAddrs[0])
	}
	dev, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetMTU(dev, mtu)
	}
	if err == nil {
		err = stage.Configure(name, insideAddrs[:1])
	}
	if err == nil {
		stage.Configure(name, insideAddrs[1:]) // a kernel without IPv6 is no reason to give up
	}
	return err
}
