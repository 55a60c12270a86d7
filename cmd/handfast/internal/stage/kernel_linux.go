package stage

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/packet"
	"github.com/handfast-tcp/handfast/link/tun"
)

// The names of the devices that try makes in its own namespace.
const (
	tunName    = "hf0"
	kernelVeth = "hf-kernel"
	ourVeth    = "hf-ours"
)

// NewKernel has the kernel's TCP on one side.
func NewKernel(kind string, r *live.Recorder) (*Stage, error) {
	return OnKernel(kind, func(a *Stage, l link.Link, device string) (err error) {
		a.Server, err = a.Host(&live.Watched{Link: l, Recorder: r, State: kernel.State}, OurAddrs, r.Events)
		if err != nil {
			return err
		}
		return Configure(device, KernelAddrs)
	})
}

// OnKernel makes a stage whose client is the kernel's TCP, over a TUN, over a
// veth pair, or over the first of them that works. build adds the server to it;
// device is the kernel's side of the link.
func OnKernel(kind string, build func(a *Stage, l link.Link, device string) error) (*Stage, error) {
	var failed []error
	for _, k := range []struct {
		kind string
		open func() (l link.Link, device string, text say.Text, err error)
	}{{"tun", openTUN}, {"packet", openVeth}} {
		if kind != k.kind && kind != "auto" {
			continue
		}
		l, device, text, err := k.open()
		if err == nil {
			a := &Stage{Link: text, Client: KernelName, Dial: (&net.Dialer{}).DialContext}
			a.Later(func() { l.Close(); removeDevice(device) })
			if err = build(a, l, device); err == nil {
				return a, nil
			}
			a.Close()
		}
		failed = append(failed, err)
	}
	if failed == nil {
		return nil, say.Errorf(say.Text{"unknown kind of link to the kernel: %q; use tun, packet or auto", "未知的内核链路种类：%q；请用 tun、packet 或 auto"}, kind)
	}
	return nil, errors.Join(failed...)
}

// removeDevice makes room for the next stage: a TUN goes with its link, but a
// veth pair stays.
func removeDevice(name string) {
	if dev, err := netlink.LinkByName(name); err == nil {
		netlink.LinkDel(dev) // what is left of it goes with the namespace
	}
}

// openTUN opens a TUN device.
func openTUN() (l link.Link, device string, text say.Text, err error) {
	d, err := tun.Open(tun.Options{Name: tunName})
	if err != nil {
		return nil, "", say.Text{}, err
	}
	return d, tunName, describe(say.All("TUN "+tunName), d), nil
}

// openVeth makes a veth pair: the kernel has one end, we have the other.
func openVeth() (l link.Link, device string, text say.Text, err error) {
	pair := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: ourVeth}
	pair.Name = kernelVeth
	if err := netlink.LinkAdd(pair); err != nil {
		return nil, "", say.Text{}, say.Errorf(say.Text{"make a veth pair: %w", "建立 veth 对：%w"}, Explain(err))
	}
	ours, err := netlink.LinkByName(ourVeth)
	if err == nil {
		err = netlink.LinkSetUp(ours)
	}
	if err != nil {
		return nil, "", say.Text{}, say.Errorf(say.All("%s: %w"), ourVeth, Explain(err))
	}
	d, err := packet.Open(packet.Options{Name: ourVeth})
	if err != nil {
		removeDevice(kernelVeth) // nobody else will: there is no stage yet
		return nil, "", say.Text{}, err
	}
	return d, kernelVeth, describe(say.Text{"veth pair " + kernelVeth + " and " + ourVeth + " (AF_PACKET)", "veth 对 " + kernelVeth + " 与 " + ourVeth + "（AF_PACKET）"}, d), nil
}

// describe adds what a link can do to its name.
func describe(name say.Text, l link.Link) say.Text {
	a := l.Attributes()
	if a.MaxGSO == 0 {
		return say.Text{fmt.Sprintf("%s, MTU %d, no offload", name[0], a.MTU), fmt.Sprintf("%s，MTU %d，无卸载", name[1], a.MTU)}
	}
	largest := (a.MaxGSO + 1023) >> 10
	return say.Text{fmt.Sprintf("%s, MTU %d, segments of up to %d KiB", name[0], a.MTU, largest),
		fmt.Sprintf("%s，MTU %d，报文段最大 %d KiB", name[1], a.MTU, largest)}
}
