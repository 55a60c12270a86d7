package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// ecnDefault is the mode where none is set. DCTCP without marks is only NewReno.
func ecnDefault(cfg *Config) cc.ECNMode {
	if cc.WantsMarks(cfg.CongestionControl) {
		return cc.ECNOn
	}
	return cc.ECNPassive
}

// ecn returns the mode of connections to l.
func (l *Listener) ecn(cfg *Config) cc.ECNMode {
	switch {
	case l.ECN != cc.ECNDefault:
		return l.ECN
	case cc.WantsMarks(l.CongestionControl):
		return max(cfg.ECN, cc.ECNPassive)
	}
	return cfg.ECN
}

// SetECN says whether the SYN of en, which Connect has just made, asks for ECN.
// cc.ECNDefault leaves it as Config.ECN has it.
func (e *Endpoint) SetECN(en *Entry, m cc.ECNMode) {
	if m != cc.ECNDefault {
		en.ecn.mode = min(m, cc.ECNAccurate)
	}
}

// synFlags are what ECN adds to our SYN. A path that drops such SYNs must not keep us
// from connecting: the first that is sent again is a plain one, or of AccECN, of which
// more are lost by chance than by a path, the second. An answer to the first may still
// agree.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.1.1
// https://www.rfc-editor.org/rfc/rfc9768#section-3.1.4.1
func (c *Conn) synFlags() wire.Flags {
	switch m, keep := c.ecn.mode, c.cfg.NoECNFallback; {
	case m.AsksAccurate() && (c.rtt.backoff <= 1 || keep):
		return wire.AE | wire.CWR | wire.ECE
	case m.Asks() && !m.AsksAccurate() && (c.rtt.backoff == 0 || keep):
		return wire.CWR | wire.ECE
	}
	return 0
}

// What the three flags of a SYN say, as a number: RFC 9768 §3.1.1, table 2. All others
// ask for AccECN, as a later one may (§3.1.3), and so they all do with what follows.
const (
	aceNone    = 0
	aceClassic = 3 // ECE and CWR
)

// asksFor returns what a SYN asks for, of what m takes, as a kind of offer. An ECN-setup
// SYN that is marked itself was not sent so: who changes the field on the way would
// change it later too. With AccECN its sender hears of that.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.1
// https://www.rfc-editor.org/rfc/rfc9768#section-3.1.1
func asksFor(s *Segment, m cc.ECNMode) uint8 {
	switch ace := s.Flags.ACE(); {
	case m.TakesAccurate() && ace != aceNone && ace != aceClassic:
		return withAccECN
	case m.Takes() && s.Flags.Has(wire.ECE|wire.CWR) && s.ECN == wire.NotECT:
		return withECN
	}
	return withSACK
}

// learnECN takes from a SYN-ACK whether its sender agrees to what we asked for. One that
// has CWR too only sends back what it gets; of AccECN one that has all three.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.1
// https://www.rfc-editor.org/rfc/rfc9768#section-3.1.2
func (c *Conn) learnECN(s *Segment) {
	ace, classic := s.Flags.ACE(), s.Flags&(wire.ECE|wire.CWR) == wire.ECE
	if !c.ecn.mode.AsksAccurate() {
		c.settle(ecnOK, c.ecn.mode.Asks() && classic)
		return
	}
	c.settle(accurateOK, ace > 1 && ace < 7)
	c.settle(ecnOK, ace > 0 && ace < 7)
}

// ecnFlags are what a SYN-ACK says of ECN.
func (o *offer) ecnFlags() wire.Flags {
	switch o.options & kindBits {
	case withECN:
		return wire.ECE
	case withAccECN:
		return reflection(o.synMark)
	}
	return 0
}

// reflection says in the three flags how a SYN or SYN-ACK was marked when it came:
// RFC 9768 §3.1.1, tables 2 and 3.
func reflection(e wire.ECN) wire.Flags {
	return wire.ACEFlags([...]uint8{wire.NotECT: 2, wire.ECT1: 3, wire.ECT0: 4, wire.CE: 6}[e])
}

// plainness is how much of AccECN our SYN-ACK leaves out, should the path drop what has
// it: the option when it is sent again, and the flags too when that was not answered.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.2
func (c *Conn) plainness(again bool) uint8 {
	switch {
	case !again && c.options.auth == nil:
		return 0
	case !again:
		return 1 // there is no room beside a signature
	case c.live.retries < 2:
		return 1
	}
	return 2
}

// synStillAgrees takes note of a SYN that is sent again, and reports false when it asks
// for another kind of ECN than the first: who does that cannot know what is agreed on.
// A plain one may mean that our answers do not arrive, and we may not know what its
// sender will take for agreed: our text must not be marked then.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.1.5
func (c *Conn) synStillAgrees(s *Segment) bool {
	ace := s.Flags.ACE()
	if !c.has(accurateOK) {
		return !c.has(ecnOK) || ace == aceNone || ace == aceClassic || !c.ecn.mode.TakesAccurate()
	}
	c.noteSynMark(s.ECN)
	if ace == aceNone {
		c.set(unmarkable, true)
	}
	return ace != aceClassic
}

// noteSynMark remembers the field ECN of the latest SYN or SYN-ACK.
func (c *Conn) noteSynMark(e wire.ECN) {
	c.snd.agreed = c.snd.agreed&^(3<<synMark) | agreed(e)<<synMark
}

func (a agreed) synMark() wire.ECN { return wire.ECN(a >> synMark) }

// refuseSyn ends a connection whose SYN contradicts an earlier one.
func (c *Conn) refuseSyn(now clock.Time) outcome {
	if c.halfOpen() {
		c.backToListen(now, CauseSyn)
	} else {
		c.closed(now, Reset, CauseSyn)
	}
	return refused(wire.BadFlags)
}
