package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// stamped returns a connection with timestamps; the peer's clock shows 1000.
func (w world) stamped() *testConn {
	w.Helper()
	c := w.opened(Config{}, "S. 0:0(0) ack 1 <mss 1460,TS val 1000 ecr 3600000>")
	c.wantEqual("full segment", int(c.conn.path.mss), 1460-timestampSize)
	return c
}

// RFC 7323 §5.3 R1: a segment with an older timestamp is answered with an ACK
// and dropped, whatever it is, unless it is a RST.
func TestPAWS(t *testing.T) {
	everywhere(t, func(w world) {
		for _, s := range []string{
			"P. 1:11(10) ack 1 <TS val 999 ecr 3600000>",
			"F. 1:1(0) ack 1 <TS val 999 ecr 3600000>",
			". 1:1(0) ack 1 <TS val 999 ecr 3600000>",
			"S 1:1(0) <TS val 999 ecr 0>",
			"P. 1:11(10) ack 1 <TS val 2147484648 ecr 3600000>", // half the space on: older
			"P. 1:11(10) ack 1 <TS val 0 ecr 3600000>",          // zero is a number like any other
		} {
			c := w.stamped()
			c.receive(s)
			c.wantDrop(wire.PAWS)
			c.want("where we are", ". 1:1(0) ack 1 <TS val 3600000 ecr 1000>")
			c.wantState(Established)
		}
		c := w.stamped()
		c.receive("R 1:1(0) <TS val 999 ecr 0>")
		c.wantState(Closed)
	})
}

// What is echoed is that of the segment that spans our last ACK, by where it began and not by
// what of it is new. https://www.rfc-editor.org/rfc/rfc7323#section-4.3
func TestEchoOfRepeatedText(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.stamped()
		c.receiveBatch("P. 1:11(10) ack 1 <TS val 1001 ecr 3600000>", "P. 1:21(20) ack 1 <TS val 1002 ecr 3600000>",
			"P. 21:31(10) ack 1 <TS val 1003 ecr 3600000>")
		out, _ := c.pull()
		if out.Ack != c.peer.Add(31) || out.Options.TSEcr != 1002 {
			c.fail("ACK %d, which echoes %d", out.Ack-c.peer, out.Options.TSEcr)
		}
	})
}

// The comparison is modulo 2^32: a clock may wrap.
func TestTimestampWraps(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 <mss 1460,TS val 4294967290 ecr 3600000>")
		c.receive("P. 1:11(10) ack 1 <TS val 3 ecr 3600000>")
		c.want("ACK echoes it", ". 1:1(0) ack 11 <TS val 3600000 ecr 3>")
		c.receive("P. 11:21(10) ack 1 <TS val 4294967295 ecr 3600000>")
		c.wantDrop(wire.PAWS)
		c.want("where we are", ". 1:1(0) ack 11 <TS val 3600000 ecr 3>")
	})
}

// RFC 7323 §4.3: TS.Recent comes from the segment that begins at or before the
// last ACK that we sent, and from no other.
func TestTimestampEcho(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.stamped()
		c.receive("P. 11:21(10) ack 1 <TS val 1005 ecr 3600000>") // out of order
		c.want("not echoed", ". 1:1(0) ack 1 <TS val 3600000 ecr 1000>")
		c.receive("P. 1:11(10) ack 1 <TS val 1003 ecr 3600000>")
		c.want("fills the gap", ". 1:1(0) ack 21 <TS val 3600000 ecr 1003>")
		c.receive("P. 11:31(20) ack 1 <TS val 1007 ecr 3600000>") // overlaps what we have
		c.want("spans the last ACK", ". 1:1(0) ack 31 <TS val 3600000 ecr 1007>")
		c.advance(7 * time.Millisecond)
		c.write(10)
		c.want("our clock counts milliseconds", "P. 1:11(10) ack 31 <TS val 3600007 ecr 1007>")
	})
}

