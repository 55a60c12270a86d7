package host

import (
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// No packet with such addresses gets any answer: no RST, no echo, no ICMP.
// lastByte returns a with another last byte.
func lastByte(a wire.Addr, b byte) wire.Addr {
	hi, lo := a.Words()
	return wire.AddrFromWords(hi, lo&^0xff|uint64(b))
}

func TestAddressesThatNobodyMaySendFrom(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		want     wire.Drop
	}{
		{"0.0.0.0", "10.0.0.2", wire.BadSource},
		{"0.1.2.3", "10.0.0.2", wire.BadSource},
		{"127.0.0.1", "10.0.0.2", wire.BadSource},
		{"127.255.0.1", "10.0.0.2", wire.BadSource},
		{"224.0.0.1", "10.0.0.2", wire.BadSource},
		{"240.0.0.1", "10.0.0.2", wire.BadSource},
		{"255.255.255.255", "10.0.0.2", wire.BadSource},
		{"10.0.0.255", "10.0.0.2", wire.BadSource},
		{"10.0.0.2", "10.0.0.2", wire.BadSource}, // LAND
		{"10.0.0.1", "10.0.0.3", wire.NotOurs},
		{"10.0.0.1", "127.0.0.1", wire.NotOurs},
		{"10.0.0.1", "0.0.0.0", wire.NotOurs},
		{"10.0.0.1", "239.1.2.3", wire.NotOurs},
		{"10.0.0.1", "224.0.0.1", wire.BadDestination},
		{"10.0.0.1", "10.0.0.255", wire.BadDestination},
		{"10.0.0.1", "255.255.255.255", wire.BadDestination},
		{"::", "fd00::2", wire.BadSource},
		{"::1", "fd00::2", wire.BadSource},
		{"ff02::1", "fd00::2", wire.BadSource},
		{"fd00::2", "fd00::2", wire.BadSource},
		{"fd00::1", "fd00::3", wire.NotOurs},
		{"fd00::1", "::1", wire.NotOurs},
		{"fd00::1", "ff02::2", wire.NotOurs},
		{"fd00::1", "ff02::1", wire.BadDestination},
		{"fd00::1", "ff02::1:ff00:2", wire.BadDestination},
	} {
		for _, ethernet := range []bool{false, true} {
			p := newPair(t, config{ethernet: ethernet})
			ip := wire.IP{Version: 4, TTL: 64, Src: addr(c.src), Dst: addr(c.dst)}
			echo := wire.ICMP{Type: wire.ICMPv4EchoRequest}
			protoICMP := uint8(wire.ProtoICMP)
			if !ip.Src.Is4() {
				ip.Version, protoICMP, echo.Type = 6, wire.ProtoICMPv6, wire.ICMPv6EchoRequest
			}
			ip.Proto = wire.ProtoTCP
			syn := wire.TCP{SrcPort: 1, DstPort: 80, Flags: wire.SYN}
			if d := p.inject(ip, syn.Append(nil)); d != c.want {
				t.Errorf("SYN from %s to %s: %v, want %v", c.src, c.dst, d, c.want)
			}
			ip.Proto = protoICMP
			if d := p.inject(ip, icmp(ip, echo, nil)); d != c.want {
				t.Errorf("echo request from %s to %s: %v, want %v", c.src, c.dst, d, c.want)
			}
			ip.Proto = wire.ProtoUDP
			p.inject(ip, udp(ip, 1, 7, nil))
			p.wantNothing("no answer of any kind", p.b)
		}
	}
}

func TestFramesForOthers(t *testing.T) {
	p := newPair(t, config{ethernet: true})
	ip, request := p.echoRequest(nil)
	for _, c := range []struct {
		dst  [6]byte
		want wire.Drop
	}{
		{hwA, wire.NotOurs},
		{wire.Broadcast, wire.BadDestination}, // RFC 1122 §3.3.6
		{hwB, wire.None},
	} {
		if d := p.b.Receive(p.now, 0, p.frame(wire.Ethernet{Dst: c.dst, Src: hwA}, ip, request)); d != c.want {
			t.Errorf("to %x: %v, want %v", c.dst, d, c.want)
		}
	}
	frame := p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, request)
	put16(frame.Data[12:], wire.EtherTypeIPv6)
	if d := p.b.Receive(p.now, 0, frame); d != wire.BadVersion {
		t.Errorf("IPv4 in an IPv6 frame: %v", d)
	}
	frame = p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, request)
	put16(frame.Data[12:], 0x8100)
	if d := p.b.Receive(p.now, 0, frame); d != wire.UnknownEtherType {
		t.Errorf("VLAN tag: %v", d)
	}
	p.run()
}

func TestPaddingIsCutOff(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.open(p.b, 53, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		frame := p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, udp(ip, 1, 53, []byte("hi")))
		frame.Data = append(frame.Data, "padding of the link"...)
		if d := p.b.Receive(p.now, 0, frame); d != wire.None {
			t.Fatal(d)
		}
		p.wantDatagram("without the padding", s, p.addrA, 1, []byte("hi"))
	})
}

