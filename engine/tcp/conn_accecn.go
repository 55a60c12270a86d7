package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// AccECN, RFC 9768: who receives counts the segments that the network marked and the
// bytes that came with each mark. Three flags of every segment are the low bits of the
// first count, and an option says the others now and then. This file counts and tells;
// conn_accecn_hear.go hears what the peer tells.

// accurate is the state of AccECN in both directions. Arrays are as
// wire.Options.Echo: ECT(0), CE, ECT(1).
type accurate struct {
	received   [3]uint32 // bytes of the peer's text, as all that counts modulo 2^32
	receivedCE uint32    // segments of the peer
	told       uint32    // of receivedCE: so much our last segment said
	atOption   uint32    // all that was received when our last option left

	echoed    [3]uint32 // bytes of our text, as the peer's options say
	echoedCE  uint32    // delivered, when the last of them came
	echoedAll uint32    // delivered bytes of any mark then
	guessed   uint32    // marked bytes since then that only the flags have told of
	heardAt   uint32    // TSval of the newest segment that was heard
	spread    uint16    // how many segments an ACK is for, on average, in 1/32

	fresh    echoSet  // of received, what the last option did not say
	ever     echoSet  // what was ever not zero
	due      uint8    // so many of the next ACKs have the option if there is anything fresh
	unheard  uint8    // grows when ACKs with the option seem not to arrive
	last     wire.ECN // of the peer's latest segment
	lastText wire.ECN // with text
	synAck   wire.ECN // its latest SYN-ACK
	facts    accurateFacts
}

type accurateFacts uint8

const (
	optionSeen   accurateFacts = 1 << iota // the peer's options arrive
	optionBroken                           // and were changed on the way
	optionTold                             // our last segment had the option, and no text has come again since
	optionHushed                           // the next has none
	optionOff                              // nor have all others
	untested                               // no segment but the SYN-ACK has come
	deaf                                   // what the peer tells cannot be true
	ackOfAcks                              // an ACK is owed for marked ACKs alone
)

func (m *accurate) is(f accurateFacts) bool { return m.facts&f != 0 }

func (m *accurate) set(f accurateFacts, on bool) {
	if on {
		m.facts |= f
	} else {
		m.facts &^= f
	}
}

// cepStart and echoStart are what counts begin with, so that none is zero which was not
// made zero on the way. https://www.rfc-editor.org/rfc/rfc9768#section-3.2.1
const cepStart = 5

var echoStart = [3]uint32{1, 0, 1}

// echoSet are indices of counters, as bits.
type echoSet uint8

const (
	echoE0 echoSet = 1 << iota
	echoCE
	echoE1
	echoAll = echoE0 | echoCE | echoE1
)

// echoIndex is where bytes that came with a mark are counted.
func echoIndex(e wire.ECN) int { return int(e+1) % 3 }

// beginMarks makes what a connection needs that has agreed to ECN, and is established.
func (c *Conn) beginMarks() {
	m := &marks{}
	c.ecn.marks = m
	if !c.has(accurateOK) {
		return
	}
	m.accurate = &accurate{}
	m.heardAt = c.ts.recent
	c.ecn.ace = wire.ACEFlags(cepStart)
	c.doubtMarks()
}

// doubtMarks follows the answer to our SYN-ACK with AccECN.
func (c *Conn) doubtMarks() {
	if m := c.ecn.marks; c.has(accurateOK) && c.has(passive) && c.rtt.backoff > 0 { // the SYN-ACK was sent again, without what may have kept it from arriving
		m.unheard = mostUnheard - 1
		if c.rtt.backoff > 1 {
			c.set(unmarkable, true)
		}
	}
}

func (m *marks) clone() *marks {
	d := *m
	if m.accurate != nil {
		a := *m.accurate
		d.accurate = &a
	}
	return &d
}

// countMarks counts an acceptable segment of the peer. A mark after none is told at
// once, and so is every second one, or third where nothing waits for an ACK.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.5.1
func (c *Conn) countMarks(s *Segment) {
	m, n, count := c.ecn.marks, s.skip+s.Len, 1
	if s.GSOSize > 0 { // of what it stands for, those that bring nothing new are not acceptable
		n = s.skip%s.GSOSize + s.Len
		count = max((n+s.GSOSize-1)/s.GSOSize, 1)
	}
	changed := s.ECN != m.last
	m.last = s.ECN
	if s.ECN != wire.NotECT {
		c.ecn.set(ecnSeen, true)
	}
	if n > 0 {
		m.countText(s.ECN, n)
	}
	if s.ECN != wire.CE {
		return
	}
	m.receivedCE += uint32(count)
	c.ecn.ace = wire.ACEFlags(uint8(cepStart + m.receivedCE))
	waiting, most := n > 0 || c.rcv.nxt != c.rcv.acked, uint32(3)
	if waiting {
		most = 2
	}
	if changed && n > 0 || m.receivedCE-m.told >= most {
		m.set(ackOfAcks, !waiting && c.owes&owesAck == 0 && c.rcv.dupAcks == 0)
		c.owes |= owesAck
	}
}

