package host

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Nothing is answered that does not say which single host has sent it, whatever is
// wrong with it and wherever a default route would lead: RFC 1122 §3.2.2, RFC 4443
// §2.4 (e.6). https://www.rfc-editor.org/rfc/rfc4443#section-2.4
func TestNoAnswerToNobody(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		for _, r := range []string{"0.0.0.0/0", "::/0"} {
			gateway := netip.MustParseAddr("10.0.0.1")
			if r == "::/0" {
				gateway = netip.MustParseAddr("fd00::1")
			}
			if err := p.b.AddRoute(netip.MustParsePrefix(r), gateway, 0); err != nil {
				t.Fatal(err)
			}
		}
		sources := []string{"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.255", "10.0.0.2", "240.0.0.1"}
		if p.v6 {
			sources = []string{"::", "::1", "ff02::1", "ff0e::1", "fd00::2"}
		}
		for _, source := range sources {
			for name, packet := range deserving(p) {
				ip, b := packet(addr(source))
				p.inject(ip, b)
				for range 2 {
					p.wantNothing(fmt.Sprintf("%s from %s", name, source), p.b)
					p.now = p.now.Add(p.b.cfg.FragmentTimeout)
					p.b.Advance(p.now)
				}
			}
		}
	})
}

// deserving are packets that get an answer when a host sends them.
func deserving(p *pair) map[string]func(src wire.Addr) (wire.IP, []byte) {
	from := func(src wire.Addr, proto uint8) wire.IP {
		ip := p.fromA(proto)
		ip.Src = src
		return ip
	}
	first := func(ip wire.IP, n int) (wire.IP, []byte) {
		ip.MoreFragments, ip.ID = true, 7
		return ip, make([]byte, n)
	}
	all := map[string]func(src wire.Addr) (wire.IP, []byte){
		"unknown protocol": func(src wire.Addr) (wire.IP, []byte) { return from(src, 200), make([]byte, 40) },
		"closed UDP port": func(src wire.Addr) (wire.IP, []byte) {
			ip := from(src, wire.ProtoUDP)
			return ip, udp(ip, 9, 99, []byte("hello"))
		},
		"echo request": func(src wire.Addr) (wire.IP, []byte) {
			ip := from(src, p.protoICMP())
			c := wire.ICMP{Type: wire.ICMPv4EchoRequest}
			if p.v6 {
				c.Type = wire.ICMPv6EchoRequest
			}
			return ip, icmp(ip, c, []byte("hello"))
		},
		"first fragment alone": func(src wire.Addr) (wire.IP, []byte) { return first(from(src, wire.ProtoUDP), 64) },
	}
	if p.v6 {
		for _, proto := range []uint8{wire.ProtoICMPv6, wire.ProtoUDP, wire.ProtoTCP} {
			all[fmt.Sprint("fragment of odd length of ", proto)] = func(src wire.Addr) (wire.IP, []byte) { return first(from(src, proto), 63) }
			all[fmt.Sprint("fragment without header of ", proto)] = func(src wire.Addr) (wire.IP, []byte) { return first(from(src, proto), 0) }
			all[fmt.Sprint("fragment past the end of ", proto)] = func(src wire.Addr) (wire.IP, []byte) {
				ip, b := first(from(src, proto), 64)
				ip.FragOffset = 65528
				return ip, b
			}
		}
	}
	return all
}