// A packet may come in any shape: in the packet's own room, split, or in the
// middle of a block that Data's capacity does not lead to.
func TestShapesOfPackets(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.open(p.b, 53, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		payload := pattern(40)
		for name, reshape := range map[string]func(packet *buf.Packet){
			"own room": func(packet *buf.Packet) {
				whole := append([]byte(nil), packet.Data...)
				packet.Clear()
				packet.Data = append(packet.Data, whole...)
			},
			"split": func(packet *buf.Packet) {
				whole := append([]byte(nil), packet.Data...)
				packet.Clear()
				packet.Data = append(packet.Data, whole[:len(whole)-33]...)
				for _, part := range [][]byte{whole[len(whole)-33 : len(whole)-10], whole[len(whole)-10:]} {
					b := buf.Get(len(part))
					copy(b.Bytes(), part)
					packet.AddView(buf.MakeView(b, 0, len(part)))
				}
			},
			"capacity cut": func(packet *buf.Packet) { packet.Data = packet.Data[:len(packet.Data):len(packet.Data)] },
		} {
			frame := p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, udp(ip, 1, 53, payload))
			reshape(frame)
			if d := p.b.Receive(p.now, 0, frame); d != wire.None {
				t.Errorf("%s: %v", name, d)
				continue
			}
			p.wantDatagram(name, s, p.addrA, 1, payload)
		}
	})
}

func TestLongestPrefixWins(t *testing.T) {
	h := New(Config{})
	for i, a := range []string{"10.0.0.1/24", "10.1.0.1/16", "fd00::1/64"} {
		h.AddLink(LinkConfig{MTU: 1500 + i})
		if err := h.AddAddress(i, netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
	gateway := netip.MustParseAddr("10.0.0.254")
	if err := h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), gateway, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.AddRoute(netip.MustParsePrefix("10.1.2.0/24"), gateway, 0); err != nil {
		t.Fatal(err)
	}
	for dst, want := range map[string]struct {
		src string
		mtu int
	}{
		"10.0.0.7": {"10.0.0.1", 1500}, "10.1.3.4": {"10.1.0.1", 1501}, "10.1.2.3": {"10.0.0.1", 1500},
		"192.0.2.1": {"10.0.0.1", 1500}, "fd00::9": {"fd00::1", 1502}, "10.1.0.1": {"10.1.0.1", localMTU},
	} {
		src, path, ok := h.Source(addr(dst))
		if !ok || src != addr(want.src) || path.MTU != want.mtu {
			t.Errorf("to %s: from %v, MTU %d, %v; want %v", dst, src, path.MTU, ok, want)
		}
	}
	if _, _, ok := h.Source(addr("2001:db8::1")); ok {
		t.Error("the IPv4 default route carries IPv6")
	}
}

func TestGatewayIsTheNeighbour(t *testing.T) {
	onEthernet(t, config{}, func(t *testing.T, p *pair) {
		everything := map[bool]string{false: "0.0.0.0/0", true: "::/0"}[p.v6]
		far := map[bool]string{false: "192.0.2.1", true: "2001:db8::1"}[p.v6]
		if err := p.a.AddRoute(netip.MustParsePrefix(everything), p.addrB.Netip(), 0); err != nil {
			t.Fatal(err)
		}
		client := p.open(p.a, 5000, addr(far), 53)
		p.send(p.a, client, wire.Addr{}, 0, nil)
		p.run()
		p.wantDrops("it reaches b, which forwards nothing", wire.NotOurs)
	})
}

func TestBadConfiguration(t *testing.T) {
	h := New(Config{})
	if err := h.AddAddress(0, netip.MustParsePrefix("10.0.0.1/24")); err != ErrNoLink {
		t.Errorf("no link: %v", err)
	}
	h.AddLink(LinkConfig{MTU: 1500})
	for _, a := range []string{"0.0.0.0/0", "224.0.0.1/24", "ff02::1/64"} {
		if err := h.AddAddress(0, netip.MustParsePrefix(a)); err != ErrDestination {
			t.Errorf("address %s: %v", a, err)
		}
	}
	if err := h.AddAddress(0, netip.Prefix{}); err != ErrDestination {
		t.Errorf("no address: %v", err)
	}
	if err := h.AddRoute(netip.MustParsePrefix("::/0"), netip.MustParseAddr("10.0.0.1"), 0); err != ErrDestination {
		t.Errorf("IPv6 by an IPv4 gateway: %v", err)
	}
}

// A frame for another station is none of ours, in whatever its address differs.
func TestFrameOfAnotherStation(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := newPair(t, config{ethernet: true, v6: v6})
		s := p.open(p.b, 53, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		for bit := range 48 {
			dst := hwB
			if dst[bit/8] ^= 1 << (bit % 8); dst[0]&1 != 0 {
				continue // a group
			}
			if d := p.b.Receive(p.now, 0, p.frame(wire.Ethernet{Dst: dst, Src: hwA}, ip, udp(ip, 1, 53, nil))); d != wire.NotOurs {
				t.Errorf("for %x: %v", dst, d)
			}
		}
		p.wantSilence("no frame was for us", s)
	}
}
