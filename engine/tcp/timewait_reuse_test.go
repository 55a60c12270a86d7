package tcp

import (
	"errors"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// A four-tuple in TIME-WAIT is a new connection's when the time has passed that its
// endpoint asks for, if both ends had timestamps and the program has let go of the old one.
func TestTimeWaitReuseByConnect(t *testing.T) {
	const stamps = "<TS val 1000 ecr 0>"
	for _, c := range []struct {
		name    string
		cfg     Config
		options string
		held    bool
		after   time.Duration
		reused  bool
	}{
		{"after its time", Config{TimeWaitReuse: time.Second}, stamps, false, time.Second, true},
		{"just before", Config{TimeWaitReuse: time.Second}, stamps, false, time.Second - 1, false},
		{"in the least time", Config{TimeWaitReuse: 1}, stamps, false, time.Millisecond, true},
		{"before timestamps move on", Config{TimeWaitReuse: 1}, stamps, false, time.Millisecond - 1, false},
		{"that is not asked for", Config{}, stamps, false, 2*msl - 1, false},
		{"without timestamps", Config{TimeWaitReuse: time.Second}, "<mss 1460>", false, 2 * time.Second, false},
		{"without timestamps of ours", Config{TimeWaitReuse: time.Second, NoTimestamps: true}, stamps, false, 2 * time.Second, false},
		{"that a program holds", Config{TimeWaitReuse: time.Second}, stamps, true, 2 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := serving(t, c.cfg, 5)
			p := h.from(1000, 7)
			old := p.waiting(c.options, c.held)
			last, stamp := p.own.Add(2), p.tsVal
			h.advance(c.after)
			en, err := h.e.Connect(h.now, h.path, p.tuple, p)
			if !c.reused {
				if !errors.Is(err, ErrInUse) {
					p.fail("a connection, or %v", err)
				}
				h.wantLen("the old one waits", 1)
				h.e.Close(h.now, old)
				return
			}
			p.peer = 900000
			p.wantAny("SYN", wire.SYN)
			if !last.Less(p.own) || int32(p.tsVal-stamp) <= 0 {
				p.fail("number %d and timestamp %d are not beyond %d and %d", p.own, p.tsVal, last, stamp)
			}
			if n := h.e.Counters().TWRecycled; n != 1 {
				p.fail("%d recycled", n)
			}
			h.wantLen("one takes the other's place", 1)
			p.receive("S. 0:0(0) ack 1 <TS val 2000 ecr 0>")
			p.wantAny("ACK", wire.ACK)
			p.receive("P. 1:11(10) ack 1 <TS val 1000 ecr 0>") // of the connection before
			p.wantDrop(wire.PAWS)
			p.pull()
			if en.State() != Established {
				p.fail("%v", en.State())
			}
			if err := h.e.Audit()(); err != nil {
				p.fail("%v", err)
			}
			h.e.Abort(h.now, en)
			p.wantAny("RST", wire.RST|wire.ACK)
		})
	}
}
