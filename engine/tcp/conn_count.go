package tcp

import (
	"math"

	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxReordering is how far at most something comes late that is counted: Linux's
// tcp_max_reordering.
const maxReordering = 300

// segments is how many full segments so many bytes fill, the last perhaps in part.
func (c *Conn) segments(bytes int) int {
	mss := max(int(c.path.mss), 1)
	return (bytes + mss - 1) / mss
}

// countTwice counts a D-SACK block.
func (c *Conn) countTwice(b wire.SACKBlock) {
	n, stats := c.segments(int(b.Right.Sub(b.Left))), c.cfg.stats
	c.loss.dsacks += uint32(n)
	stats.TCPDSACKRecvSegs += uint64(n)
	if b.Right.LessEq(c.snd.una) {
		stats.TCPDSACKRecv++
	} else {
		stats.TCPDSACKOfoRecv++
	}
}

// countLate counts that something came after what was sent later, by so many bytes.
func (c *Conn) countLate(behind int) {
	c.rtt.late++
	c.loss.behind = max(c.loss.behind, uint16(min(c.segments(behind), maxReordering)))
	c.cfg.stats.TCPSACKReorder++
}

// countTimeout counts an expiry of the retransmission timer, and what it means for a
// repair that was under way.
func (c *Conn) countTimeout() {
	stats := c.cfg.stats
	stats.TCPTimeouts++
	c.rtt.timeouts++
	// A repair fails once, however often the timer repeats what it says: the cases and
	// their order are those of Linux's tcp_retransmit_timer.
	if c.flight == nil || c.rtt.backoff > 0 {
		return
	}
	sack := c.has(sackOK)
	switch phase := c.loss.phase; {
	case phase == fastRecovery && sack:
		stats.TCPSackRecoveryFail++
	case phase == fastRecovery:
		stats.TCPRenoRecoveryFail++
	case phase == afterTimeout:
		stats.TCPLossFailures++
	case sack && c.flight.Early() > 0:
		stats.TCPSackFailures++
	case !sack && c.flight.dupes > 0:
		stats.TCPRenoFailures++
	}
	if c.loss.phase != afterTimeout {
		c.rtt.repairs++
	}
}

// sentAgain counts a retransmission, of which something may be new.
func (c *Conn) sentAgain(out *Output) {
	old := min(out.Len, int(c.snd.nxt.Sub(out.Seq)))
	c.tally.bytesRetrans += uint64(old)
	// A FIN that goes again, or new text behind the old: DataSegsOut - TotalRetrans would
	// count such a segment as one fewer that was ever delivered: see infoText.
	if out.Len == 0 || old < out.Len {
		c.bare()
	}
	switch n := uint64(out.Count()); c.loss.phase {
	case fastRecovery:
		c.cfg.stats.TCPFastRetrans += n
	case afterTimeout:
		c.cfg.stats.TCPSlowStartRetrans += n
	}
}

// bare counts a retransmission that brings more than old text, or none.
func (c *Conn) bare() {
	if c.rtt.bare < math.MaxUint8 {
		c.rtt.bare++
	}
}

// noteRate keeps a sample of the delivery rate: the last that the network limited, or a
// higher one that the program did. It is taken once in a round trip, when an ACK of n
// bytes reaches the round's end, and tells of all that it brought; or nothing is out. The
// first sample of a connection counts all the same: of a short one there may be no other.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-04.html#section-4.1
func (c *Conn) noteRate(n int, r recovery.Rate, limited bool) {
	f := c.flight
	reached := int(c.snd.una.Sub(f.round)) < n || f.Empty() || c.live.rate == 0
	if !reached || r.Interval <= 0 || r.Interval < c.loss.least {
		return
	}
	// The sign is the mark: one word less in every connection than a flag beside it.
	switch rate := float32(r.Delivered) / float32(r.Interval); {
	case limited:
		c.live.rate = rate
	case rate > max(c.live.rate, -c.live.rate):
		c.live.rate = -rate
	}
}
