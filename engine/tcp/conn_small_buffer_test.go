package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A transfer into a small receive buffer goes on by ACKs and window updates: the
// sender never has to wait until a timer tells it to send less than a segment
// (RFC 9293 §3.8.6.2.1), nor the receiver until one tells it to acknowledge. So it
// is with a buffer that is small from the beginning and with one that the program
// makes small when the peer has seen a larger one.
func TestSmallReceiveBuffer(t *testing.T) {
	for _, mtu := range []int{9000, 576, 1500, 65535}[:few(4)] {
		mss := mtu - 40
		sizes := []int{1, 2, 3, 1000, mss/2 - 1, mss/2 + 1, mss - 12, mss, mss + 1, 3 * mss / 2, 2 * mss}
		r := rand.New(rand.NewPCG(uint64(mtu), 5))
		for range 5 {
			sizes = append(sizes, 1+r.IntN(2*mss))
		}
		for _, size := range sizes {
			for _, later := range []bool{false, true} {
				for _, cfg := range []Config{{}, {NoTimestamps: true, NoWindowScale: true}} {
					name := fmt.Sprintf("MTU %d/%d bytes/later %v/no options %v", mtu, size, later, cfg.NoTimestamps)
					t.Run(name, func(t *testing.T) { smallBuffer(t, cfg, mtu, size, later, r) })
				}
			}
		}
	}
}

func smallBuffer(t *testing.T, cfg Config, mtu, size int, later bool, r *rand.Rand) {
	total := 200 * min(size, mtu-40)
	if later {
		total = 200 * (mtu - 40)
	} else {
		cfg.ReceiveBuffer = size
	}
	p := newPair(t, cfg)
	p.path.MTU, p.path.MaxGSO = mtu, 65535*r.IntN(2)
	client, server := p.connect()
	p.ends[0].SetNoDelay(p.now, client, true) // or the last bytes wait for a delayed ACK, by Nagle
	if later {
		p.ends[1].SetReceiveBuffer(p.now, server, size)
	}
	start, piece, sent, got := p.now, 1+r.IntN(2*mtu), 0, 0
	fired := map[Timer]int{}
	p.until("all has come", func() bool {
		if n := min(total-sent, client.SendSpace()); n > 0 {
			p.write(0, client, make([]byte, n))
			sent += n
		}
		for server.Buffered() > 0 {
			for _, v := range p.ends[1].Take(p.now, server, piece, nil) {
				got += v.Len()
				v.Release()
			}
			p.pump() // what a program that reads in pieces lets go on the way
		}
		for i := range p.events {
			for _, e := range p.events[i].Take() {
				if e.Kind == TimerFired {
					fired[e.Timer]++
				}
			}
		}
		return got == total
	})
	if len(fired) > 0 {
		t.Errorf("%d bytes took %v, in pieces of %d; timers: %v", total, p.now.Sub(start), piece, fired)
	}
}
