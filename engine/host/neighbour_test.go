package host

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// onEthernet runs a test with ARP and with NDP.
func onEthernet(t *testing.T, c config, f func(t *testing.T, p *pair)) {
	c.ethernet = true
	for name, v6 := range map[string]bool{"ARP": false, "NDP": true} {
		c.v6 = v6
		t.Run(name, func(t *testing.T) {
			p := newPair(t, c)
			f(t, p)
			p.settle()
		})
	}
}

// question says whether a frame asks for a neighbour, and by which Ethernet address.
func question(p *buf.Packet) (to [6]byte, ok bool) {
	var e wire.Ethernet
	wire.ParseEthernet(p.Data, &e)
	b := p.Data[wire.EthernetSize:]
	switch e.Type {
	case wire.EtherTypeARP:
		return e.Dst, b[7] == wire.ARPRequest
	case wire.EtherTypeIPv6:
		return e.Dst, b[6] == wire.ProtoICMPv6 && b[40] == wire.ICMPv6NeighbourSolicitation
	}
	return e.Dst, false
}

// countQuestions notes where questions go, and loses them when lose is set.
func (p *pair) countQuestions(lose *bool) *[][6]byte {
	asked := new([][6]byte)
	p.tap = func(_ *Host, packet *buf.Packet) bool {
		to, ok := question(packet)
		if !ok {
			return true
		}
		*asked = append(*asked, to)
		if *lose {
			packet.Release()
		}
		return !*lose
	}
	return asked
}

func TestNeighbourIsAskedOnce(t *testing.T) {
	onEthernet(t, config{}, func(t *testing.T, p *pair) {
		lose := false
		asked := p.countQuestions(&lose)
		s, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, p.addrB, 53)
		s.SetReceiveBuffer(1 << 20)
		for i := range maxWaiting + 2 {
			p.send(p.a, client, wire.Addr{}, 0, []byte{byte(i)})
		}
		p.run()
		for i := 2; i < maxWaiting+2; i++ {
			p.wantDatagram("so many wait, the oldest go", s, p.addrA, 5000, []byte{byte(i)})
		}
		p.wantSilence("no more than that", s)
		if len(*asked) != 1 || (*asked)[0] == hwB {
			t.Errorf("questions to %x, want one to the group", *asked)
		}
	})
}

// What is sent to a neighbour that is not known yet arrives, however many fragments it
// has become. When too many wait, datagrams go whole: of those that are left nothing is
// missing, and of those that are gone nothing is sent.
func TestFragmentsWaitForTheNeighbour(t *testing.T) {
	for _, mtu := range []int{576, 1500, 9000} {
		for _, size := range []int{1, mtu, 3 * mtu, 5000, 20000, 65487} {
			onEthernet(t, config{mtu: mtu}, func(t *testing.T, p *pair) {
				if p.v6 && mtu < minMTU6 {
					return
				}
				client := p.open(p.a, 5000, p.addrB, 53)
				p.open(p.b, 53, wire.Addr{}, 0)
				const sent = 5
				for range sent {
					p.send(p.a, client, wire.Addr{}, 0, pattern(size))
				}
				waits := p.a.neighbours.list[0].waiting.len()
				p.run()
				pieces, whole := int(p.a.Counters().IpFragCreates)/sent, int(p.b.Counters().IpReasmOKs)
				if pieces == 0 {
					pieces, whole = 1, waits
				}
				if whole != min(maxWaiting/pieces, sent) || waits != whole*pieces || len(p.b.fragments.list) != 0 {
					t.Errorf("%d bytes by an MTU of %d: %d packets waited, %d datagrams of %d pieces arrived of %d, %d in part",
						size, mtu, waits, whole, pieces, sent, len(p.b.fragments.list))
				}
				if p.a.neighbours.bytes != 0 {
					t.Errorf("%d bytes are counted, of nothing", p.a.neighbours.bytes)
				}
				p.drops = nil // that a fragment waits for others
			})
		}
	}
}

