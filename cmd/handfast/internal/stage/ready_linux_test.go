package stage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

// The kernel answers the very first packet to each of its addresses. It is sent once:
// without an answer the test hangs, and ends by its deadline.
func TestTheFirstPacketPasses(t *testing.T) {
	needNamespace(t)
	for _, kind := range []string{"tun", "packet"} {
		for to := range KernelAddrs {
			t.Run(fmt.Sprint(kind, KernelAddrs[to]), func(t *testing.T) {
				for range 20 {
					a, err := OnKernel(kind, func(_ *Stage, l link.Link, device string) error {
						if err := Configure(device, KernelAddrs); err != nil {
							return err
						}
						defer time.AfterFunc(5*time.Minute, func() { l.Close() }).Stop()
						return askKernel(l, device, OurAddrs[to].Addr(), KernelAddrs[to].Addr())
					})
					if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.EPERM) {
						t.Skip(err)
					}
					if err != nil {
						t.Fatal(err)
					}
					a.Close()
				}
			})
		}
	}
}

// askKernel sends an echo request, and waits for anything that the kernel says because
// of it: on an Ethernet it asks first where we are.
func askKernel(l link.Link, device string, from, to netip.Addr) error {
	dev, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	p := buf.NewPacket()
	if a := l.Attributes(); a.Medium == link.Ethernet {
		e := wire.Ethernet{Src: a.HardwareAddr, Dst: [6]byte(dev.Attrs().HardwareAddr), Type: wire.EtherTypeIPv4}
		if to.Is6() {
			e.Type = wire.EtherTypeIPv6
		}
		p.Data, p.L3 = e.Append(p.Data), wire.EthernetSize
	}
	ip := wire.IP{Version: 4, Proto: wire.ProtoICMP, TTL: 64, Src: wire.AddrFrom(from), Dst: wire.AddrFrom(to)}
	echo, sum := wire.ICMP{Type: wire.ICMPv4EchoRequest}, uint64(0)
	if to.Is6() {
		ip.Version, ip.Proto, echo.Type = 6, wire.ProtoICMPv6, wire.ICMPv6EchoRequest
		sum = wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, wire.ICMPSize)
	}
	message := echo.Append(nil)
	binary.BigEndian.PutUint16(message[2:], wire.Checksum(wire.Sum(message, sum)))
	p.Data = append(ip.Append(p.Data, len(message)), message...)
	if err := l.Write(0, []*buf.Packet{p}); err != nil {
		return err
	}
	for {
		batch := make([]*buf.Packet, 8)
		n, err := l.Read(0, batch)
		if err != nil {
			return fmt.Errorf("no answer to the first packet: %w", err)
		}
		for _, p := range batch[:n] {
			p.Flatten()
			answered := bytes.Contains(p.Data, from.AsSlice()) && bytes.Contains(p.Data, to.AsSlice())
			p.Release()
			if answered {
				return nil
			}
		}
	}
}
