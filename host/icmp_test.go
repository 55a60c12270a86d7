package host

import (
	"bytes"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/wire"
)

// echoRequest is an echo request from a to b.
func (p *pair) echoRequest(payload []byte) (wire.IP, []byte) {
	ip := p.fromA(p.protoICMP())
	c := wire.ICMP{Type: wire.ICMPv4EchoRequest, Rest: [4]byte{1, 2, 3, 4}}
	if p.v6 {
		c.Type = wire.ICMPv6EchoRequest
	}
	return ip, icmp(ip, c, payload)
}

func TestPing(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		var reply []byte
		p.tap = func(to *Host, packet *buf.Packet) bool {
			packet.Flatten()
			reply = append(reply[:0], packet.Data[packet.L3:]...)
			return true
		}
		ip, request := p.echoRequest(pattern(57))
		if d := p.inject(ip, request); d != wire.None {
			t.Fatal(d)
		}
		p.run()
		if n := p.a.Counters().IcmpInEchoReps; n != 1 {
			t.Fatalf("a got %d replies", n)
		}
		var got wire.IP
		wire.ParseIP(reply, &got)
		if b := reply[got.HeaderLen:]; !bytes.Equal(b[4:], request[4:]) {
			t.Errorf("reply %x to request %x", b, request)
		}
		if got.ID != 0 || !p.v6 && !got.DontFragment {
			t.Errorf("ID %d, DF %v: an atomic datagram has ID 0 and DF (RFC 6864)", got.ID, got.DontFragment)
		}
	})
}

func TestLargePingComesBackInFragments(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		p.inject(p.echoRequest(nil))
		p.run() // b knows a now: only three packets wait for a neighbour
		ip, request := p.echoRequest(pattern(20000))
		p.injectFragments(ip, request, 1400)
		p.run()
		if n := p.a.Counters().IcmpInEchoReps; n != 2 {
			t.Fatalf("a got %d replies, want the small one and the large one; dropped for %v", n, p.drops)
		}
		p.drops = nil // a's fragments pend
	})
}

func TestEchoRateIsBounded(t *testing.T) {
	p := newPair(t, config{host: Config{EchoPerSecond: 10}})
	for range 100 {
		p.inject(p.echoRequest(nil))
	}
	p.run()
	if n := p.a.Counters().IcmpInEchoReps; n != 10 {
		t.Errorf("%d replies at once, want 10", n)
	}
	p.now = p.now.Add(500 * time.Millisecond)
	for range 100 {
		p.inject(p.echoRequest(nil))
	}
	p.run()
	if n := p.a.Counters().IcmpInEchoReps; n != 15 {
		t.Errorf("%d replies after another half second, want 15", n)
	}
}

func TestErrorRateIsBounded(t *testing.T) {
	p := newPair(t, config{host: Config{ErrorPerSecond: 1000}})
	ip := p.fromA(wire.ProtoUDP)
	for range 1000 {
		p.inject(ip, udp(ip, 1, 7, nil))
	}
	p.run()
	if n := p.a.Counters().IcmpInDestUnreachs; n < 30 || n > 50 {
		t.Errorf("%d errors at once, want the burst of 50 less some jitter", n)
	}
	p.drops = nil
}

// RFC 1122 §3.2.2 and RFC 4443 §2.4 (e): what never causes an ICMP error.
func TestNoErrorAbout(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		broadcast, group, proto := addr("10.0.0.255"), addr("224.0.0.1"), uint8(99)
		if p.v6 {
			broadcast, group = addr("ff02::1"), addr("ff02::1")
		}
		toBroadcast, toGroup, fragment, unknown := p.fromA(wire.ProtoUDP), p.fromA(wire.ProtoUDP), p.fromA(wire.ProtoUDP), p.fromA(proto)
		toBroadcast.Dst, toGroup.Dst = broadcast, group
		fragment.FragOffset, fragment.ID = 8, 7
		unknown.Dst = group
		p.inject(toBroadcast, udp(toBroadcast, 1, 7, nil))
		p.inject(toGroup, udp(toGroup, 1, 7, nil))
		p.inject(fragment, pattern(8))
		p.inject(unknown, pattern(8))

		c := p.fromA(p.protoICMP())
		for kind := range 256 {
			switch uint8(kind) {
			case wire.ICMPv4EchoRequest, wire.ICMPv6EchoRequest, wire.ICMPv6NeighbourSolicitation:
				continue // those are answered, by no error
			}
			p.inject(c, icmp(c, wire.ICMP{Type: uint8(kind)}, pattern(60)))
		}
		p.wantNothing("no error about any of these", p.b)
	})
}

func TestUnknownProtocol(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		if d := p.inject(p.fromA(99), pattern(100)); d != wire.UnknownProtocol {
			t.Error(d)
		}
		p.run()
		p.wantDrops("a did not send this", wire.ForgedICMP)
		if n := p.a.Counters().IcmpInDestUnreachs; n != 1 {
			t.Errorf("a got %d errors", n)
		}
	})
}
