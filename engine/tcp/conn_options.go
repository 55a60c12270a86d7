package tcp

import (
	"cmp"
	"math"

	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/clock"
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

	fixedSend bool // the program has set its send buffer

	auth auth.Session // signs and verifies the connection's segments; nil: nobody does
}

// Limits of what a program may set, as in Linux.
const (
	MinMaxSegment = 88    // bytes, of SetMaxSegment: TCP_MIN_MSS
	MaxMaxSegment = 32767 // bytes: MAX_TCP_WINDOW
)

// initialSettings are those of connections and listeners for which nothing is set.
func initialSettings(cfg *Config) settings {
	s := settings{service: wire.MakeService(0, 0)}
	s.setLowat(cfg.NotSentLowat)
	return s
}

// setLowat takes the number of bytes; 0: any. As in Linux a program goes on when less than
// half of them wait: it would come for each segment otherwise.
func (s *settings) setLowat(bytes int) {
	s.lowat, s.half = math.MaxInt32, math.MaxInt32
	if bytes > 0 && bytes < math.MaxInt32 {
		s.lowat, s.half = int32(bytes), int32(bytes+1)/2
	}
}

// maxShared is how many settings an endpoint remembers to share them: few programs have
// more kinds of connections.
const maxShared = 4

// share returns settings that equal s, the same for all who ask for the same.
func (e *Endpoint) share(s settings) *settings {
	if s.auth != nil {
		return &s // no other has the same
	}
	for _, known := range e.shared {
		if known != nil && *known == s {
			return known
		}
	}
	copy(e.shared[1:], e.shared[:])
	e.shared[0] = &s
	return &s
}

// setOption changes the settings of en.
func (e *Endpoint) setOption(now clock.Time, en *Entry, change func(*settings)) {
	s := *en.options
	change(&s)
	en.use(e.share(s))
	e.update(now, en)
}

// use makes s what is set for c. What each segment needs of it is copied to where that is
// looked for.
func (c *Conn) use(s *settings) {
	if c.options != nil && c.options.auth != nil && s.auth == nil {
		own := *s
		own.auth = c.options.auth
		s = &own
	}
	c.options, c.ecn.service = s, s.service
	c.set(lowWater, s.lowat < math.MaxInt32)
}

// setOption changes the settings of the connections that l accepts from now on. Those of l
// before are others', perhaps.
func (l *Listener) setOption(change func(*settings)) {
	s := *l.options
	change(&s)
	l.options = &s
}

// SetTOS sets the DiffServ field of what en sends (RFC 9293, MUST-48), as IP_TOS and
// IPV6_TCLASS do in Linux. Its lower two bits belong to ECN, and are not taken from tos.
// A RST that no connection sends has the field of the segment that it answers.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.9.2-3
func (e *Endpoint) SetTOS(now clock.Time, en *Entry, tos uint8) {
	e.setOption(now, en, func(s *settings) { s.service = wire.MakeService(tos, s.service.TTL()) })
}

// SetTOS is Endpoint.SetTOS for all connections of l, from the SYN-ACK on.
func (l *Listener) SetTOS(tos uint8) {
	l.setOption(func(s *settings) { s.service = wire.MakeService(tos, s.service.TTL()) })
}

// SetTTL sets the TTL or hop limit of what en sends (RFC 9293, MUST-49), as IP_TTL and
// IPV6_UNICAST_HOPS do in Linux; 0 is wire.DefaultTTL.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.9.2-4
func (e *Endpoint) SetTTL(now clock.Time, en *Entry, ttl uint8) {
	e.setOption(now, en, func(s *settings) { s.service = wire.MakeService(s.service.TOS(), ttl) })
}

// SetTTL is Endpoint.SetTTL for all connections of l, from the SYN-ACK on.
func (l *Listener) SetTTL(ttl uint8) {
	l.setOption(func(s *settings) { s.service = wire.MakeService(s.service.TOS(), ttl) })
}

// SetMaxSegment bounds what our MSS option says, and how large segments we send, as
// TCP_MAXSEG does in Linux: bytes is at least MinMaxSegment and at most MaxMaxSegment, or
// what is nearest; 0: as the path has it. It is for en that Connect has just made: once
// the SYNs are exchanged it changes nothing.
func (e *Endpoint) SetMaxSegment(now clock.Time, en *Entry, bytes int) {
	if en.state != SynSent {
		return
	}
	e.setOption(now, en, func(s *settings) { s.mss = maxSegment(bytes) })
	en.updateMSS()
}

// SetMaxSegment is Endpoint.SetMaxSegment for all connections of l.
func (l *Listener) SetMaxSegment(bytes int) {
	l.setOption(func(s *settings) { s.mss = maxSegment(bytes) })
}

func maxSegment(bytes int) uint16 {
	if bytes == 0 {
		return 0
	}
	return uint16(min(max(bytes, MinMaxSegment), MaxMaxSegment))
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
	e.setOption(now, en, func(s *settings) { s.syn = uint8(min(max(n, 0), MaxSynRetries)) })
}

// SetSynRetries sets how often the SYN-ACKs of l are repeated, at most MaxSynAckRetries;
// 0: Config.SynAckRetries.
func (l *Listener) SetSynRetries(n int) {
	l.setOption(func(s *settings) { s.syn = uint8(min(max(n, 0), MaxSynAckRetries)) })
}

// SetNotSentLowat sets how many bytes may wait to be sent for the first time before a
// program has to, as TCP_NOTSENT_LOWAT does in Linux: when so many wait SendSpace has
// none, and Writable comes when it is less than half of them. 0: Config.NotSentLowat.
func (e *Endpoint) SetNotSentLowat(now clock.Time, en *Entry, bytes int) {
	e.setOption(now, en, func(s *settings) { s.setLowat(cmp.Or(bytes, e.cfg.NotSentLowat)) })
}

// SetNotSentLowat is Endpoint.SetNotSentLowat for all connections of l.
func (l *Listener) SetNotSentLowat(bytes int) {
	l.setOption(func(s *settings) { s.setLowat(cmp.Or(bytes, l.cfg.NotSentLowat)) })
}
