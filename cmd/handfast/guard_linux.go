package main

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/xdp"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/packet"
	"github.com/handfast-tcp/handfast/link/tun"
)

var guardNeedsRoot = say.Text{"%w\n  guard takes packets from a device, which needs root or CAP_NET_ADMIN and CAP_NET_RAW: sudo handfast guard; --link memory does without",
	"%w\n  guard 从设备取得数据包，需要 root 或 CAP_NET_ADMIN 与 CAP_NET_RAW：sudo handfast guard；--link memory 不需要"}

// openTUN makes a TUN device to which this machine routes what comes for our addresses.
func (o *guardOptions) openTUN() (link.Link, error) {
	if err := o.checkOwn(); err != nil {
		return nil, err
	}
	d, err := tun.Open(tun.Options{Name: o.tun})
	if errors.Is(err, fs.ErrPermission) {
		return nil, say.Errorf(guardNeedsRoot, err)
	}
	if err != nil {
		return nil, err
	}
	name := d.Attributes().Name // hf%d gets a number
	if err = stage.Configure(name, o.hostAddrs); err == nil {
		err = o.route(name)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// checkOwn sets the addresses that nobody has named, and refuses those that the kernel has: it
// would answer in our place.
func (o *guardOptions) checkOwn() error {
	o.nameOwn()
	kernels, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, l := range o.listen {
		if !slices.ContainsFunc(o.addrs, func(p netip.Prefix) bool { return p.Addr() == l.Addr() }) {
			return usagef(say.Text{"--listen %v: its address is none of --addr %s", "--listen %v：其地址不在 --addr %s 之中"}, l, o.addrs.String())
		}
		if slices.ContainsFunc(kernels, func(a net.Addr) bool { return isAddr(a, l.Addr()) }) {
			return say.Errorf(say.Text{"--listen %v: the kernel of this machine has that address, and would answer in our place; the guard needs one of its own",
				"--listen %v：本机内核已有该地址，会抢先应答；guard 需要一个自己的地址"}, l)
		}
	}
	return nil
}

func isAddr(a net.Addr, want netip.Addr) bool {
	n, ok := a.(*net.IPNet)
	if !ok {
		return false
	}
	ip, ok := netip.AddrFromSlice(n.IP)
	return ok && ip.Unmap() == want
}

// route has the kernel send what is for us by the device.
func (o *guardOptions) route(device string) error {
	dev, err := netlink.LinkByName(device)
	if err != nil {
		return say.Errorf(say.All("%s: %w"), device, stage.Explain(err))
	}
	for _, p := range o.addrs {
		if slices.ContainsFunc(o.hostAddrs, func(h netip.Prefix) bool { return h.Contains(p.Addr()) }) {
			continue // the device's own network leads there
		}
		to := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Addr().BitLen(), p.Addr().BitLen())}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: dev.Attrs().Index, Dst: to}); err != nil {
			return say.Errorf(say.Text{"route to %v by %s: %w", "经由 %[2]s 到 %[1]v 的路由：%[3]w"}, p.Addr(), device, stage.Explain(err))
		}
	}
	return nil
}

// openEthernet opens a device of the kernel's, and finds out its networks and its router.
func (o *guardOptions) openEthernet() (link.Link, []handfast.Route, error) {
	if o.device == "" {
		return nil, nil, usagef(say.Text{"--link %s: --device names the Ethernet device (ip link shows which there are)", "--link %s：用 --device 指定以太网设备（ip link 列出所有设备）"}, o.link)
	}
	if err := o.onNetworkOf(o.device); err != nil {
		return nil, nil, err
	}
	routes, err := o.routesOf(o.device)
	if err != nil {
		return nil, nil, err
	}
	l, err := o.openDevice()
	return l, routes, err
}

// openDevice opens an Ethernet device by packet sockets, or by AF_XDP.
func (o *guardOptions) openDevice() (link.Link, error) {
	if o.link == "xdp" {
		ours := make([]netip.Addr, len(o.addrs))
		for i, p := range o.addrs {
			ours[i] = p.Addr()
		}
		d, err := xdp.Open(xdp.Options{Name: o.device, Addresses: ours})
		if err != nil {
			return nil, err // not a link that is not nil
		}
		return d, nil
	}
	d, err := packet.Open(packet.Options{Name: o.device})
	if errors.Is(err, fs.ErrPermission) {
		err = say.Errorf(guardNeedsRoot, err)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// onNetworkOf gives addresses that nobody has named the networks that the kernel has on a device.
func (o *guardOptions) onNetworkOf(device string) error {
	named := len(o.addrs) > 0
	if err := o.checkOwn(); err != nil || named {
		return err
	}
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return say.Errorf(say.Text{"--device %s: %w (ip link shows which there are)", "--device %s：%w（ip link 列出所有设备）"}, device, err)
	}
	kernels, err := dev.Addrs()
	if err != nil {
		return err
	}
	for i, p := range o.addrs {
		for _, k := range kernels {
			if n, ok := k.(*net.IPNet); ok && n.Contains(p.Addr().AsSlice()) {
				ones, _ := n.Mask.Size()
				o.addrs[i] = netip.PrefixFrom(p.Addr(), ones)
			}
		}
		if o.addrs[i] == p {
			return usagef(say.Text{"--addr says in which network %v is, such as --addr %v/24: the kernel has no address of it on %s", "用 --addr 说明 %v 所在的网络，例如 --addr %v/24：内核在 %s 上没有该网络的地址"}, p.Addr(), p.Addr(), device)
		}
	}
	return nil
}

// routesOf returns the way to other networks: --gateway, or the routers that the kernel has
// on a device.
func (o *guardOptions) routesOf(device string) (routes []handfast.Route, err error) {
	if o.gateway != "" {
		a, err := netip.ParseAddr(o.gateway)
		if err != nil {
			return nil, usagef(say.Text{"--gateway %s: it is not an address", "--gateway %s：不是地址"}, o.gateway)
		}
		return []handfast.Route{{Destination: allOf(a), Gateway: a}}, nil
	}
	dev, err := netlink.LinkByName(device)
	if err != nil {
		return nil, say.Errorf(say.All("--device %s: %w"), device, stage.Explain(err))
	}
	all, err := netlink.RouteList(dev, netlink.FAMILY_ALL)
	if err != nil {
		return nil, say.Errorf(say.All("--device %s: %w"), device, stage.Explain(err))
	}
	for _, r := range all {
		if a, ok := netip.AddrFromSlice(r.Gw); ok && (r.Dst == nil || r.Dst.IP.IsUnspecified()) {
			routes = append(routes, handfast.Route{Destination: allOf(a.Unmap()), Gateway: a.Unmap()})
		}
	}
	return routes, nil
}

// allOf is every address of the family of a.
func allOf(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// forwards reports whether this machine is a router.
func forwards() bool {
	for _, f := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"} {
		if b, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(b)) != "0" {
			return true
		}
	}
	return false
}
