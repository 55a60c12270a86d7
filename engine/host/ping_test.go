package host

import (
	"bytes"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// request returns an echo request of p's family, without identifier and checksum.
func (p *pair) pingRequest(seq uint16, payload []byte) []byte {
	kind, _ := echoTypes(p.addrA)
	c := wire.ICMP{Type: kind}
	c.SetEcho(0, seq)
	return append(c.Append(nil), payload...)
}

func (p *pair) openPing(h *Host, local wire.Addr, id uint16, remote wire.Addr) *UDPSocket {
	p.Helper()
	s, err := h.OpenPing(local, id, remote, "ping")
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// wantReply takes a reply that came from a host, and looks at all of it.
func (p *pair) wantReply(s *UDPSocket, from wire.Addr, id, seq uint16, payload []byte) {
	p.Helper()
	d, ok := s.Receive()
	if !ok {
		p.Error("no reply")
		return
	}
	defer d.Payload.Release()
	var c wire.ICMP
	wire.ParseICMP(d.Payload.Bytes(), &c)
	_, kind := echoTypes(from)
	gotID, gotSeq := c.Echo()
	if d.Src != from || d.DstPort != id || c.Type != kind || gotID != id || gotSeq != seq || !bytes.Equal(d.Payload.Bytes()[wire.ICMPSize:], payload) {
		p.Errorf("%+v, %+v, want id %d, number %d from %v", d, c, id, seq, from)
	}
	check := wire.ICMP{Type: c.Type, Rest: c.Rest}
	whole := append(check.Append(nil), payload...)
	setEchoChecksum(&wire.Tuple{Local: d.Dst, Remote: d.Src}, whole)
	if !bytes.Equal(whole[:4], d.Payload.Bytes()[:4]) {
		p.Errorf("checksum % x, want % x", d.Payload.Bytes()[:4], whole[:4])
	}
}

// Pings are answered by a neighbour, by ourselves, small ones and fragmented ones, and
// each socket gets its own replies.
func TestPingSockets(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		open := p.openPing(p.a, wire.Addr{}, 1, wire.Addr{})
		connected := p.openPing(p.a, wire.Addr{}, 2, p.addrB)
		for i, payload := range [][]byte{nil, pattern(1), pattern(56), pattern(9000)} {
			seq := uint16(i)
			for _, err := range []error{
				p.a.SendPing(p.now, open, p.addrB, p.pingRequest(seq, payload)),
				p.a.SendPing(p.now, connected, wire.Addr{}, p.pingRequest(seq+10, payload)),
				p.a.SendPing(p.now, connected, p.addrB, p.pingRequest(seq+20, payload)),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			p.run()
			p.wantReply(open, p.addrB, 1, seq, payload)
			p.wantReply(connected, p.addrB, 2, seq+10, payload)
			p.wantReply(connected, p.addrB, 2, seq+20, payload)
			if err := p.a.SendPing(p.now, open, p.addrA, p.pingRequest(seq+30, payload)); err != nil {
				t.Fatal(err)
			}
			p.wantReply(open, p.addrA, 1, seq+30, payload)
		}
		for _, d := range p.drops {
			if d != wire.FragmentPending {
				t.Errorf("dropped: %v", d)
			}
		}
		p.drops = nil
		if n := p.a.counters.IcmpOutEchos; n != 16 {
			t.Errorf("%d echo requests are counted", n)
		}
		if owner, _, ok := p.a.NextReady(); !ok || owner != "ping" {
			t.Errorf("%v is ready", owner)
		}
	})
}

// What a ping socket refuses.
func TestPingErrors(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		bound := p.openPing(p.a, p.addrA, 1, wire.Addr{})
		connected := p.openPing(p.a, wire.Addr{}, 1, p.addrB)
		if _, err := p.a.OpenPing(wire.Addr{}, 1, wire.Addr{}, nil); err != ErrInUse {
			t.Errorf("an identifier twice: %v", err)
		}
		if _, err := p.a.OpenPing(p.addrB, 3, wire.Addr{}, nil); err != ErrNotLocal {
			t.Errorf("from another's address: %v", err)
		}
		if _, err := p.a.OpenUDP(p.addrA, 1, wire.Addr{}, 0, nil); err != nil {
			t.Errorf("a port of UDP is none of its business: %v", err)
		}
		reply := p.pingRequest(1, nil)
		_, reply[0] = echoTypes(p.addrA)
		coded := p.pingRequest(1, nil)
		coded[1] = 1
		other := p.addrA
		for name, c := range map[string]struct {
			s       *UDPSocket
			to      wire.Addr
			message []byte
			want    error
		}{
			"to nobody":      {bound, wire.Addr{}, p.pingRequest(1, nil), ErrNotBound},
			"to another":     {connected, other, p.pingRequest(1, nil), ErrConnected},
			"no message":     {bound, p.addrB, nil, ErrNotEcho},
			"cut":            {bound, p.addrB, p.pingRequest(1, nil)[:7], ErrNotEcho},
			"a reply":        {bound, p.addrB, reply, ErrNotEcho},
			"with a code":    {bound, p.addrB, coded, ErrNotEcho},
			"too long":       {bound, p.addrB, p.pingRequest(1, make([]byte, 65535)), ErrMessageSize},
			"no way":         {bound, addr("203.0.113.1"), p.pingRequest(1, nil), ErrNoRoute},
			"another family": {bound, addr("::ffff"), nil, ErrNotEcho},
		} {
			if p.v6 && name == "no way" {
				c.to = addr("2001:db9::1")
			}
			if err := p.a.SendPing(p.now, c.s, c.to, c.message); err != c.want {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		p.a.CloseUDP(bound)
		p.a.CloseUDP(bound)
		if err := p.a.SendPing(p.now, bound, p.addrB, p.pingRequest(1, nil)); err != ErrClosed {
			t.Errorf("closed: %v", err)
		}
		p.openPing(p.a, p.addrA, 1, wire.Addr{})
	})
}

// A reply that nobody waits for, of another socket or with an identifier that was never
// used, goes nowhere; the queue has a bound.
func TestPingReplies(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.openPing(p.b, wire.Addr{}, 7, wire.Addr{})
		ip := p.fromA(p.protoICMP())
		_, kind := echoTypes(p.addrA)
		reply := func(id byte) wire.Drop {
			return p.inject(ip, icmp(ip, wire.ICMP{Type: kind, Rest: [4]byte{0, id}}, pattern(56)))
		}
		if d := reply(8); d != wire.None {
			t.Error(d)
		}
		p.wantSilence("another's identifier", s)
		for range 100_000 {
			if reply(7) == wire.QueueFull {
				return
			}
		}
		t.Error("the queue has no bound")
	})
}

// An ICMP error that quotes a ping is told to the connected socket that has sent it.
func TestPingUnreachable(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.openPing(p.b, wire.Addr{}, 7, p.addrA)
		ip := p.fromA(p.protoICMP())
		quoted := wire.IP{Version: ip.Version, Proto: p.protoICMP(), TTL: 64, Src: p.addrB, Dst: p.addrA}
		unreachable := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4HostUnreachable}
		if p.v6 {
			unreachable = wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6AddressUnreachable}
		}
		say := func(id byte, kind uint8) wire.Drop {
			c := wire.ICMP{Type: kind, Rest: [4]byte{0, id}}
			return p.inject(ip, icmp(ip, unreachable, c.Append(quoted.Append(nil, wire.ICMPSize))))
		}
		request, reply := echoTypes(p.addrA)
		if d := say(8, request); d != wire.ForgedICMP {
			t.Errorf("another's identifier: %v", d)
		}
		if d := say(7, reply); d != wire.ForgedICMP {
			t.Errorf("a reply: %v", d)
		}
		if d := say(7, request); d != wire.None {
			t.Errorf("ours: %v", d)
		}
		p.wantFailure("unreachable", s, tcp.HostUnreachable)
	})
}
