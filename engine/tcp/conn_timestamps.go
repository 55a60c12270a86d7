package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// timestamps is the state of RFC 7323 §3 to §5. Our clock counts milliseconds
// from an offset that differs for every connection (§5.4).
type timestamps struct {
	offset uint32
	recent uint32     // TS.Recent
	echoed uint32     // TS.Ecr of the last text in order
	textAt uint32     // millisecond in which text came last, or the handshake was done
	at     clock.Time // when TS.Recent was set
}

// staleTimestamp is when TS.Recent is out of date: by then
// the peer's clock may have wrapped. https://www.rfc-editor.org/rfc/rfc7323#section-5.5
const staleTimestamp = 24 * 24 * time.Hour

func (t *timestamps) remember(now clock.Time, val uint32) { t.recent, t.at = val, now }

// outdates reports whether val is older than TS.Recent, modulo 2^32 as sequence
// numbers are.
func (t *timestamps) outdates(now clock.Time, val uint32) bool {
	return seq.Num(val).Less(seq.Num(t.recent)) && now.Sub(t.at) <= staleTimestamp
}

func (t *timestamps) value(now clock.Time) uint32 { return now.Milliseconds() + t.offset }

// timestamp returns our TSval. Until a passive open is complete each has the bits
// that a cookie needs, not the SYN-ACK's alone: the ACK echoes what came last, and
// that may be a challenge.
func (c *Conn) timestamp(now clock.Time) uint32 {
	val := c.ts.value(now)
	if c.halfOpen() {
		o := c.offered()
		return cookieTimestamp(val, o.data())
	}
	return val
}

// checkTimestamp is PAWS: a segment whose timestamp is older than TS.Recent is
// an old duplicate. A peer that leaves the option out in mid-connection is
// tolerated, as every kernel does.
// A RST is exempt: it may come from a host that has forgotten the timestamps.
// https://www.rfc-editor.org/rfc/rfc7323#section-5.3
func (c *Conn) checkTimestamp(now clock.Time, s *Segment) outcome {
	if !c.has(stamping) || !s.Options.Has(wire.OptTimestamps) || s.Flags.Has(wire.RST) {
		return goOn
	}
	if !c.ts.outdates(now, s.Options.TSVal) || c.wasOvertaken(s) {
		return goOn
	}
	c.answerOld(now, s)
	return dropped(wire.PAWS)
}

// mostOvertaken is by how many ticks of the peer's clock, most of which have a millisecond, text
// may be older than TS.Recent that was overtaken; and unwrapped in how many bytes of a stream no
// number comes twice.
const (
	mostOvertaken = 64
	unwrapped     = 1 << 31
)

// wasOvertaken lets text through that the wire has reordered: it fills a gap. A retransmission into
// another gap moves TS.Recent past what was sent before it and is still on its way. R1 would make
// a loss of each such segment, and the peer would reduce its window again and again. R1 is against
// numbers of 4 GiB ago, which are not there yet: so what is missing is taken, if it is hardly older.
func (c *Conn) wasOvertaken(s *Segment) bool {
	return c.in.ooo != nil && s.Len > 0 && !s.Flags.Has(wire.SYN) && c.rcv.nxt.LessEq(s.Seq) &&
		c.ts.recent-s.Options.TSVal <= mostOvertaken && c.tally.bytesReceived < unwrapped && !c.cfg.AsLinux
}

// noteTimestamp updates TS.Recent from a segment that has passed the sequence
// and ACK checks and spans the last ACK that we sent.
// https://www.rfc-editor.org/rfc/rfc7323#section-4.3
func (c *Conn) noteTimestamp(now clock.Time, s *Segment) {
	if !c.has(stamping) || !s.Options.Has(wire.OptTimestamps) {
		return
	}
	// The rule asks where the segment began. trim has moved SEG.SEQ past what came
	// before.
	first := s.Seq - seq.Num(s.skip)
	if !c.ts.outdates(now, s.Options.TSVal) && first.LessEq(c.rcv.acked) {
		c.ts.remember(now, s.Options.TSVal)
	}
}
