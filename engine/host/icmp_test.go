package host

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
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
		ip, request := p.echoRequest(pattern(20000))
		p.injectFragments(ip, request, 1400)
		p.run()
		if n := p.a.Counters().IcmpInEchoReps; n != 1 {
			t.Fatalf("a got %d replies; dropped for %v", n, p.drops)
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
	if n := p.a.Counters().IcmpInDestUnreachs; n < 30 || n >= 50 {
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

// errorTypes are all ICMP errors, with the code that says most.
func (p *pair) errorTypes() (all []wire.ICMP) {
	if p.v6 {
		for kind := range uint8(5) {
			for code := range uint8(8) {
				all = append(all, wire.ICMP{Type: kind, Code: code, Rest: [4]byte{0, 0, 0x05, 0x14}})
			}
		}
		return all
	}
	for _, kind := range []uint8{wire.ICMPv4Unreachable, wire.ICMPv4SourceQuench, 5, wire.ICMPv4TimeExceeded, wire.ICMPv4ParameterProblem} {
		for code := range uint8(16) {
			all = append(all, wire.ICMP{Type: kind, Code: code, Rest: [4]byte{0, 0, 0x05, 0x14}})
		}
	}
	return all
}

// An error may quote anything that we send. What quotes an answer of ours, a part
// of a datagram, or what nobody has sent, changes nothing, and no error is
// answered, whatever it quotes.
func TestErrorsAreNeverAnswered(t *testing.T) {
	everywhere(t, config{host: Config{Shards: 8}}, func(t *testing.T, p *pair) {
		p.open(p.b, 5000, p.addrA, 53)
		quoted := p.fromA(0)
		quoted.Src, quoted.Dst = p.addrB, p.addrA
		part := quoted
		part.FragOffset, part.ID = 8, 7
		reply, unreachable := wire.ICMP{Type: wire.ICMPv4EchoReply}, wire.ICMP{Type: wire.ICMPv4Unreachable, Code: 3}
		if p.v6 {
			reply, unreachable = wire.ICMP{Type: wire.ICMPv6EchoReply}, wire.ICMP{Type: wire.ICMPv6Unreachable, Code: 4}
		}
		ours := (&wire.UDP{SrcPort: 5000, DstPort: 53, Length: 1400}).Append(nil)
		for _, q := range []struct {
			what   string
			ip     wire.IP
			proto  uint8
			begins []byte
			about  bool // a socket of ours
		}{
			{"an echo reply", quoted, p.protoICMP(), reply.Append(nil), false},
			{"an error", quoted, p.protoICMP(), unreachable.Append(nil), false},
			{"a segment of no connection", quoted, wire.ProtoTCP, (&wire.TCP{SrcPort: 80, DstPort: 4000}).Append(nil), false},
			{"a datagram of no socket", quoted, wire.ProtoUDP, (&wire.UDP{SrcPort: 9, DstPort: 53}).Append(nil), false},
			{"the second fragment of a datagram", part, wire.ProtoUDP, ours, false},
			{"less than eight bytes of a datagram", quoted, wire.ProtoUDP, ours[:7], false},
			{"an unknown protocol", quoted, 99, pattern(40), false},
			{"a datagram of ours", quoted, wire.ProtoUDP, ours, true},
		} {
			q.ip.Proto = q.proto
			quote := append(q.ip.Append(nil, 1400), q.begins...)
			for _, c := range p.errorTypes() {
				outer := p.fromA(p.protoICMP())
				message := icmp(outer, c, quote)
				d := p.inject(outer, message)
				if d == wire.None && !q.about {
					t.Errorf("type %d code %d that quotes %s counts", c.Type, c.Code, q.what)
				}
				frame := p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, outer, message)
				hash, f := testFlows.FlowHash(p.ethernet, frame)
				if q.about && f == FlowHashed && hash != testFlows.TupleHash(wire.Tuple{Local: p.addrB, Remote: p.addrA, LocalPort: 5000, RemotePort: 53}) &&
					d != wire.UnknownProtocol {
					t.Errorf("type %d code %d goes to another shard than the socket", c.Type, c.Code)
				}
				frame.Release()
			}
		}
		p.wantNothing("never an answer", p.b)
	})
}

// The quote decides the shard, also when it lies in a view: a link in memory
// brings an error as it was sent.
func TestFlowOfErrorInPieces(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		quoted, outer := p.fromA(wire.ProtoTCP), p.fromA(p.protoICMP())
		c := wire.ICMP{Type: wire.ICMPv4Unreachable}
		if p.v6 {
			c.Type = wire.ICMPv6Unreachable
		}
		whole := p.frame(wire.Ethernet{}, outer, icmp(outer, c, append(quoted.Append(nil, 1000), pattern(100)...)))
		want, f := testFlows.FlowHash(p.ethernet, whole)
		if f != FlowHashed {
			t.Fatal(f)
		}
		headers := whole.Len() - 100 - quoted.HeaderSize()
		for cut := headers; cut <= whole.Len(); cut += 4 {
			pieces := buf.NewPacket()
			pieces.Data = append(pieces.Data, whole.Data[:min(cut, cap(pieces.Data))]...)
			for at, n := len(pieces.Data), 9; at < whole.Len(); at, n = at+n, whole.Len()-at-n {
				n = min(n, whole.Len()-at)
				b := buf.Get(n)
				pieces.AddView(buf.MakeView(b, 0, copy(b.Bytes(), whole.Data[at:at+n])))
			}
			if got, f := testFlows.FlowHash(p.ethernet, pieces); f != FlowHashed || got != want {
				t.Errorf("%d bytes in Data: %x, %d", cut, got, f)
			}
			pieces.Release()
		}
		whole.Release()
	})
}

