package stream

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// frame makes a frame of size bytes of TCP over IP, of the flow with this port; port 0:
// one that is no IP.
func frame(version int, port uint16, ecn wire.ECN, size int) *buf.Packet {
	p := buf.NewPacket()
	p.Data = p.Data[:min(size, 14+60)]
	clear(p.Data)
	if port != 0 {
		b, at := p.Data[14:], 20
		if version == 4 {
			b[0], b[1], b[8], b[9] = 0x45, byte(ecn), 64, wire.ProtoTCP
			binary.BigEndian.PutUint16(b[2:], uint16(size-14))
		} else {
			b[0], b[1], b[6], b[7], at = 0x60, byte(ecn)<<4, wire.ProtoTCP, 64, 40
			binary.BigEndian.PutUint16(b[4:], uint16(size-14-40))
		}
		binary.BigEndian.PutUint16(b[at:], port)
	}
	if rest := size - len(p.Data); rest > 0 {
		p.AddView(buf.MakeView(buf.Get(rest), 0, rest))
	}
	return p
}

func newFair(limit int) (q *fair, dropped *int) {
	q, dropped = new(fair), new(int)
	q.init(limit, func(p *buf.Packet) { *dropped++; p.Release() })
	return q, dropped
}

// portOf is the port that frame has written.
func portOf(p *buf.Packet) uint16 {
	switch p.Data[14] >> 4 {
	case 4:
		return binary.BigEndian.Uint16(p.Data[14+20:])
	case 6:
		return binary.BigEndian.Uint16(p.Data[14+40:])
	}
	return 0
}

// A frame of a flow that has nothing else waiting leaves after one turn of each other
// flow, whatever these have waiting.
func TestFlowsTakeTurns(t *testing.T) {
	for _, version := range []int{4, 6} {
		for _, bulks := range []int{1, 2, 7} {
			q, _ := newFair(4096)
			for range 400 {
				for b := range bulks {
					q.put(0, frame(version, uint16(1000+b), 0, 1514))
				}
			}
			for range 50 {
				q.take(0).Release()
			}
			q.put(0, frame(version, 9, 0, 98))
			// Those whose hash is the same share their turn; the key is drawn anew each time.
			shared := false
			for b := range bulks {
				shared = shared || q.flowOf(frame(version, 9, 0, 98)) == q.flowOf(frame(version, uint16(1000+b), 0, 1514))
			}
			turns := 1
			for p := q.take(0); portOf(p) != 9; p = q.take(0) {
				turns++
				p.Release()
			}
			if shared {
				continue
			}
			if turns > 2*bulks+1 {
				t.Errorf("IPv%d, %d others: it was the frame number %d", version, bulks, turns)
			}
		}
	}
}

// halving is a sender that halves its window for a frame that is lost or marked, once in a round
// trip, and else adds one frame to it.
type halving struct{ window, out, deaf float64 }

func (s *halving) acked() { s.out--; s.window += 1 / s.window; s.deaf-- }
func (s *halving) told() {
	if s.deaf <= 0 {
		s.window = max(s.window*0.7, 2)
		s.deaf = s.window
	}
}

// Senders that answer to losses or marks find a short queue, and the machine is busy all
// the same. Where marks are understood, nothing is lost.
func TestDelayIsBounded(t *testing.T) {
	for _, rate := range []int{10, 100, 1000} { // Mbit/s
		for _, ecn := range []wire.ECN{wire.NotECT, wire.ECT0} {
			s, perFrame := halving{window: 10}, time.Duration(1514*8*1000/rate)
			q := new(fair)
			lost := 0
			q.init(4096, func(p *buf.Packet) { lost++; s.out--; s.told(); p.Release() })
			born := map[*buf.Packet]time.Duration{}
			var late, sent, idle int
			end := min(60*time.Second, 500_000*perFrame)
			for now := time.Duration(0); now < end; now += perFrame {
				for ; s.out+1 <= s.window; s.out++ {
					p := frame(4, 80, ecn, 1514)
					born[p] = now
					q.put(now, p)
				}
				p := q.take(now)
				if p == nil {
					idle++
					continue
				}
				if now > end/3 {
					sent++
					if now-born[p] > 10*target {
						late++
					}
				}
				s.acked()
				if p.Data[15]&3 == byte(wire.CE) {
					s.told()
				}
				delete(born, p)
				p.Release()
			}
			if late > sent/20 || idle > sent/20 {
				t.Errorf("%d Mbit/s, %v: %d of %d waited for more than %v, and nothing was there %d times", rate, ecn, late, sent, 10*target, idle)
			}
			if ecn != wire.NotECT && lost > 0 {
				t.Errorf("%d Mbit/s: %d were lost", rate, lost)
			}
		}
	}
}

