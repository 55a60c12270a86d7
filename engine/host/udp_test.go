package host

import (
	"errors"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

func TestDatagramsBothWays(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		server, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, p.addrB, 53)
		p.send(p.a, client, wire.Addr{}, 0, []byte("question"))
		p.run()
		p.wantDatagram("a's question", server, p.addrA, 5000, []byte("question"))
		p.send(p.b, server, p.addrA, 5000, []byte{})
		p.run()
		p.wantDatagram("an empty answer", client, p.addrB, 53, nil)
		owner, r, ok := p.a.NextReady()
		if owner != "owner" || r != tcp.Readable || !ok {
			t.Errorf("NextReady: %v %v %v, want the client readable", owner, r, ok)
		}
	})
}

func TestConnectedSocketHearsItsPeerOnly(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		client := p.open(p.b, 5000, p.addrA, 53)
		all := p.open(p.b, 5000, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		p.inject(ip, udp(ip, 53, 5000, []byte("peer")))
		p.inject(ip, udp(ip, 54, 5000, []byte("other")))
		p.wantDatagram("from port 53", client, p.addrA, 53, []byte("peer"))
		p.wantSilence("from port 54", client)
		p.wantDatagram("from port 54, for the unconnected socket", all, p.addrA, 54, []byte("other"))
	})
}

func TestClosedPortIsRefused(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		client := p.open(p.a, 5000, p.addrB, 53)
		p.send(p.a, client, wire.Addr{}, 0, []byte("anybody?"))
		p.run()
		p.wantDrops("nobody listens", wire.NoPort)
		p.wantFailure("port unreachable came back", client, tcp.Refused)
		p.wantFailure("an error is reported once", client, tcp.NoFailure)
	})
}

func TestForgedPortUnreachableIsIgnored(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		client := p.open(p.b, 5000, p.addrA, 53)
		c := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable}
		if p.v6 {
			c = wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6PortUnreachable}
		}
		outer, quoted := p.fromA(p.protoICMP()), p.fromA(wire.ProtoUDP)
		quoted.Src, quoted.Dst = p.addrB, p.addrA
		for port := uint16(50); port < 60; port++ {
			want := wire.ForgedICMP
			if port == 53 {
				want = wire.None
			}
			message := append(quoted.Append(nil, 8), udp(quoted, 5000, port, nil)...)
			if d := p.inject(outer, icmp(outer, c, message)); d != want {
				t.Errorf("quotes port %d: %v, want %v", port, d, want)
			}
		}
		p.wantFailure("only the true one counts", client, tcp.Refused)
	})
}

func TestUDPChecksum(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.open(p.b, 53, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		for bit := range 16 {
			b := udp(ip, 1, 53, []byte("odd"))
			b[6+bit/8] ^= 1 << (bit % 8)
			if b[6]|b[7] == 0 {
				continue
			}
			if d := p.inject(ip, b); d != wire.BadUDPChecksum {
				t.Errorf("checksum bit %d turned: %v", bit, d)
			}
		}
		p.wantSilence("all were broken", s)
		b := udp(ip, 1, 53, []byte("none"))
		b[6], b[7] = 0, 0
		want := wire.None
		if p.v6 {
			want = wire.BadUDPChecksum // RFC 8200 §8.1
		}
		if d := p.inject(ip, b); d != want {
			t.Errorf("no checksum: %v, want %v", d, want)
		}
		p.wantNothing("a broken datagram gets no answer", p.b)
	})
}

func TestReceiveQueueIsBounded(t *testing.T) {
	p := newPair(t, config{host: Config{UDPReceiveBuffer: 64 << 10}})
	s := p.open(p.b, 53, wire.Addr{}, 0)
	ip := p.fromA(wire.ProtoUDP)
	full := 0
	for range 1000 {
		switch d := p.inject(ip, udp(ip, 1, 53, pattern(100))); d {
		case wire.QueueFull:
			full++
		case wire.None:
		default:
			t.Fatal(d)
		}
	}
	kept := 0
	for d, ok := s.Receive(); ok; d, ok = s.Receive() {
		d.Payload.Release()
		kept++
	}
	// A small datagram holds a block of 512 bytes.
	if kept != 128 || full != 1000-128 {
		t.Errorf("kept %d and dropped %d of 1000 in 64 KiB, want 128 and 872", kept, full)
	}
	if c := p.b.Counters(); c.UdpRcvbufErrors != 872 || c.Drops[wire.QueueFull] != 872 {
		t.Errorf("counted %d and %d", c.UdpRcvbufErrors, c.Drops[wire.QueueFull])
	}
}

