package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// ecnDefault is the mode where none is set. DCTCP without marks is only NewReno.
func ecnDefault(cfg *Config) cc.ECNMode {
	if cc.WantsMarks(cfg.CongestionControl) {
		return cc.ECNOn
	}
	return cc.ECNPassive
}

// ecn returns the mode of those who connect to l.
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
		en.ecn.mode = min(m, cc.ECNOn)
	}
}

// synFlags are what ECN adds to our SYN. A path that drops such SYNs must not keep us
// from connecting: the first that is sent again is a plain one. An answer to the first
// may still agree.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.1.1
func (c *Conn) synFlags() wire.Flags {
	if c.ecn.mode >= cc.ECNOn && c.rtt.backoff == 0 {
		return wire.ECE | wire.CWR
	}
	return 0
}

// asksForECN reports whether a SYN is an ECN-setup SYN. One that is marked itself was
// not sent so: who changes the field on the way would change it later too.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.1
func asksForECN(s *Segment) bool {
	return s.Flags.Has(wire.ECE|wire.CWR) && s.ECN == wire.NotECT
}

// learnECN takes from a SYN-ACK whether its sender agrees to what we asked for. One that
// has CWR too only sends back what it gets.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.1
func (c *Conn) learnECN(s *Segment) {
	c.settle(ecnOK, c.ecn.mode >= cc.ECNOn && s.Flags&(wire.ECE|wire.CWR) == wire.ECE)
}

// ecnFlags are what a SYN-ACK says of ECN.
func (o *offer) ecnFlags() wire.Flags {
	if o.options&kindBits >= withECN {
		return wire.ECE
	}
	return 0
}