// What a link has put behind a packet is no part of it.
func TestPaddingIsNoPayload(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := newPair(t, config{v6: v6})
		for padding := range 50 {
			ip, request := p.echoRequest(pattern(10))
			packet := p.frame(wire.Ethernet{}, ip, request)
			for range padding {
				packet.Data = append(packet.Data, 0xff)
			}
			if d := p.b.Receive(p.now, 0, packet); d != wire.None {
				t.Fatalf("%d bytes of padding: %v", padding, d)
			}
			reply, _ := p.b.Output(p.now)
			reply.Flatten()
			if want := len(ip.Append(nil, 0)) + len(request); len(reply.Data) != want || !bytes.Equal(reply.Data[want-10:], pattern(10)) {
				t.Errorf("%d bytes of padding: the reply is %x", padding, reply.Data)
			}
			reply.Release()
		}
	}
}

// An error that comes to one of our addresses is about a packet from there.
func TestErrorAboutAnotherAddress(t *testing.T) {
	p := newPair(t, config{})
	if err := p.b.AddAddress(0, netip.MustParsePrefix("10.0.0.9/24")); err != nil {
		t.Fatal(err)
	}
	s := p.open(p.b, 5000, p.addrA, 53)
	quoted := wire.IP{Version: 4, TTL: 64, Proto: wire.ProtoUDP, Src: p.addrB, Dst: p.addrA}
	about := append(quoted.Append(nil, wire.UDPSize), udp(quoted, 5000, 53, nil)...)
	for to, believed := range map[string]bool{"10.0.0.9": false, "10.0.0.2": true} {
		ip := p.fromA(wire.ProtoICMP)
		ip.Dst = addr(to)
		c := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable}
		if d := p.inject(ip, icmp(ip, c, about)); (d == wire.None) != believed {
			t.Errorf("to %s: %v", to, d)
		}
		if f := s.TakeFailure(); (f != tcp.NoFailure) != believed {
			t.Errorf("to %s: the socket fails with %d", to, f)
		}
	}
}

// A reply that waits does not hold the large block that its request came in.
func TestPingHoldsLittle(t *testing.T) {
	p := newPair(t, config{})
	for _, n := range []int{0, 1, 1000, 10000} {
		ip, request := p.echoRequest(pattern(n))
		packet := buf.NewPacket()
		packet.Data = append(ip.Append(packet.ReceiveInto(buf.LargeSize)[:0], len(request)), request...)
		block := packet.Block
		p.b.Receive(p.now, 0, packet)
		p.b.stash.Flush()
		if held := reflect.ValueOf(block).Elem().FieldByName("refs").FieldByName("v").Int(); held != 0 {
			t.Errorf("the reply to a ping of %d bytes holds a block of %d", n, block.Cap())
		}
		if p.b.queue.len() == 0 {
			t.Errorf("%d replies to a ping of %d bytes wait", p.b.queue.len(), n)
		}
		p.run()
	}
}
