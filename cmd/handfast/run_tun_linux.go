package main

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

var tunNeedsRoot = say.Text{
	story.English: "%w\n  run --tun makes a device, which needs root: sudo handfast run --tun %s; run -- COMMAND does without," +
		"\n  and so does --tun with a device that is yours: sudo ip tuntap add %[2]s mode tun user $USER",
	story.Chinese: "%w\n  run --tun 要建立设备，需要 root：sudo handfast run --tun %s；run -- COMMAND 不需要，" +
		"\n  --tun 使用属于你的设备时也不需要：sudo ip tuntap add %[2]s mode tun user $USER",
}

// openTUN opens the device that --tun names, or takes the one of an open descriptor.
// One that it makes gets the command's addresses; another is as somebody has set it up.
func (o *runOptions) openTUN() (link.Link, error) {
	if number, ok := strings.CutPrefix(o.tun, "fd:"); ok {
		fd, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			return nil, usagef(say.Text{"--tun %s: write the number of an open descriptor, such as fd:3", "--tun %s：请写出已打开的描述符的编号，例如 fd:3"}, o.tun)
		}
		f := os.NewFile(uintptr(fd), "descriptor "+number)
		if f == nil {
			return nil, usagef(say.Text{"--tun %s: no such descriptor", "--tun %s：没有这个描述符"}, o.tun)
		}
		defer f.Close()
		return tun.FromFile(f, tun.Options{MTU: o.sandbox.MTU})
	}
	_, missing := netlink.LinkByName(o.tun)
	d, err := tun.Open(tun.Options{Name: o.tun, NoOffload: o.bad.wanted()})
	if errors.Is(err, fs.ErrPermission) {
		return nil, say.Errorf(tunNeedsRoot, err, o.tun)
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
		return say.Errorf(say.Text{"%s has no address: %v is taken; make the device first, with an address of yours: ip tuntap add %[1]s mode tun", "%s 没有地址：%v 已被占用；请先自行建立设备并配置地址：ip tuntap add %[1]s mode tun"},
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