// countText counts text of n bytes that came marked so.
func (m *accurate) countText(e wire.ECN, n int) {
	if e != wire.NotECT {
		i := echoIndex(e)
		was := m.received[i]
		m.received[i] += uint32(n)
		if (was^m.received[i])>>20 != 0 { // a MiB more has come, so they do arrive
			m.unheard -= min(m.unheard, 1)
		}
		m.fresh |= 1 << i
		m.ever |= 1 << i
	}
	if e != m.lastText {
		m.lastText, m.due = e, 2
	}
	m.set(ackOfAcks, false)
}

// tellMarks puts into a segment what the peer is to know, in so far as its flags do not
// say it: they have what c.ecn.ace is.
func (c *Conn) tellMarks(out *Output) {
	m := c.ecn.marks
	m.told, out.ACE = m.receivedCE, true
	m.set(ackOfAcks, false)
	form, ok := c.counters(out)
	if m.set(optionTold, ok); ok {
		m.putCounters(&out.Options, form)
	}
	m.set(optionHushed, false)
}

// optionEvery is after how many bytes of the same mark the option says again how many
// they are. All others say so at once.
const optionEvery = 16 << 10

// optionDue reports whether the next segment should have the option.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.3
func (c *Conn) optionDue() bool {
	m := c.ecn.marks
	switch c.cfg.ECNOption {
	case cc.ECNOptionOff:
		return false
	case cc.ECNOptionAlways:
		return m.is(optionSeen|optionBroken) && !m.is(optionOff)
	case cc.ECNOptionPersistent:
		return m.is(optionSeen | optionBroken)
	}
	return m.fresh != 0 && !m.is(optionOff|optionHushed) &&
		(m.due > 0 || m.fresh&echoCE != 0 || m.all()-m.atOption >= optionEvery)
}

func (m *accurate) all() uint32 { return m.received[0] + m.received[1] + m.received[2] }

// countersBesideText is what the option takes of a segment with text if it is due. Text
// has none when what is out was not acknowledged in time: the option may be the reason.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.2
func (c *Conn) countersBesideText() int {
	if !c.has(accurateOK) || !c.optionDue() || !c.roomBesideText() {
		return 0
	}
	return c.countersForm().Size()
}

// roomBesideText reports whether text may have the option at all: not where little more than
// the option would fit.
func (c *Conn) roomBesideText() bool { return c.rtt.backoff == 0 && c.path.mss > 2*maxCounters }

// maxCounters is the longest option, with its padding.
const maxCounters = 12

// counters is the option that a segment gets, if one is due and has room: two SACK blocks
// come first, and a third gives way. Text that came out of order, or twice, is told of first,
// and beside it text has no room for counters, which payload knows.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.3
func (c *Conn) counters(out *Output) (form wire.AccECN, ok bool) {
	o := &out.Options
	if !c.optionDue() || out.Len > 0 && (c.in.ooo != nil || !c.roomBesideText() || out.Len > int(c.path.mss)-c.countersForm().Size()) {
		return 0, false
	}
	room, n := min(int(c.path.ours), wire.MaxTCPOptions), int(o.SACKBlocks)
	room -= c.alwaysSize()
	if n > 0 {
		room -= 4 + 8*min(n, 2)
	}
	if form = c.countersForm(); form.Size() > room {
		form = c.shorterForm(room)
	}
	if form.Size() > room {
		return 0, false
	}
	o.SACKBlocks = uint8(min(n, 2+(room-form.Size())/8))
	return form, true
}

// putCounters writes the option, and notes that the peer is told.
func (m *accurate) putCounters(o *wire.Options, form wire.AccECN) {
	o.Set |= wire.OptAccECN
	o.AccECN = form
	for i := range form.Count() {
		k := form.At(i)
		o.Echo[k] = (m.received[k] + echoStart[k]) & echoMask
	}
	m.fresh, m.atOption = 0, m.all()
	m.due -= min(m.due, 1)
}

