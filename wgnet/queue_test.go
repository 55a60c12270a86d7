package wgnet

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// A queue keeps order while it grows, drops what is beyond its bounds, and after close
// gives what is left.
func TestQueue(t *testing.T) {
	packets := func(n, size int) (batch []*buf.Packet) {
		for range n {
			p := buf.NewPacket()
			p.ReceiveInto(size)
			batch = append(batch, p)
		}
		return batch
	}
	q := newQueue()
	next, taken := uint16(0), uint16(0)
	batch := make([]*buf.Packet, 100)
	for round := range 500 {
		in := packets(round%120, 100)
		for _, p := range in {
			p.L3 = next
			next++
		}
		if !q.put(in) {
			t.Fatal("closed")
		}
		if q.count == 0 {
			continue
		}
		n := q.take(batch[:1+round%len(batch)])
		for _, p := range batch[:n] {
			if p.L3 != taken {
				t.Fatalf("packet %d came, not %d", p.L3, taken)
			}
			taken++
		}
		release(batch[:n])
	}
	before := q.count
	q.put(packets(maxPackets, 100))
	if q.count != maxPackets || q.dropped != uint64(before) {
		t.Errorf("%d packets wait, %d were dropped", q.count, q.dropped)
	}
	q.drain()
	if q.put(packets(1, 100)) || q.take(batch) != 0 || q.bytes != 0 {
		t.Errorf("a closed queue takes packets, or has %d bytes", q.bytes)
	}

	q = newQueue()
	q.put(packets(1000, buf.LargeSize))
	if want := maxBytes/buf.LargeSize + 1; q.count != want {
		t.Errorf("%d large packets wait, want %d", q.count, want)
	}
	q.close()
	if n := q.take(batch); n != len(batch) {
		t.Errorf("%d packets are left", n)
	}
	q.drain()
}