// When there is no room, who has most waiting loses.
func TestFullQueueIsFair(t *testing.T) {
	q, dropped := newFair(100)
	for i := range 1000 {
		q.put(0, frame(4, 80, 0, 1514))
		if i%100 == 0 {
			q.put(0, frame(4, uint16(5000+i), 0, 98))
		}
	}
	small := 0
	for p := q.take(0); p != nil; p = q.take(0) {
		if portOf(p) != 80 {
			small++
		}
		p.Release()
	}
	if small < 9 || *dropped != 1010-100 { // one may share a queue with the bulk
		t.Errorf("of 10 single frames %d came through; %d were dropped", small, *dropped)
	}
}

// Whatever comes and goes, each frame leaves once or is dropped once, in the order of its
// flow, and what is no IP is never late.
func TestQueueKeepsAccount(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		q, dropped := newFair(1 + r.IntN(200))
		var now time.Duration
		var next, seen [6]uint32
		put, taken := 0, 0
		for step := range 20_000 {
			now += time.Duration(r.IntN(3000)) * time.Microsecond
			if port := uint16(r.IntN(6)); r.IntN(5) < 3 {
				p := frame(4+2*int(port%2), port, wire.ECN(r.IntN(4)), 74+r.IntN(1400))
				put++
				next[port]++
				binary.BigEndian.PutUint32(p.Data, next[port])
				q.put(now, p)
			} else if p := q.take(now); p != nil {
				taken++
				port, number := portOf(p), binary.BigEndian.Uint32(p.Data)
				if number <= seen[port] {
					t.Fatalf("seed %d: number %d of port %d comes after %d", seed, number, port, seen[port])
				}
				seen[port] = number
				p.Release()
			}
			if step%16 == 0 {
				checkBytes(t, q, seed)
			}
			if q.count != put-taken-*dropped || q.count > len(q.room) {
				t.Fatalf("seed %d: %d wait; %d came, %d left, %d were dropped", seed, q.count, put, taken, *dropped)
			}
		}
		q.clear()
		if q.count != 0 || put != taken+*dropped || q.take(now) != nil {
			t.Fatalf("seed %d: %d wait after all were dropped", seed, q.count)
		}
	}
}

// checkBytes adds up what each flow has, and finds the one with the most.
func checkBytes(t *testing.T, q *fair, seed uint64) {
	t.Helper()
	bytes, most := 0, q.flows[q.longest()].bytes
	for n := range q.flows {
		if bytes += q.flows[n].bytes; q.flows[n].bytes > most {
			t.Fatalf("seed %d: flow %d has %d bytes, more than the longest", seed, n, q.flows[n].bytes)
		}
	}
	if q.bytes != bytes {
		t.Fatalf("seed %d: %d bytes wait, and %d in the flows", seed, q.bytes, bytes)
	}
}

// A ping beside a bulk transfer waits for what one system call has taken, not for what
// the queue holds.
func TestPingBesideBulk(t *testing.T) {
	c, machine := net.Pipe()
	defer machine.Close()
	l, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 1000 {
		l.Write(0, []*buf.Packet{frame(4, 80, 0, 1514)})
	}
	l.Write(0, []*buf.Packet{frame(4, 9, 0, 98)})
	far, err := New(machine, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	for before := 0; ; before++ {
		batch := make([]*buf.Packet, 1)
		if _, err := far.Read(0, batch); err != nil {
			t.Fatal(fmt.Errorf("after %d frames: %w", before, err))
		}
		port := portOf(batch[0])
		batch[0].Release()
		if port == 9 {
			return
		}
		if before > 2*writeBatch+2 {
			t.Fatalf("%d frames came before it", before)
		}
	}
}
