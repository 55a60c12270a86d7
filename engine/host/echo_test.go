package host

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Echo requests for others wait in the forwarder's socket, and what is answered comes
// from whom they asked, or from the router that says why not.
func TestForwardedEcho(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
		ip := p.fromA(p.protoICMP())
		foreign, router, kinds := "93.184.216.34", addr("192.0.2.1"), [3]uint8{wire.ICMPv4EchoRequest, wire.ICMPv4EchoReply, wire.ICMPv4TimeExceeded}
		if p.v6 {
			foreign, router, kinds = "2606:2800::1", addr("2001:db8::1"), [3]uint8{wire.ICMPv6EchoRequest, wire.ICMPv6EchoReply, wire.ICMPv6TimeExceeded}
		}
		ip.Dst, ip.TTL = addr(foreign), 9
		payload := pattern(56)
		request := func(kind uint8) wire.Drop {
			return p.inject(ip, icmp(ip, wire.ICMP{Type: kind, Rest: [4]byte{0x12, 0x34, 0, 7}}, payload))
		}
		s, err := p.b.OpenAnyEcho(netip.Prefix{}, "echo")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.b.OpenAnyEcho(netip.Prefix{}, nil); err != ErrInUse {
			t.Errorf("a second socket: %v", err)
		}
		if d := request(kinds[0]); d != wire.NotOurs {
			t.Errorf("not forwarded: %v", d)
		}
		p.b.SetForwarded(Forwarded{Echo: all})
		if d := request(kinds[1]); d != wire.NotOurs {
			t.Errorf("a reply: %v", d)
		}
		if d := request(kinds[0]); d != wire.None {
			t.Fatal(d)
		}
		if owner, _, ok := p.b.NextReady(); !ok || owner != "echo" {
			t.Errorf("%v is ready", owner)
		}
		d, ok := s.Receive()
		if !ok || d.Src != ip.Src || d.Dst != ip.Dst || d.SrcPort != 0x1234 || d.DstPort != 7 || d.TTL != 9 || !bytes.Equal(d.Payload.Bytes(), payload) {
			t.Fatalf("%+v, %v", d, ok)
		}
		d.Payload.Release()
		wantLast := func(from wire.Addr, kind uint8) {
			t.Helper()
			q := p.b.queue.entries[len(p.b.queue.entries)-1].packet
			q.Flatten()
			var got wire.IP
			if drop := wire.ParseIP(q.Data[q.L3:], &got); drop != wire.None || got.Src != from || got.Dst != ip.Src || q.Data[int(q.L3)+got.HeaderLen] != kind {
				t.Errorf("%v from %v, type %d, want %d from %v", drop, got.Src, q.Data[int(q.L3)+got.HeaderLen], kind, from)
			}
		}
		p.b.AnswerEcho(p.now, &d, payload)
		p.run() // b knows a's link address from now on
		if err := p.b.AnswerEcho(p.now, &d, payload); err != nil {
			t.Fatal(err)
		}
		wantLast(ip.Dst, kinds[1])
		p.b.RefuseEcho(p.now, &d, len(payload), router, TimeExceeded)
		wantLast(router, kinds[2])
		p.b.RefuseEcho(p.now, &d, len(payload), wire.Addr{}, TimeExceeded)
		wantLast(p.addrB, kinds[2])
		p.run()
		p.wantDrops("a has not asked", wire.ForgedICMP, wire.ForgedICMP)
		for range 100_000 { // its bound holds
			if request(kinds[0]) == wire.QueueFull {
				p.b.CloseUDP(s)
				return
			}
		}
		t.Error("the queue has no bound")
	})
}