// countersForm is the option as it should be: with all counts, or with those that need to be told.
func (c *Conn) countersForm() wire.AccECN {
	if c.cfg.ECNOption.Always() {
		return wire.AccECN0 + 3
	}
	return c.ecn.form()
}

// shorterForm is the option where there is no room for that: it says what is new. Where all
// should be told it has those counts that were ever not what they were at first, and one more,
// if there is room for them.
func (c *Conn) shorterForm(room int) wire.AccECN {
	m := c.ecn.marks
	form := formOf(m.fresh)
	if !c.cfg.ECNOption.Always() {
		return form
	}
	if ever := formOf(m.ever); ever.Size() <= room {
		form = ever
	}
	if longer := form&wire.AccECN1 + 2; form.Count() == 1 && longer.Size() <= room {
		form = longer
	}
	return form
}

// form is the shortest option that says all counts that are not what they were at first;
// all of them while there are none.
func (m *accurate) form() wire.AccECN {
	if m.ever == 0 {
		return wire.AccECN0 + 3
	}
	return formOf(m.ever)
}

// formOf is the shortest option that says those counts.
func formOf(s echoSet) wire.AccECN {
	switch {
	case s == echoE1:
		return wire.AccECN1 + 1
	case s&echoE0 == 0 && s&echoE1 != 0:
		return wire.AccECN1 + 2
	case s&echoE1 != 0:
		return wire.AccECN0 + 3
	case s&echoCE != 0:
		return wire.AccECN0 + 2
	}
	return wire.AccECN0 + 1
}

// mostUnheard is how many ACKs with the option may seem not to have arrived, in about as
// many MiB.
const mostUnheard = 3

// repeatedText follows text that was acknowledged before: if our last ACK had the option
// it may be that which keeps ACKs from arriving. The answer has none, and after three
// times nothing has.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.2
func (c *Conn) repeatedText() {
	m := c.ecn.marks
	if m == nil || m.accurate == nil || !m.is(optionTold) {
		return
	}
	m.set(optionTold, false)
	m.set(optionHushed, true)
	if m.unheard++; m.unheard >= mostUnheard {
		m.set(optionOff, true)
	}
}

// acceptAnswer follows the SYN-ACK of a peer that agrees to AccECN: how it was marked is
// told before any text, in an ACK that says nothing else, and so is the option tried.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.1
func (c *Conn) acceptAnswer(now clock.Time, s *Segment) {
	m := c.ecn.marks
	m.set(untested, true)
	c.tryOption(s)
	// Ours are sent without marks. What the peer got of another kind the path has made.
	if ace := s.Flags.ACE(); wire.ACEFlags(ace) != reflection(wire.NotECT) && ace != 5 { // 5: reserved, as if unchanged
		c.changedMark()
	}
	if wire.ACEFlags(s.Flags.ACE()) == reflection(wire.CE) {
		c.yieldAtOnce(now)
	}
	m.due = 2
	c.answered(s)
	c.owes = c.owes&^owesAck | owesReflection
}

// answered notes how a SYN-ACK was marked. It counts a mark once, however often it comes.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.2
func (c *Conn) answered(s *Segment) {
	m := c.ecn.marks
	if m.synAck = s.ECN; s.ECN == wire.CE && m.receivedCE == 0 {
		m.receivedCE = 1
		c.ecn.ace = wire.ACEFlags(cepStart + 1)
	}
}

// reflectAgain answers a SYN-ACK that comes again in the same way as the first, should
// it be answered.
func (c *Conn) reflectAgain(s *Segment) {
	if !c.has(accurateOK) || c.has(passive) || c.ecn.marks == nil || !s.Flags.Has(wire.SYN|wire.ACK) || s.Seq != c.rcv.irs || c.owes&owesAck == 0 {
		return
	}
	c.answered(s)
	c.ecn.marks.set(optionHushed, true)
	c.owes = c.owes&^owesAck | owesReflection
}

// buildReflection makes an ACK that says how the SYN-ACK was marked, in place of the
// count of marks.
func (c *Conn) buildReflection(now clock.Time, out *Output) bool {
	if c.owes&owesReflection == 0 {
		return false
	}
	c.owes &^= owesReflection
	m := c.ecn.marks
	c.begin(out)
	out.Seq, out.Flags = c.emptySeq(), wire.ACK
	m.fresh |= echoAll
	c.finish(now, out)
	out.Flags = out.Flags&^wire.ACEMask | reflection(m.synAck)
	if m.due > 0 { // what follows tries the option again
		m.fresh = echoAll
	}
	return true
}