// All sockets together hold no more than they may, but for one datagram in each; what is
// read, and what a socket held that is closed, makes room.
func TestAllReceiveQueuesAreBounded(t *testing.T) {
	p := newPair(t, config{host: Config{MaxUDPBytes: 64 << 10}})
	var all []*UDPSocket
	for i := range 200 {
		all = append(all, p.open(p.b, uint16(1000+i), wire.Addr{}, 0))
	}
	ip := p.fromA(wire.ProtoUDP)
	fill := func() (n int) {
		for range 3 {
			for _, s := range all {
				p.inject(ip, udp(ip, 1, s.tuple.LocalPort, pattern(100)))
			}
		}
		for _, s := range all {
			n += s.queue.len()
		}
		return n
	}
	if n := fill(); n != 200 { // of 512 bytes: more than 128, and one in each
		t.Errorf("%d datagrams wait in 200 sockets", n)
	}
	for _, s := range all[:100] {
		p.b.CloseUDP(s)
	}
	all = all[100:]
	if n := fill(); n != 128 {
		t.Errorf("%d datagrams wait in 100 sockets", n)
	}
	for _, s := range all {
		for d, ok := s.Receive(); ok; d, ok = s.Receive() {
			d.Payload.Release()
		}
	}
	if p.b.udp.bytes != 0 {
		t.Errorf("empty queues hold %d bytes", p.b.udp.bytes)
	}
}

func TestUDPErrors(t *testing.T) {
	p := newPair(t, config{})
	s, connected := p.open(p.a, 5000, wire.Addr{}, 0), p.open(p.a, 5001, p.addrB, 53)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"no destination", p.a.SendUDP(0, s, wire.Addr{}, 0, nil), ErrNotBound},
		{"no route", p.a.SendUDP(0, s, addr("192.0.2.1"), 1, nil), ErrNoRoute},
		{"too long", p.a.SendUDP(0, s, p.addrB, 1, make([]byte, 65508)), ErrMessageSize},
		{"connected elsewhere", p.a.SendUDP(0, connected, p.addrA, 53, nil), ErrConnected},
		{"connected to another port", p.a.SendUDP(0, connected, p.addrB, 54, nil), ErrConnected},
		{"port taken", second(p.a.OpenUDP(wire.Addr{}, 5000, wire.Addr{}, 0, nil)), ErrInUse},
		{"port taken for every address", second(p.a.OpenUDP(p.addrA, 5000, wire.Addr{}, 0, nil)), ErrInUse},
		{"tuple taken", second(p.a.OpenUDP(wire.Addr{}, 5001, p.addrB, 53, nil)), ErrInUse},
		{"same port, connected", second(p.a.OpenUDP(wire.Addr{}, 5000, p.addrB, 53, nil)), nil},
		{"another host's address", second(p.a.OpenUDP(p.addrB, 1, wire.Addr{}, 0, nil)), ErrNotLocal},
		{"no route to connect", second(p.a.OpenUDP(wire.Addr{}, 1, addr("192.0.2.1"), 1, nil)), ErrNoRoute},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	p.a.CloseUDP(s)
	p.a.CloseUDP(s)
	if err := p.a.SendUDP(0, s, p.addrB, 1, nil); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if _, err := p.a.OpenUDP(wire.Addr{}, 5000, wire.Addr{}, 0, nil); err != nil {
		t.Errorf("port of a closed socket: %v", err)
	}
}

func second(_ *UDPSocket, err error) error { return err }

func TestDatagramToOurselves(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		server, client := p.open(p.a, 53, wire.Addr{}, 0), p.open(p.a, 5000, p.addrA, 53)
		p.send(p.a, client, wire.Addr{}, 0, pattern(9000))
		p.wantDatagram("over no wire", server, p.addrA, 5000, pattern(9000))
		p.a.CloseUDP(server)
		p.send(p.a, client, wire.Addr{}, 0, nil)
		p.wantFailure("closed port", client, tcp.Refused)
	})
}

