package host

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

func TestQueueKeepsOrderAndBound(t *testing.T) {
	q := packetQueue{limit: 5, maxBytes: 1 << 20}
	in, out, refused := 0, 0, 0
	pop := func() {
		if e, ok := q.pop(); ok {
			if e.iface != out {
				t.Fatalf("entry %d came out as number %d", e.iface, out)
			}
			out++
			e.packet.Release()
		}
	}
	for i := range 1000 {
		if q.push(queued{packet: buf.NewPacket(), iface: in}) {
			in++
		} else {
			refused++
		}
		if i%10 >= 6 {
			pop()
			pop()
		}
		if q.len() > 5 || q.len() != in-out {
			t.Fatalf("%d entries, %d went in and %d came out", q.len(), in, out)
		}
	}
	for q.len() > 0 {
		pop()
	}
	if out != in || refused == 0 || cap(q.entries) > 16 {
		t.Errorf("in %d, out %d, refused %d, room for %d", in, out, refused, cap(q.entries))
	}
}

func TestFullOutputQueue(t *testing.T) {
	p := newPair(t, config{host: Config{MaxQueued: 4}})
	s := p.open(p.a, 5000, p.addrB, 53)
	if err := p.a.SendUDP(p.now, s, wire.Addr{}, 0, pattern(9000)); err != ErrQueueFull {
		t.Errorf("seven fragments into a queue of four: %v", err)
	}
	p.wantNothing("not the first half of a datagram", p.a)
	for range 4 {
		p.send(p.a, s, wire.Addr{}, 0, nil)
	}
	if err := p.a.SendUDP(p.now, s, wire.Addr{}, 0, nil); err != ErrQueueFull {
		t.Errorf("fifth of four: %v", err)
	}
	if c := p.a.Counters(); c.IpOutDiscards != 2 || c.UdpSndbufErrors != 2 {
		t.Errorf("counted %d and %d, want 2 and 2", c.IpOutDiscards, c.UdpSndbufErrors)
	}
	p.run()
	p.drops = nil
}

func TestDatagramToGroup(t *testing.T) {
	for _, c := range []struct {
		group string
		v6    bool
		hw    [6]byte
		ttl   uint8
	}{
		{"255.255.255.255", false, wire.Broadcast, 64},
		{"10.0.0.255", false, wire.Broadcast, 64},
		{"224.0.0.1", false, [6]byte{1, 0, 0x5e, 0, 0, 1}, 1},
		{"ff02::1", true, [6]byte{0x33, 0x33, 0, 0, 0, 1}, 1},
	} {
		p := newPair(t, config{ethernet: true, v6: c.v6})
		s, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, wire.Addr{}, 0)
		p.tap = func(_ *Host, packet *buf.Packet) bool {
			var ip wire.IP
			wire.ParseQuotedIP(packet.Data[packet.L3:], &ip)
			if [6]byte(packet.Data) != c.hw || ip.TTL != c.ttl {
				t.Errorf("%s: to %x with TTL %d", c.group, packet.Data[:6], ip.TTL)
			}
			return true
		}
		p.send(p.a, client, addr(c.group), 53, []byte("all"))
		p.run()
		p.wantDatagram(c.group, s, p.addrA, 5000, []byte("all"))
		p.send(p.a, client, addr(c.group), 54, []byte("all"))
		p.run()
		p.wantDrops("nobody listens, and nobody says so", wire.NoPort)
	}
}

// The room of a queue follows what waits in it, after a burst and when it is
// never quite empty.
func TestQueueRoomFollowsItsContents(t *testing.T) {
	for _, waiting := range []int{0, 1, 3, 100} {
		for _, burst := range []int{0, 10000} {
			var q fifo[int]
			next, last := 0, 0
			pop := func() {
				if got, _ := q.pop(); got != last {
					t.Fatalf("popped %d, want %d", got, last)
				}
				last++
			}
			push := func() { q.push(next); next++ }
			for range burst + waiting {
				push()
			}
			for q.len() > waiting {
				pop()
			}
			for range 100000 {
				push()
				pop()
			}
			if room := cap(q.entries); room > max(keptRoom, 8*(waiting+1)) {
				t.Errorf("%d of %d entries wait in room for %d", waiting, burst, room)
			}
		}
	}
}

// Large packets that wait are bounded by the memory that they hold; fragments
// of one datagram hold one block.
func TestQueueIsBoundedInMemory(t *testing.T) {
	q := packetQueue{limit: 1000, maxBytes: 1 << 20}
	for _, c := range []struct{ perBlock, want int }{{1, 14}, {8, 110}} {
		pushed := 0
		for ok := true; ok; {
			b := buf.Get(buf.LargeSize)
			for range c.perBlock {
				p := buf.NewPacket()
				p.AddView(buf.MakeView(b, 0, 1).Retain())
				if ok = q.push(queued{packet: p}); !ok {
					break
				}
				pushed++
			}
			b.Release()
		}
		if pushed < c.want-c.perBlock || pushed > c.want {
			t.Errorf("%d packets of %d to a block of 72 KiB in 1 MiB, want %d", pushed, c.perBlock, c.want)
		}
		for e, ok := q.pop(); ok; e, ok = q.pop() {
			e.packet.Release()
		}
	}
}
