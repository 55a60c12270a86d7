package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// What the peer tells of our segments by AccECN. The flags are the low three bits of how
// many the network has marked, and may have gone round between two ACKs; the option says
// how many bytes, if it arrives.

// echoMask are the bits of a counter that the option has, and aceMask those of the flags.
const (
	echoMask = 1<<24 - 1
	aceMask  = 7
)

// firstFeedback reads the ACK of our SYN-ACK: alone, it says how that was marked.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.1
func (c *Conn) firstFeedback(now clock.Time, s *Segment) {
	m, ace := c.ecn.marks, s.Flags.ACE()
	c.tryOption(s)
	switch {
	case ace == 0:
		c.set(unmarkable, true)
		m.set(deaf, true)
	case s.SeqLen() > 0 || s.Options.Has(wire.OptSACK):
		c.countHeard(int(ace-cepStart) & aceMask)
	case wire.ACEFlags(ace) == reflection(wire.CE):
		c.countHeard(1)
		c.yieldAtOnce(now)
		fallthrough
	case wire.ACEFlags(ace) == reflection(wire.ECT0), wire.ACEFlags(ace) == reflection(wire.ECT1):
		c.changedMark() // it left without: https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.3
	}
}

// changedMark follows a SYN or SYN-ACK that has got a mark which it had not when it left.
func (c *Conn) changedMark() {
	if !c.cfg.NoECNFallback {
		c.set(unmarkable, true)
	}
}

// tryOption looks at the first option of the peer. Counts that are zero and did not
// begin so were made so.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.4
func (c *Conn) tryOption(s *Segment) {
	m, o := c.ecn.marks, &s.Options
	if !o.Has(wire.OptAccECN) || m.is(optionSeen|optionBroken) || o.AccECN.Count() == 0 {
		return
	}
	for i := range o.AccECN.Count() {
		if k := o.AccECN.At(i); echoStart[k] != 0 && o.Echo[k] == 0 {
			m.set(optionBroken, true)
			return
		}
	}
	m.set(optionSeen, true)
}

// hearsNothing reports whether an ACK of something new says that nothing of it was
// marked, and no more than that.
func (c *Conn) hearsNothing(s *Segment) bool {
	m := c.ecn.marks
	if s.Options.Has(wire.OptAccECN) || m.is(untested) || s.Flags.ACE() != uint8(cepStart+m.delivered)&aceMask || c.overtaken(s) {
		return false
	}
	n := c.packetsOf(int(s.Ack.Sub(c.snd.una)))
	if n > aceMask && !c.optionsArrive() {
		return false
	}
	m.heard(s, n)
	return true
}

// optionsArrive reports whether the peer's option would tell of marks that the flags do
// not. It comes every 4 MiB at least.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.3
func (c *Conn) optionsArrive() bool {
	return c.ecn.marks.is(optionSeen) && c.deliveredText()-c.ecn.echoedAll <= 4<<20
}

// overtaken reports whether a segment left before one that was heard: what it counts is
// out of date.
func (c *Conn) overtaken(s *Segment) bool {
	return s.Ack.Less(c.snd.una) || c.stamped(s) && int32(s.Options.TSVal-c.ecn.heardAt) < 0
}

func (c *Conn) stamped(s *Segment) bool { return c.has(stamping) && s.Options.Has(wire.OptTimestamps) }

// heard notes that s, which acknowledges n segments, is the newest that was heard.
func (m *accurate) heard(s *Segment, n int) {
	if s.Options.Has(wire.OptTimestamps) {
		m.heardAt = s.Options.TSVal
	}
	n = min(n, 1<<10) * 32
	switch {
	case n == 0:
	case m.spread == 0: // the first: a peer that acknowledges many at once begins with that
		m.spread = uint16(n)
	default:
		m.spread = uint16((int(m.spread)*31 + n) / 32)
	}
}