// A forged timestamp does not poison TS.Recent, unless all else of the segment
// is right.
func TestPoisonedTimestamp(t *testing.T) {
	everywhere(t, func(w world) {
		for _, s := range []string{
			"P. 70000:70010(10) ack 1 <TS val 2000000000 ecr 3600000>",
			"P. 1:11(10) ack 5000 <TS val 2000000000 ecr 3600000>",
			". -70000:-70000(0) ack 1 <TS val 2000000000 ecr 3600000>",
			"R 100:100(0) <TS val 2000000000 ecr 3600000>",
			"S 100:100(0) <TS val 2000000000 ecr 0>",
			"P. 11:21(10) ack 1 <TS val 2000000000 ecr 3600000>", // out of order
		} {
			c := w.stamped()
			c.receive(s)
			c.want("where we are", ". 1:1(0) ack 1 <TS val 3600000 ecr 1000>")
			c.receive("P. 1:11(10) ack 1 <TS val 1001 ecr 3600000>")
			c.wantDrop(wire.None)
			c.wantFlags("ACK", wire.ACK)
		}
	})
}

// RFC 7323 §5.5: after 24 days of silence TS.Recent says nothing any more.
func TestStaleTimestamp(t *testing.T) {
	everywhere(t, func(w world) {
		for _, late := range []bool{false, true} {
			c := w.stamped()
			c.advance(staleTimestamp)
			if late {
				c.advance(1)
			}
			c.receive("P. 1:11(10) ack 1 <TS val 999 ecr 3600000>")
			if !late {
				c.wantDrop(wire.PAWS)
				c.wantFlags("where we are", wire.ACK)
				continue
			}
			c.wantDrop(wire.None)
			c.wantFlags("ACK", wire.ACK)
			c.wantEqual("TS.Recent", int(c.conn.ts.recent), 999)
		}
	})
}

// A peer that leaves the option out in mid-connection is tolerated, and one
// that never offered it gets none.
func TestTimestampMissing(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.stamped()
		c.receive("P. 1:11(10) ack 1")
		c.want("ACK", ". 1:1(0) ack 11 <TS val 3600000 ecr 1000>")
		c = w.reach(Established)
		c.receive("P. 1:11(10) ack 1 <TS val 5 ecr 5>")
		c.want("ACK without the option", ". 1:1(0) ack 11 <>")
	})
}

// A retransmission moves TS.Recent past text that was sent before it and comes later. That is
// no old duplicate, as long as no number has come twice: it is taken when it fills a gap and is hardly
// older, and dropped by R1 otherwise.
func TestOvertakenByRetransmission(t *testing.T) {
	for _, k := range []struct {
		name   string
		text   string
		change func(c *testConn)
		taken  bool
	}{
		{"fills a gap", ". 101:201(100) ack 1 <TS val 1090 ecr 3600000>", nil, true},
		{"fills the next one", ". 301:401(100) ack 1 <TS val 1090 ecr 3600000>", nil, true},
		{"as old as may be", ". 101:201(100) ack 1 <TS val 1036 ecr 3600000>", nil, true},
		{"older", ". 101:201(100) ack 1 <TS val 1035 ecr 3600000>", nil, false},
		{"what came before", ". 1:101(100) ack 1 <TS val 1090 ecr 3600000>", nil, false},
		{"no text", ". 101:101(0) ack 1 <TS val 1090 ecr 3600000>", nil, false},
		{"after 4 GiB", ". 101:201(100) ack 1 <TS val 1090 ecr 3600000>", func(c *testConn) { c.conn.tally.bytesReceived += 1 << 32 }, false},
		{"as Linux", ". 101:201(100) ack 1 <TS val 1090 ecr 3600000>", func(c *testConn) { c.conn.cfg.AsLinux = true }, false},
		{"nothing is missing", ". 501:601(100) ack 1 <TS val 1090 ecr 3600000>", func(c *testConn) {
			c.receiveBatch(". 101:201(100) ack 1 <TS val 1100 ecr 3600000>", ". 301:401(100) ack 1 <TS val 1100 ecr 3600000>")
		}, false},
	} {
		everywhere(t, func(w world) {
			c := w.stamped()
			c.receiveBatch(". 201:301(100) ack 1 <TS val 1080 ecr 3600000>", ". 401:501(100) ack 1 <TS val 1080 ecr 3600000>",
				". 1:101(100) ack 1 <TS val 1100 ecr 3600000>") // again
			c.flush()
			if k.change != nil {
				k.change(c)
				c.flush()
			}
			c.receive(k.text)
			why := c.last.why
			if c.flush(); k.taken && why != wire.None || !k.taken && why != wire.PAWS {
				c.fail("%s: dropped: %v", k.name, why)
			}
		})
	}
}
