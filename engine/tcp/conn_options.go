package tcp

import (
	"cmp"
	"math"

	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// settings are what programs seldom set, each for a connection or for those of a listener:
// so they lie beside the connections, and all with the same ones share them. Nobody writes
// into them; who sets one gets others.
type settings struct {
	alive   KeepAlive // zero: off
	service wire.Service
	mss     uint16 // of our option and of what we send; 0: as the path has it
	syn     uint8  // how often a SYN or SYN-ACK is repeated; 0: as Config has it
	lowat   int32  // so much may wait to be sent for the first time before a program has to
	half    int32  // and with less a program that waits goes on

	fastOpen *fastopen.Keys // of a listener that has its own; nil: as Config has them

	fixedSend bool // the program has set its send buffer

	auth    auth.Session // signs and verifies the connection's segments; nil: nobody does
	records *records     // of the connection alone: see endRecord
}

// Limits of what a program may set, as in Linux.
const (
	MinMaxSegment = 88    // bytes, of SetMaxSegment: TCP_MIN_MSS
	MaxMaxSegment = 32767 // bytes: MAX_TCP_WINDOW
)

// initialSettings are those of connections and listeners for which nothing is set.
func initialSettings(cfg *Config) settings {
	return settings{service: wire.MakeService(0, 0)}.withLowat(cfg.NotSentLowat)
}

// Each of these returns s with one of its fields other than before.

func (s settings) withKeepAlive(k KeepAlive) settings {
	s.alive = k.bounded()
	return s
}

func (s settings) withTOS(tos uint8) settings {
	s.service = wire.MakeService(tos, s.service.TTL())
	return s
}

func (s settings) withTTL(ttl uint8) settings {
	s.service = wire.MakeService(s.service.TOS(), ttl)
	return s
}

func (s settings) withMSS(bytes int) settings {
	s.mss = 0
	if bytes != 0 {
		s.mss = uint16(min(max(bytes, MinMaxSegment), MaxMaxSegment))
	}
	return s
}

func (s settings) withSynRetries(n, most int) settings {
	s.syn = uint8(min(max(n, 0), most))
	return s
}

// withLowat takes the number of bytes; 0: any. As in Linux a program goes on when less than
// half of them wait: it would come for each segment otherwise.
func (s settings) withLowat(bytes int) settings {
	s.lowat, s.half = math.MaxInt32, math.MaxInt32
	if bytes > 0 && bytes < math.MaxInt32 {
		s.lowat, s.half = int32(bytes), int32(bytes+1)/2
	}
	return s
}

func (s settings) withFixedSend() settings {
	s.fixedSend = true
	return s
}

// maxShared is how many settings an endpoint remembers to share them: few programs have
// more kinds of connections.
const maxShared = 4

// share returns settings that equal s, the same for all who ask for the same.
func (e *Endpoint) share(s *settings) *settings {
	if s.auth != nil || s.records != nil {
		only := *s // no other has the same
		return &only
	}
	for _, known := range e.shared {
		if known != nil && *known == *s {
			return known
		}
	}
	fresh := *s
	copy(e.shared[1:], e.shared[:])
	e.shared[0] = &fresh
	return &fresh
}

// change gives en other settings.
func (e *Endpoint) change(now clock.Time, en *Entry, s settings) {
	en.use(e.share(&s))
	e.update(now, en)
}

// use makes s what is set for c. What each segment needs of it is copied to where that is
// looked for.
func (c *Conn) use(s *settings) {
	if o := c.options; o != nil && (o.auth != nil && s.auth == nil || o.records != nil && s.records == nil) {
		own := *s
		own.auth, own.records = cmp.Or(s.auth, o.auth), cmp.Or(s.records, o.records)
		s = &own
	}
	c.options, c.ecn.service = s, s.service
	c.set(lowWater, s.lowat < math.MaxInt32)
}

// change gives the connections that l accepts from now on other settings. Those of l before
// are others', perhaps.
func (l *Listener) change(s settings) { l.options = &s }

// SetTOS sets the DiffServ field of what en sends (RFC 9293, MUST-48), as IP_TOS and
// IPV6_TCLASS do in Linux. Its lower two bits belong to ECN, and are not taken from tos.
// A RST that no connection sends has the field of the segment that it answers.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.9.2-3
func (e *Endpoint) SetTOS(now clock.Time, en *Entry, tos uint8) {
	e.change(now, en, en.options.withTOS(tos))
}

// SetTOS is Endpoint.SetTOS for all connections of l, from the SYN-ACK on.
func (l *Listener) SetTOS(tos uint8) {
	l.change(l.options.withTOS(tos))
}

// SetTTL sets the TTL or hop limit of what en sends (RFC 9293, MUST-49), as IP_TTL and
// IPV6_UNICAST_HOPS do in Linux; 0 is wire.DefaultTTL.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.9.2-4
func (e *Endpoint) SetTTL(now clock.Time, en *Entry, ttl uint8) {
	e.change(now, en, en.options.withTTL(ttl))
}

// SetTTL is Endpoint.SetTTL for all connections of l, from the SYN-ACK on.
func (l *Listener) SetTTL(ttl uint8) {
	l.change(l.options.withTTL(ttl))
}

// SetMaxSegment bounds what our MSS option says, and how large segments we send, as
// TCP_MAXSEG does in Linux: bytes is at least MinMaxSegment and at most MaxMaxSegment, or
// what is nearest; 0: as the path has it. It is for en that Connect has just made: once
// the SYNs are exchanged it changes nothing.
func (e *Endpoint) SetMaxSegment(now clock.Time, en *Entry, bytes int) {
	if en.state != SynSent {
		return
	}
	e.change(now, en, en.options.withMSS(bytes))
	en.updateMSS()
}

// SetMaxSegment is Endpoint.SetMaxSegment for all connections of l.
func (l *Listener) SetMaxSegment(bytes int) {
	l.change(l.options.withMSS(bytes))
}

// full is how much text a packet of mtu bytes carries, no more than is set: mssOf.
func (s *settings) full(mtu, headers int) uint16 {
	n := mssOf(mtu, headers)
	if s.mss != 0 {
		n = min(n, s.mss)
	}
	return n
}

// SetSynRetries sets how often the SYN of en is repeated, at most MaxSynRetries, as
// TCP_SYNCNT does in Linux; 0: Config.SynRetries.
func (e *Endpoint) SetSynRetries(now clock.Time, en *Entry, n int) {
	e.change(now, en, en.options.withSynRetries(n, MaxSynRetries))
}

// SetSynRetries sets how often the SYN-ACKs of l are repeated, at most MaxSynAckRetries;
// 0: Config.SynAckRetries.
func (l *Listener) SetSynRetries(n int) {
	l.change(l.options.withSynRetries(n, MaxSynAckRetries))
}

// SetNotSentLowat sets how many bytes may wait to be sent for the first time before a
// program has to, as TCP_NOTSENT_LOWAT does in Linux: when so many wait SendSpace has
// none, and Writable comes when it is less than half of them. 0: Config.NotSentLowat.
func (e *Endpoint) SetNotSentLowat(now clock.Time, en *Entry, bytes int) {
	e.change(now, en, en.options.withLowat(cmp.Or(bytes, e.cfg.NotSentLowat)))
}

// SetNotSentLowat is Endpoint.SetNotSentLowat for all connections of l.
func (l *Listener) SetNotSentLowat(bytes int) {
	l.change(l.options.withLowat(cmp.Or(bytes, l.cfg.NotSentLowat)))
}
