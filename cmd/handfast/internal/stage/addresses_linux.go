package stage

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// Configure gives the kernel's side of a link its addresses, and sets the
// device up. When it returns, packets pass.
func Configure(device string, addrs []netip.Prefix) error {
	dev, err := netlink.LinkByName(device)
	if err != nil {
		return say.Errorf(say.All("%s: %w"), device, Explain(err))
	}
	for _, p := range addrs {
		if err := addAddress(dev, p); err != nil {
			return say.Errorf(say.Text{"address %v on %s: %w", "%[2]s 上的地址 %[1]v：%[3]w"}, p, device, Explain(err))
		}
	}
	if err := netlink.LinkSetUp(dev); err != nil {
		return say.Errorf(say.Text{"set %s up: %w", "启用 %s：%w"}, device, Explain(err))
	}
	awaitReady(dev, addrs)
	return nil
}

func addAddress(dev netlink.Link, p netip.Prefix) error {
	a, err := netlink.ParseAddr(p.String())
	if err != nil {
		return err
	}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD // otherwise it cannot be used for a second
	}
	return netlink.AddrAdd(dev, a)
}

// Explain adds to an error of the kernel what can be done about it.
func Explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return say.Errorf(say.Text{"%w: this needs CAP_NET_ADMIN; run it with sudo, or once: sudo setcap cap_net_admin+ep $(command -v handfast)", "%w：这需要 CAP_NET_ADMIN；请用 sudo 运行，或执行一次：sudo setcap cap_net_admin+ep $(command -v handfast)"}, err)
	case errors.Is(err, unix.EEXIST):
		return say.Errorf(say.Text{"%w: it is already in use", "%w：已被占用"}, err)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return say.Errorf(say.Text{"%w: the kernel does not know this kind of device", "%w：内核不支持这种设备"}, err)
	}
	return err
}

// Overlaps finds an address or a network of this machine that p would clash
// with.
func Overlaps(p netip.Prefix) error {
	family := netlink.FAMILY_V4
	if p.Addr().Is6() {
		family = netlink.FAMILY_V6
	}
	addrs, err := netlink.AddrList(nil, family)
	if err != nil {
		return say.Errorf(say.Text{"list the addresses of this machine: %w", "列出本机的地址：%w"}, Explain(err))
	}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		ones, _ := a.Mask.Size()
		if other := netip.PrefixFrom(ip.Unmap(), ones); ok && other.Overlaps(p) {
			return say.Errorf(say.Text{"%v overlaps %v, which this machine has on %s; choose another network with --addr and --host-addr",
				"%v 与本机 %[3]s 上的 %[2]v 重叠；请用 --addr 和 --host-addr 选择另一个网络"},
				p, other, deviceName(a.LinkIndex))
		}
	}
	return nil
}

func deviceName(index int) string {
	dev, err := netlink.LinkByIndex(index)
	if err != nil {
		return fmt.Sprintf("device %d", index)
	}
	return dev.Attrs().Name
}
