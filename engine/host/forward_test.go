package host

import (
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// forwarder returns a host that ends every connection and asks before it
// answers.
// everybody is a forwarder's TCP of all addresses.
var everybody = Forwarded{TCP: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}

func forwarder(t *testing.T) (*Host, *tcp.Listener) {
	t.Helper()
	h := New(Config{})
	iface := h.AddLink(LinkConfig{Name: "tun", MTU: 1500})
	h.SetForwarded(everybody)
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		if err := h.AddRoute(netip.MustParsePrefix(all), netip.Addr{}, iface); err != nil {
			t.Fatal(err)
		}
	}
	l, err := h.TCP().Listen(wire.Addr{}, 0, 100, "forwarder")
	if err != nil {
		t.Fatal(err)
	}
	l.Ask = true
	return h, l
}

func synPacket(src, dst string, port uint16) *buf.Packet {
	ip := wire.IP{Version: 4, TTL: 64, Proto: wire.ProtoTCP, Src: addr(src), Dst: addr(dst)}
	if !ip.Src.Is4() {
		ip.Version = 6
	}
	syn := wire.TCP{SrcPort: 4000, DstPort: port, Seq: 1000, Flags: wire.SYN, Window: 64240}
	p := buf.NewPacket()
	p.Data = syn.Append(ip.Append(p.Data, syn.HeaderLen()))
	p.Checksum = buf.ChecksumVerified
	return p
}

// A forwarder's SYN waits, and each verdict has its answer, which speaks from
// the address that was asked for.
func TestForwarderVerdicts(t *testing.T) {
	for _, c := range []struct{ src, dst string }{{"10.1.1.1", "93.184.216.34"}, {"fd00::9", "2606:2800::1"}} {
		for _, why := range []Unreachable{NetworkUnreachable, HostUnreachable, PortUnreachable, AdministrativelyProhibited} {
			h, _ := forwarder(t)
			now := clock.Time(time.Hour)
			if d := h.Receive(now, 0, synPacket(c.src, c.dst, 443)); d != wire.None {
				t.Fatalf("SYN to %s: %v", c.dst, d)
			}
			if p, _ := h.Output(now); p != nil {
				t.Fatal("answered before the verdict")
			}
			y, ok := h.TCP().NextSyn()
			if !ok || y.Tuple.Local != addr(c.dst) || y.Tuple.LocalPort != 443 {
				t.Fatalf("asked about %v", y)
			}
			if !h.RefuseSyn(now, y, why) || h.RefuseSyn(now, y, why) {
				t.Fatal("a verdict counts once")
			}
			p, _ := h.Output(now)
			if p == nil {
				t.Fatal("no ICMP error")
			}
			p.Flatten()
			var ip wire.IP
			var m wire.ICMP
			if d := wire.ParseIP(p.Data, &ip); d != wire.None || ip.Src != addr(c.dst) || ip.Dst != addr(c.src) {
				t.Fatalf("error from %v to %v: %v", ip.Src, ip.Dst, d)
			}
			if d := wire.ParseICMP(p.Data[ip.HeaderLen:], &m); d != wire.None {
				t.Fatal(d)
			}
			want := icmpOf[why][0]
			if ip.Version == 6 {
				want = icmpOf[why][1]
			}
			if m.Type != want.Type || m.Code != want.Code {
				t.Errorf("type %d code %d for reason %d", m.Type, m.Code, why)
			}
			q, ok := parseQuote(p.Data[ip.HeaderLen+wire.ICMPSize:])
			if !ok || q.tuple.Local != addr(c.src) || q.tuple.RemotePort != 443 || q.seq != 1000 {
				t.Errorf("quotes %+v", q)
			}
			p.Release()
			if h.TCP().Len() != 0 {
				t.Error("something is left")
			}
		}
	}
}

// Without SetForwarded other people's connections are none of ours.
func TestOnlyAForwarderTakesAll(t *testing.T) {
	h, _ := forwarder(t)
	h.SetForwarded(Forwarded{})
	if d := h.Receive(0, 0, synPacket("10.1.1.1", "93.184.216.34", 443)); d != wire.NotOurs {
		t.Errorf("%v", d)
	}
}

// Errors about a forwarder's connections come to addresses that are not ours.
// Nothing else that is sent there is for us but TCP, and nothing of it is answered.
func TestWhatAForwarderHears(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		p.b.SetForwarded(everybody)
		foreign := addr(map[bool]string{false: "93.184.216.34", true: "2606:2800::1"}[p.v6])
		ip := p.fromA(p.protoICMP())
		ip.Dst = foreign
		quoted := p.fromA(wire.ProtoTCP)
		quoted.Src, quoted.Dst = foreign, p.addrA
		quote := append(quoted.Append(nil, 1500-quoted.HeaderSize()), pattern(20)...)
		for kind := range 256 {
			want := wire.NotOurs
			if isError4(byte(kind)) && !p.v6 {
				want = wire.ForgedICMP // nothing of that is in flight
			} else if p.v6 && kind >= 1 && kind <= 4 {
				want = wire.ForgedICMP
			} else if p.v6 && kind < 128 {
				want = wire.UnknownProtocol
			}
			if d := p.inject(ip, icmp(ip, wire.ICMP{Type: byte(kind)}, quote)); d != want {
				t.Errorf("ICMP type %d: %v, want %v", kind, d, want)
			}
		}
		ip.Proto = wire.ProtoUDP
		if d := p.inject(ip, udp(ip, 1, 7, nil)); d != wire.NotOurs {
			t.Errorf("UDP: %v", d)
		}
		p.wantNothing("no answer", p.b)
	})
}

// Of the sockets that have every port, the one of the narrowest network with the
// address gets a datagram, in whatever order they were opened.
func TestTheNarrowestForwarderHears(t *testing.T) {
	prefixes := []netip.Prefix{{}, netip.MustParsePrefix("::/0"), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("10.0.0.0/8")}
	want := map[string]int{"10.1.1.1": 4, "192.0.2.1": 2, "fd00::1": 3, "2001:db8::1": 1}
	for first := range prefixes {
		h, _ := forwarder(t)
		for i := range prefixes {
			n := (first + i) % len(prefixes)
			if _, err := h.OpenAnyUDP(prefixes[n], n); err != nil {
				t.Fatal(err)
			}
			if _, err := h.OpenAnyUDP(prefixes[n], n); err != ErrInUse {
				t.Errorf("%v again: %v", prefixes[n], err)
			}
		}
		for a, n := range want {
			if s := h.udp.find(wire.Tuple{Local: addr(a), LocalPort: 53}); s == nil || s.Owner != n {
				t.Errorf("opened from %v on: %s is not heard by %v", prefixes[first], a, prefixes[n])
			}
		}
	}
}