func TestNeighbourThatDoesNotAnswer(t *testing.T) {
	onEthernet(t, config{}, func(t *testing.T, p *pair) {
		lose := true
		asked := p.countQuestions(&lose)
		client := p.open(p.a, 5000, p.addrB, 53)
		p.send(p.a, client, wire.Addr{}, 0, []byte("anybody?"))
		p.run()
		p.after(2500 * time.Millisecond)
		if len(*asked) != 3 {
			t.Errorf("asked %d times in 2.5 s, want 3", len(*asked))
		}
		p.wantFailure("too early", client, tcp.NoFailure)
		p.after(time.Second)
		p.wantFailure("nobody answered", client, tcp.HostUnreachable)
		if n := len(p.a.neighbours.list); n != 0 || p.a.Deadline() != min(p.a.tcp.Deadline(), p.b.Deadline()) {
			t.Errorf("%d neighbours are left, next deadline %v", n, p.a.Deadline())
		}
	})
}

func TestNeighbourIsConfirmedWhenUsed(t *testing.T) {
	onEthernet(t, config{}, func(t *testing.T, p *pair) {
		lose := false
		asked := p.countQuestions(&lose)
		s, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, p.addrB, 53)
		p.send(p.a, client, wire.Addr{}, 0, []byte("first"))
		p.run()
		p.wantDatagram("first", s, p.addrA, 5000, []byte("first"))
		p.after(10 * time.Minute)
		if len(*asked) != 1 {
			t.Errorf("asked %d times, nobody used it", len(*asked))
		}

		p.send(p.a, client, wire.Addr{}, 0, []byte("at once"))
		p.run()
		p.wantDatagram("a stale address is used", s, p.addrA, 5000, []byte("at once"))
		p.after(6 * time.Second)
		if len(*asked) != 2 || (*asked)[1] != hwB {
			t.Errorf("questions to %x, want a second one to b alone", *asked)
		}

		p.after(10 * time.Minute)
		lose = true
		p.send(p.a, client, wire.Addr{}, 0, []byte("last"))
		p.run()
		p.wantDatagram("last", s, p.addrA, 5000, []byte("last"))
		p.after(9 * time.Second)
		if len(*asked) != 5 || len(p.a.neighbours.list) != 0 {
			t.Errorf("asked %d times, %d entries left, want 5 and 0", len(*asked), len(p.a.neighbours.list))
		}
	})
}

// answer makes b's reply to a question of a's, with another hardware address.
func (p *pair) answer(to *Host, hw [6]byte) {
	if p.v6 {
		m := wire.Neighbour{Type: wire.ICMPv6NeighbourAdvert, Target: p.addrB, HW: hw, HasHW: true, Solicited: true, Override: true}
		ip := wire.IP{Version: 6, Proto: wire.ProtoICMPv6, TTL: 255, Src: p.addrB, Dst: p.addrA}
		b := m.Append(nil)
		put16(b[2:], wire.Checksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))))
		p.arrive(to, p.frame(wire.Ethernet{Dst: hwA, Src: hw}, ip, b))
		return
	}
	m := wire.ARP{Op: wire.ARPReply, SenderHW: hw, TargetHW: hwA, SenderIP: p.addrB, TargetIP: p.addrA}
	packet := buf.NewPacket()
	e := wire.Ethernet{Dst: hwA, Src: hw, Type: wire.EtherTypeARP}
	packet.Data = m.Append(e.Append(packet.ReceiveInto(100)[:0]))
	p.arrive(to, packet)
}