// hearAccurately reads what an ACK that has delivered d tells of marks. Where neither
// its number nor its time is new it may have been overtaken by one that was.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.2
func (c *Conn) hearAccurately(s *Segment, d *recovery.Delivery) (h heard) {
	m := c.ecn.marks
	if s.Flags.Has(wire.SYN) || c.overtaken(s) || d.Acked == 0 && d.Bytes == 0 && !(c.stamped(s) && s.Options.TSVal != m.heardAt) {
		return h
	}
	n, more := c.packetsOf(d.Bytes), int(s.Flags.ACE()-uint8(cepStart+m.delivered))&aceMask
	if m.is(untested) {
		m.set(untested, false)
		// So many marks cannot be: https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.4
		if s.Flags.ACE() == 0 && more > n {
			c.set(unmarkable, true)
			m.set(deaf, true)
		}
	}
	m.heard(s, n)
	c.tryOption(s)
	told := m.is(optionSeen) && s.Options.Has(wire.OptAccECN)
	switch {
	case told:
		more, h.bytes = c.hearCounters(s, more)
	default:
		if n > aceMask && !c.optionsArrive() {
			more = m.safest(n, more)
		}
		h.bytes = c.guess(more, n, d.Bytes)
	}
	c.countHeard(more)
	if told {
		m.echoedCE = m.delivered
	}
	if m.is(deaf) {
		return heard{}
	}
	h.marked = more > 0 || h.bytes > 0
	return h
}

// safest is how many marks there may have been where the flags say more, modulo 8, of n
// segments, and no option says what is true: as many as there can be. But where ACKs are
// for many segments as a rule, none was lost, and the flags have not gone round.
// https://www.rfc-editor.org/rfc/rfc9768#appendix-A.2.1
func (m *accurate) safest(n, more int) int {
	if m.spread > 4*32 {
		return more
	}
	return n - (n-more)&aceMask
}

// hearCounters takes the peer's option, and returns how many segments were marked, of
// which the flags say more, and how many bytes that was not known of yet.
// https://www.rfc-editor.org/rfc/rfc9768#appendix-A.2.2
func (c *Conn) hearCounters(s *Segment, more int) (packets, bytes int) {
	m, o := c.ecn.marks, &s.Options
	marked := 0
	for i := range o.AccECN.Count() {
		k := o.AccECN.At(i)
		n := (o.Echo[k] - echoStart[k] - m.echoed[k]) & echoMask
		m.echoed[k] += n
		if k == echoIndex(wire.CE) {
			marked = int(n)
		}
	}
	all := c.deliveredText()
	since, between := int(m.delivered-m.echoedCE)+more, c.packetsOf(int(all-m.echoedAll))
	m.echoedAll = all
	if marked > 0 {
		if since == 0 && between <= aceMask { // the flags cannot have gone round: they do not arrive as they left
			c.set(unmarkable, true)
		} else {
			least, likely := c.fewest(marked), c.packetsOf(marked)
			for since < least || likely-since > aceMask/2+1 {
				since, more = since+aceMask+1, more+aceMask+1
			}
		}
	}
	bytes = max(marked-int(m.guessed), 0)
	m.guessed = 0
	return more, bytes
}

// guess is how many bytes more marked segments had, of n with so many bytes.
// https://www.rfc-editor.org/rfc/rfc9768#appendix-A.3
func (c *Conn) guess(more, n, bytes int) int {
	if more == 0 {
		return 0
	}
	size := int(c.path.mss)
	if n > 0 {
		size = bytes / n
	}
	guess := more * size
	c.ecn.guessed += uint32(guess)
	return guess
}

// deliveredText is how many bytes were ever delivered, modulo 2^32.
func (c *Conn) deliveredText() uint32 {
	n := uint32(c.tally.bytesAcked)
	if c.flight != nil {
		n += uint32(c.flight.Early())
	}
	return n
}

// packetsOf is how many segments so many bytes were, if they were as large as all are on
// average.
func (c *Conn) packetsOf(bytes int) int {
	n := &c.tally
	sent := n.bytesAcked + n.bytesRetrans + uint64(c.snd.nxt.Sub(c.snd.una))
	if sent == 0 || bytes <= 0 {
		return 0
	}
	return max(int((uint64(bytes)*uint64(n.dataOut)+sent/2)/sent), c.fewest(bytes))
}

// fewest is how few segments so many bytes can have been. None was larger than the peer
// takes; by the size that segments have now those that left before it fell, behind a black
// hole, would seem to have been more.
func (c *Conn) fewest(bytes int) int {
	size := max(int(c.snd.peer), minMSS)
	return (bytes + size - 1) / size
}
