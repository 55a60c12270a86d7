package main

import (
	"errors"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link"
)

// deviceQueue is how many packets wait in the kernel's device for us.
const deviceQueue = 4096

// newKernelFlood has the honest clients on the kernel's TCP. The flood leaves by
// the same device.
func newKernelFlood(kind string, cfg handfast.Config) (*floodArena, error) {
	f := &floodArena{}
	var err error
	f.Stage, err = stage.OnKernel(kind, func(a *stage.Stage, l link.Link, device string) error {
		if err := serveFlood(a, l, device, cfg); err != nil {
			return err
		}
		return f.openInjector(a, l, device)
	})
	if err != nil {
		return nil, err
	}
	f.server = ourServer{f.Server}
	return f, nil
}

func serveFlood(a *stage.Stage, l link.Link, device string, cfg handfast.Config) (err error) {
	if a.Server, err = handfast.New(cfg); err != nil {
		return err
	}
	a.Later(func() { a.Server.Close() })
	err = a.Server.Attach(l, handfast.LinkOptions{Addresses: stage.OurAddrs,
		Routes: everywhere(stage.KernelAddrs[0].Addr(), stage.KernelAddrs[1].Addr())})
	if err != nil {
		return err
	}
	return stage.Configure(device, stage.KernelAddrs)
}

func (f *floodArena) openInjector(a *stage.Stage, l link.Link, device string) error {
	dev, err := netlink.LinkByName(device)
	if err != nil {
		return say.Errorf(say.All("%s: %w"), device, stage.Explain(err))
	}
	if err := netlink.LinkSetTxQLen(dev, deviceQueue); err != nil {
		return say.Errorf(say.Text{"%s: length of the queue: %w", "%s：队列长度：%w"}, device, stage.Explain(err))
	}
	i, err := newDeviceInjector(dev, l.Attributes())
	if err != nil {
		return err
	}
	f.flood = i
	a.Later(i.close)
	return nil
}

// deviceInjector sends packets out of a device of the kernel, by AF_PACKET. It
// goes past the queueing discipline, so that a full device says so.
type deviceInjector struct {
	fd     int
	to     unix.SockaddrLinklayer
	header []byte // of Ethernet; empty for a TUN
	packet []byte
}

func newDeviceInjector(dev netlink.Link, host link.Attributes) (*deviceInjector, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // protocol 0: it receives nothing
	if err != nil {
		return nil, say.Errorf(say.Text{"a socket to flood with: %w", "用于泛洪的套接字：%w"}, stage.Explain(err))
	}
	i := &deviceInjector{fd: fd, to: unix.SockaddrLinklayer{Ifindex: dev.Attrs().Index}}
	if host.Medium == link.Ethernet {
		i.header = append(append(i.header, host.HardwareAddr[:]...), dev.Attrs().HardwareAddr...)
		i.header = append(i.header, 0, 0)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		i.close()
		return nil, say.Errorf(say.Text{"a socket to flood with: %w", "用于泛洪的套接字：%w"}, stage.Explain(err))
	}
	return i, nil
}

func (i *deviceInjector) inject(n int, m *synMaker) (sent int, err error) {
	etherType := uint16(unix.ETH_P_IP)
	if !m.target.Addr().Is4() {
		etherType = unix.ETH_P_IPV6
	}
	i.to.Protocol = etherType<<8 | etherType>>8
	if len(i.header) > 0 {
		i.header[12], i.header[13] = byte(etherType>>8), byte(etherType)
	}
	for sent < n {
		i.packet = m.next(append(i.packet[:0], i.header...))
		err := unix.Sendto(i.fd, i.packet, unix.MSG_DONTWAIT, &i.to)
		switch {
		case err == nil:
			sent++
		case errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN):
			return sent, nil
		case !errors.Is(err, unix.EINTR):
			return sent, say.Errorf(say.Text{"flood: %w", "flood：%w"}, err)
		}
	}
	return sent, nil
}

func (i *deviceInjector) close() { unix.Close(i.fd) }