func TestAnswerThatNobodyAskedFor(t *testing.T) {
	onEthernet(t, config{}, func(t *testing.T, p *pair) {
		evil := [6]byte{2, 6, 6, 6, 6, 6}
		for i := range 1000 {
			evil[4] = byte(i)
			p.answer(p.a, evil)
		}
		if n := len(p.a.neighbours.list); n != 0 {
			t.Fatalf("%d entries made", n)
		}
		s, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, p.addrB, 53)
		p.send(p.a, client, wire.Addr{}, 0, []byte("first"))
		p.run()
		p.wantDatagram("b's own address is used", s, p.addrA, 5000, []byte("first"))

		p.answer(p.a, evil)
		lose := false
		asked := p.countQuestions(&lose)
		p.send(p.a, client, wire.Addr{}, 0, []byte("to evil"))
		p.run()
		p.wantDrops("an entry that exists is changed, as when b moved", wire.NotOurs)
		p.after(9 * time.Second)
		p.drops = nil // the probes went to evil, too
		p.send(p.a, client, wire.Addr{}, 0, []byte("found again"))
		p.run()
		p.wantDatagram("the change was not confirmed, so b was asked again", s, p.addrA, 5000, []byte("found again"))
		if len(*asked) != 4 || (*asked)[0] != evil || (*asked)[3] == evil {
			t.Errorf("questions to %x, want three to evil and one to the group", *asked)
		}
	})
}

func TestNeighbourTableIsBounded(t *testing.T) {
	onEthernet(t, config{host: Config{MaxNeighbour: 8}}, func(t *testing.T, p *pair) {
		s, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, wire.Addr{}, 0)
		p.send(p.a, client, p.addrB, 53, []byte("hello"))
		p.run()
		p.wantDatagram("b is known", s, p.addrA, 5000, []byte("hello"))
		lose := true
		p.countQuestions(&lose)
		for i := range 100 {
			nobody := lastByte(p.addrB, byte(100+i))
			p.send(p.a, client, nobody, 53, []byte("scan"))
			p.run()
			if n := len(p.a.neighbours.list); n > 8 || n != len(p.a.neighbours.byKey) {
				t.Fatalf("%d neighbours", n)
			}
		}
		asked := p.countQuestions(&lose)
		p.send(p.a, client, p.addrB, 53, []byte("again"))
		p.run()
		p.wantDatagram("a scan does not push out who answers", s, p.addrA, 5000, []byte("again"))
		if len(*asked) != 0 {
			t.Errorf("b was asked for again")
		}
		p.after(10 * time.Second)
	})
}

func TestOtherShardsDoNotAnswer(t *testing.T) {
	onEthernet(t, config{host: Config{Shards: 2, Shard: 1}}, func(t *testing.T, p *pair) {
		client := p.open(p.a, 5000, p.addrB, 53)
		p.send(p.a, client, wire.Addr{}, 0, nil)
		p.run()
		p.wantNothing("b is shard 1: shard 0 answers", p.b)
	})
}

func TestSolicitationFromAfarIsRefused(t *testing.T) {
	p := newPair(t, config{ethernet: true, v6: true})
	m := wire.Neighbour{Type: wire.ICMPv6NeighbourSolicitation, Target: p.addrB, HW: hwA, HasHW: true}
	ip := p.fromA(wire.ProtoICMPv6)
	ip.TTL = 254
	b := m.Append(nil)
	put16(b[2:], wire.Checksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))))
	if d := p.inject(ip, b); d != wire.BadNeighbour {
		t.Errorf("hop limit 254: %v", d)
	}
	p.wantNothing("no answer", p.b)
}

// A host that wants to use our address hears of it: RFC 4861 §7.2.4, RFC 5227.
func TestProbeForOurAddress(t *testing.T) {
	p := newPair(t, config{ethernet: true, v6: true})
	m := wire.Neighbour{Type: wire.ICMPv6NeighbourSolicitation, Target: p.addrB}
	ip := p.fromA(wire.ProtoICMPv6)
	ip.TTL, ip.Src, ip.Dst = 255, wire.Addr{}, wire.SolicitedNode(p.addrB)
	b := m.Append(nil)
	put16(b[2:], wire.Checksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))))
	frame := p.frame(wire.Ethernet{Dst: wire.MulticastHW(ip.Dst), Src: hwA}, ip, b)
	if d := p.b.Receive(p.now, 0, frame); d != wire.None {
		t.Fatal(d)
	}
	packet, _ := p.b.Output(p.now)
	if packet == nil {
		t.Fatal("no answer")
	}
	var got wire.IP
	wire.ParseIP(packet.Data[packet.L3:], &got)
	if got.Dst != allNodes6 || got.TTL != 255 {
		t.Errorf("answer to %v with hop limit %d", got.Dst, got.TTL)
	}
	p.arrive(p.a, packet)
	p.settle()
}