// A program that reads while datagrams keep coming, so that the queue is never
// quite empty, costs no more than what waits.
func TestReceiveQueueThatIsNeverEmpty(t *testing.T) {
	p := newPair(t, config{})
	s := p.open(p.b, 53, wire.Addr{}, 0)
	ip := p.fromA(wire.ProtoUDP)
	d := udp(ip, 1000, 53, []byte("x"))
	p.inject(ip, d)
	for range 10000 {
		p.inject(ip, d)
		got, _ := s.Receive()
		got.Payload.Release()
	}
	if room := cap(s.queue.entries); s.queue.len() != 1 || room > keptRoom {
		t.Errorf("%d datagrams wait, in room for %d", s.queue.len(), room)
	}
	p.b.CloseUDP(s)
	if s.bytes != 0 {
		t.Errorf("a closed socket holds %d bytes", s.bytes)
	}
}

// A socket has one item of news, however many datagrams come before anybody asks.
func TestSocketIsReadyOnce(t *testing.T) {
	p := newPair(t, config{})
	s := p.open(p.b, 53, wire.Addr{}, 0)
	ip := p.fromA(wire.ProtoUDP)
	for range 1000 {
		p.inject(ip, udp(ip, 1, 53, pattern(10)))
		if d, ok := s.Receive(); ok {
			d.Payload.Release()
		}
	}
	if n := len(p.b.udp.ready); n != 1 {
		t.Errorf("%d items of news of one socket", n)
	}
}

// Who has no address yet asks everybody on the link for one, by UDP, and nothing else
// comes from nowhere (RFC 1122 §3.2.1.3).
func TestDatagramFromNobody(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		proto    uint8
		want     wire.Drop
	}{
		{"0.0.0.0", "255.255.255.255", wire.ProtoUDP, wire.None},
		{"0.0.0.1", "255.255.255.255", wire.ProtoUDP, wire.BadSource},
		{"0.0.0.0", "10.0.0.255", wire.ProtoUDP, wire.BadSource},
		{"0.0.0.0", "10.0.0.2", wire.ProtoUDP, wire.BadSource},
		{"0.0.0.0", "224.0.0.1", wire.ProtoUDP, wire.BadSource},
		{"0.0.0.0", "255.255.255.255", wire.ProtoTCP, wire.BadSource},
		{"0.0.0.0", "255.255.255.255", wire.ProtoICMP, wire.BadSource},
		{"::", "ff02::1", wire.ProtoUDP, wire.BadSource},
	} {
		for _, port := range []uint16{67, 68} { // one is open
			p := newPair(t, config{ethernet: true})
			s, err := p.b.OpenUDP(wire.Addr{}, 67, wire.Addr{}, 0, "owner")
			if err != nil {
				t.Fatal(err)
			}
			ip := wire.IP{Version: 4, TTL: 64, Src: addr(c.src), Dst: addr(c.dst), Proto: c.proto}
			if !ip.Src.Is4() {
				ip.Version = 6
			}
			want := c.want
			if want == wire.None && port == 68 {
				want = wire.NoPort
			}
			if got := p.inject(ip, udp(ip, 68, port, []byte("discover"))); got != want {
				t.Errorf("%s to %s, protocol %d, port %d: %v, want %v", c.src, c.dst, c.proto, port, got, want)
			}
			if d, ok := s.Receive(); ok != (want == wire.None) || ok && d.SrcPort != 68 {
				t.Errorf("%s to %s, protocol %d: received is %v", c.src, c.dst, c.proto, ok)
			}
			p.wantNothing("no answer of any kind", p.b)
		}
	}
}

// A datagram is as long as its own header says; what an IP packet has beyond is none of it.
func TestLengthOfDatagram(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.open(p.b, 53, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		for beyond := range 20 {
			p.inject(ip, append(udp(ip, 1, 53, pattern(100)), pattern(beyond)...))
			p.wantDatagram("the datagram alone", s, p.addrA, 1, pattern(100))
		}
	})
}

// A socket on one of our addresses hears what is sent there, and one on every address the rest.
func TestSocketOnOneAddress(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		any := wire.Addr{}
		if !p.v6 {
			any = addr("0.0.0.0")
		}
		for _, local := range []wire.Addr{{}, any, p.addrB} {
			s, err := p.b.OpenUDP(local, 53, wire.Addr{}, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			ip := p.fromA(wire.ProtoUDP)
			p.inject(ip, udp(ip, 1, 53, pattern(10)))
			p.wantDatagram(local.String(), s, p.addrA, 1, pattern(10))
			p.b.CloseUDP(s)
		}
	})
}
