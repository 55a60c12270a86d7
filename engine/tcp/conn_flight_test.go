package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// TestSpareFlights: a connection with nothing out has no ledger, those that are no
// longer used wait for others, and they are few.
func TestSpareFlights(t *testing.T) {
	w := worlds(t)[0]
	cfg := (Config{}).withDefaults()
	var conns []*testConn
	for range 3 * maxSpareFlights {
		c := w.reach(Established)
		c.conn.cfg, c.twin.cfg = cfg, cfg
		c.write(1000)
		c.wantFlags("data", wire.ACK|wire.PSH)
		conns = append(conns, c)
	}
	for _, c := range conns {
		if c.conn.flight == nil {
			t.Fatal("something is out, and there is no ledger")
		}
		c.receive(". 1:1(0) ack 1001")
		if c.conn.flight != nil {
			t.Fatal("nothing is out, and there is a ledger")
		}
	}
	if n := len(cfg.flights); n != maxSpareFlights {
		t.Errorf("%d ledgers wait to be used again", n)
	}
	c := conns[0]
	for range 3 { // one that was used is as good as new
		c.write(500)
		c.wantFlags("data", wire.ACK|wire.PSH)
		c.advance(100 * time.Millisecond)
		c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.written+1))
	}
}