// RFC 4861 §7.2.5: what an advertisement does to an entry that is reachable.
func TestAdvertisementOfKnownNeighbour(t *testing.T) {
	moved := [6]byte{2, 7, 7, 7, 7, 7}
	for _, c := range []struct {
		name   string
		advert wire.Neighbour
		hw     [6]byte
		state  neighbourState
	}{
		{"same address", wire.Neighbour{HW: hwB, HasHW: true}, hwB, reachable},
		{"no address", wire.Neighbour{Override: true}, hwB, reachable},
		{"other address, not to override", wire.Neighbour{HW: moved, HasHW: true}, hwB, stale},
		{"other address, to override", wire.Neighbour{HW: moved, HasHW: true, Override: true}, moved, stale},
	} {
		p := newPair(t, config{ethernet: true, v6: true})
		s, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, p.addrB, 53)
		p.send(p.a, client, wire.Addr{}, 0, nil)
		p.run()
		p.wantDatagram("b is known", s, p.addrA, 5000, nil)

		m := c.advert
		m.Type, m.Target = wire.ICMPv6NeighbourAdvert, p.addrB
		ip := wire.IP{Version: 6, Proto: wire.ProtoICMPv6, TTL: 255, Src: p.addrB, Dst: allNodes6}
		b := m.Append(nil)
		put16(b[2:], wire.Checksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))))
		p.arrive(p.a, p.frame(wire.Ethernet{Dst: wire.MulticastHW(allNodes6), Src: moved}, ip, b))
		if n := p.a.neighbours.list[0]; n.hw != c.hw || n.state != c.state {
			t.Errorf("%s: %x in state %d, want %x in %d", c.name, n.hw, n.state, c.hw, c.state)
		}
		p.settle()
	}
}

// Frames arrive in blocks of 72 KiB. Pings of any size, from neighbours that do
// not answer, hold no more than the budget, and small ones next to nothing.
func TestWaitingPacketsAreBoundedInMemory(t *testing.T) {
	for _, size := range []int{1, 100, 1400, 20000} {
		onEthernet(t, config{mtu: 65535, host: Config{MaxNeighbourBytes: 1 << 20}}, func(t *testing.T, p *pair) {
			held := func() (n int) {
				for _, nb := range p.b.neighbours.list {
					for _, q := range nb.waiting.entries[nb.waiting.head:] {
						n += heldBy(q.packet, new(*buf.Block))
					}
				}
				return n
			}
			for i := range 600 {
				ip, _ := p.echoRequest(nil)
				ip.Src = lastByte(p.addrA, byte(10+i%200))
				c := wire.ICMP{Type: wire.ICMPv4EchoRequest}
				if p.v6 {
					c.Type = wire.ICMPv6EchoRequest
				}
				ping := icmp(ip, c, pattern(size))
				packet := buf.NewPacket()
				frame := p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, ping)
				packet.Data = packet.ReceiveInto(buf.LargeSize)[:copy(packet.Block.Bytes(), frame.Data)]
				frame.Release()
				p.b.Receive(p.now, 0, packet)
				p.drain()
				if got := held(); got > 1<<20 || got != p.b.neighbours.bytes {
					t.Fatalf("pings of %d bytes hold %d bytes, counted as %d", size, got, p.b.neighbours.bytes)
				}
			}
			if n := len(p.b.neighbours.list); n < 200 {
				t.Fatalf("only %d neighbours were asked", n)
			}
			if least := 5 * (size + buf.SmallSize); size < 2000 && held() > 600*least {
				t.Errorf("600 pings of %d bytes hold %d bytes", size, held())
			}
			p.after(10 * time.Second)
			p.drops = nil // nobody has these addresses
			if p.b.neighbours.bytes != 0 {
				t.Errorf("%d bytes are left", p.b.neighbours.bytes)
			}
		})
	}
}
