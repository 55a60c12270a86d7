package tcp

import (
	"fmt"
	"testing"
	"time"
)

// A connection whose program has gone ends in bounded time, whatever its peer says
// that acknowledges nothing.
func TestOrphanEnds(t *testing.T) {
	const every = 10 * time.Second
	peers := map[string]func(i int, nxt int64) string{
		"is silent":                   nil,
		"opens and shuts its window":  func(i int, nxt int64) string { return fmt.Sprintf(". %d:%[1]d(0) ack 1 win %d", nxt, i%2) },
		"opens it wide and shuts it":  func(i int, nxt int64) string { return fmt.Sprintf(". %d:%[1]d(0) ack 1 win %d", nxt, i%2*60000) },
		"keeps its window shut":       func(i int, nxt int64) string { return fmt.Sprintf(". %d:%[1]d(0) ack 1 win 0", nxt) },
		"says the same again":         func(i int, nxt int64) string { return fmt.Sprintf(". %d:%[1]d(0) ack 1", nxt) },
		"probes":                      func(i int, nxt int64) string { return fmt.Sprintf(". %d:%[1]d(0) ack 1", nxt-1) },
		"repeats its text":            func(i int, nxt int64) string { return fmt.Sprintf(". %d:%d(1) ack 1", nxt-1, nxt) },
		"sends a FIN that is too far": func(i int, nxt int64) string { return fmt.Sprintf("F. %d:%[1]d(0) ack 1", nxt+5) },
		"wants a challenge":           func(i int, nxt int64) string { return fmt.Sprintf("S %d:%[1]d(0)", nxt+5) },
	}
	for name, says := range peers {
		for _, s := range []State{Established, CloseWait, SynReceived, FinWait2} {
			t.Run(fmt.Sprintf("%v/%s", s, name), func(t *testing.T) {
				w := worlds(t)[2]
				w.T = t
				c := w.reach(s)
				c.step("write", func(n *Conn) { n.sendCopy(patternBytes(1, 5000)) })
				c.flush()
				c.leave()
				c.flush()
				start := c.now
				for i := 0; c.conn.state > Listen; i++ {
					if says != nil {
						c.receive(says(i, int64(c.conn.rcv.nxt-c.peer)))
						c.flush()
					}
					for next := c.now.Add(every); c.now < next && c.conn.state > Listen; c.flush() {
						c.advance(next.Sub(c.now))
					}
					if c.now.Sub(start) > c.cfg.UserTimeout+c.cfg.MaxRTO {
						c.fail("still there after %v", c.now.Sub(start))
					}
				}
			})
		}
	}
}
