package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// arrivedStray meets a segment that belongs to no connection: a SYN for a
// listener opens one, and an ACK may bring a cookie back.
func (e *Endpoint) arrivedStray(now clock.Time, path Path, t *wire.Tuple, f flow, s *Segment, beyond seq.Num) Verdict {
	l := e.listener(t)
	e.watch(now)
	switch s.Flags & (wire.SYN | wire.ACK | wire.RST | wire.FIN) {
	case wire.SYN:
		if l != nil {
			return e.arrivedSyn(now, path, t, f, s, l, beyond)
		}
		e.detector.Closed(t.Remote, t.LocalPort)
	case wire.RST, wire.RST | wire.ACK:
		e.detector.Reset(f.id(s.Seq - 1))
	case wire.ACK, wire.ACK | wire.FIN:
		if l != nil && e.cfg.Cookies != CookiesOff {
			if h, ok := e.redeem(now, path, t, f, s); ok {
				return e.arrivedHalfOpen(now, path, t, f, &h, 0, s)
			}
		}
	}
	c := &e.scratch
	c.init(e.cfg, *t, path, f.tsOffset, e.trace)
	if l != nil {
		c.openPassive(now, 0)
	}
	return c.Receive(now, path, s)
}

// arrivedSyn answers a SYN for a listener: with a SYN-ACK whose number is a
// cookie, and with an entry in the half-open cache if there is to be one.
func (e *Endpoint) arrivedSyn(now clock.Time, path Path, t *wire.Tuple, f flow, s *Segment, l *Listener, beyond seq.Num) Verdict {
	l.stats.SYNs++
	if l.waiting >= l.Backlog {
		e.stats.ListenOverflows++
		e.stats.ListenDrops++
		l.stats.Overflows++
		e.detector.Refused(t.Remote, t.LocalPort)
		return l.counted(drop(wire.ListenFull))
	}
	e.watchSyn(f, t, s, l)
	e.attack.watch(now, e.halfOpen.count, e.cfg)
	e.cookies.turn(now)
	o := offerOf(e.cfg, t, s)
	iss := e.cookies.cookie(f, s.Seq, o)
	reused := beyond != 0 && iss.LessEq(beyond)
	switch {
	case reused:
		iss = beyond.Add(1 << 17) // beyond the previous connection's numbers: RFC 9293 §3.4.2
	case !l.Ask && e.cookiesFirst():
		return l.counted(e.answerByCookie(now, path, f, t, s, o, iss))
	}
	c := &e.scratch
	c.init(e.cfg, *t, path, f.tsOffset, e.trace)
	c.openPassive(now, iss)
	told := e.trace.len()
	if v := c.Receive(now, path, s); c.state != SynReceived {
		return v
	}
	h := halfOpen{}
	c.compactInto(&h)
	if l.Ask {
		h.due, h.marks = pack(now.Add(e.cfg.VerdictTimeout)), h.marks|markAsking
	}
	if e.keep(now, t, f, &h, l) {
		return used
	}
	e.trace.rewind(told)
	if l.Ask || reused || e.cfg.Cookies == CookiesOff {
		e.stats.TCPReqQFullDrop++
		e.stats.ListenDrops++
		return l.counted(drop(wire.ListenFull))
	}
	return l.counted(e.answerByCookie(now, path, f, t, s, o, iss))
}

// cookiesFirst reports whether SYNs are answered without keeping anything.
func (e *Endpoint) cookiesFirst() bool {
	return e.cfg.Cookies == CookiesAlways || e.cfg.Cookies == CookiesAuto && e.attack.on
}

// keep puts a half-open connection into the cache, and reports false when there
// is no room. The entry that may have to go instead is not lost: its SYN-ACK
// was a cookie.
func (e *Endpoint) keep(now clock.Time, t *wire.Tuple, f flow, h *halfOpen, l *Listener) bool {
	at, evicted := e.halfOpen.insert(f, t, h, e.cfg.Cookies != CookiesOff)
	if at == 0 {
		return false
	}
	if evicted {
		e.stats.TCPReqQFullDoCookies++
		e.cookies.needed(now)
	}
	if h.is(markAsking) {
		e.halfOpen.schedule(at)
		e.asked.push(Syn{Listener: l, Tuple: *t, ISN: h.irs})
	} else {
		e.owe(t, f, e.halfOpen.at(at))
	}
	return true
}

// owing is a connection in compact form that owes a segment.
type owing struct {
	tuple wire.Tuple
	flow
}

// owe has an entry send what it owes.
func (e *Endpoint) owe(t *wire.Tuple, f flow, h *halfOpen) {
	if h.is(markQueued) || !h.is(markResend) && h.owes == 0 {
		return
	}
	h.marks |= markQueued
	e.compact.push(owing{*t, f})
}

// redeem makes a half-open connection of the cookie that an ACK brings back.
func (e *Endpoint) redeem(now clock.Time, path Path, t *wire.Tuple, f flow, s *Segment) (h halfOpen, ok bool) {
	if !e.cookies.believed(now) {
		return h, false
	}
	e.cookies.turn(now)
	timestamps := s.Options.Has(wire.OptTimestamps) && !e.cfg.NoTimestamps
	iss, irs := s.Ack-1, s.Seq-1
	o, ok := e.cookies.check(f, iss, irs, timestamps, s.Options.TSEcr)
	if !ok {
		e.stats.SyncookiesFailed++
		e.detector.CookieFailed()
		return h, false
	}
	e.stats.SyncookiesRecv++
	return o.halfOpen(iss, irs, s, path), true
}

// arrivedHalfOpen meets a segment for a connection in SYN-RECEIVED: an entry of
// the cache, or, when at is 0, out of a cookie.
func (e *Endpoint) arrivedHalfOpen(now clock.Time, path Path, t *wire.Tuple, f flow, h *halfOpen, at ref, s *Segment) Verdict {
	l := e.listener(t)
	if l == nil {
		e.halfOpen.remove(f, at)
		return e.arrivedStray(now, path, t, f, s, 0)
	}
	e.watchHalfOpen(now, t, f, h, s)
	if h.is(markAsking) {
		return e.arrivedAsking(f, h, at, s)
	}
	if l.waiting >= l.Backlog && !s.Flags.Has(wire.RST) {
		e.stats.ListenOverflows++
		l.stats.Overflows++
		return drop(wire.ListenFull) // the SYN-ACK will be repeated, and so will the ACK
	}
	c := e.expand(now, t, f, h, path)
	v := c.Receive(now, path, s)
	switch {
	case c.state > SynReceived || c.state == Closed && c.owes != 0:
		e.detector.Completed(f.id(c.rcv.irs), c.tuple.Remote)
		e.promote(now, l, c, f, at, s)
	case at == 0:
	case c.state == SynReceived:
		e.halfOpen.update(at, c)
		e.owe(t, f, h)
	default:
		e.halfOpen.remove(f, at)
		e.detector.Reset(f.id(s.Seq - 1))
	}
	return v
}

// arrivedAsking meets a segment for a connection that waits for its verdict:
// only a RST means anything.
func (e *Endpoint) arrivedAsking(f flow, h *halfOpen, at ref, s *Segment) Verdict {
	if s.Flags.Has(wire.RST) && s.Seq == h.irs.Add(1) {
		e.halfOpen.remove(f, at)
		return used
	}
	return drop(wire.Duplicate)
}

func (e *Endpoint) expand(now clock.Time, t *wire.Tuple, f flow, h *halfOpen, path Path) *Conn {
	c := &e.scratch
	path.MTU = min(path.MTU, int(h.mtu))
	c.init(e.cfg, *t, path, f.tsOffset, e.trace)
	c.expandHalfOpen(now, h)
	return c
}

// promote makes a whole entry of a connection whose handshake is complete.
func (e *Endpoint) promote(now clock.Time, l *Listener, c *Conn, f flow, at ref, s *Segment) {
	if at != 0 {
		e.halfOpen.remove(f, at)
	} else if c.ts.on && e.cookies.shared {
		// Another host made the SYN-ACK. Our timestamps go on from its last.
		c.ts.offset = s.Options.TSEcr + 1 - now.Milliseconds()
	}
	en := &Entry{Conn: *c, listener: l, armed: clock.Never}
	*c = Conn{}
	e.insert(en)
	e.stats.PassiveOpens++
	l.stats.Completed++
	e.update(now, en)
}

// advanceHalfOpen repeats SYN-ACKs, and forgets those who never answer, or who
// wait for a verdict that does not come.
func (e *Endpoint) advanceHalfOpen(now clock.Time) {
	for at := e.halfOpen.expired(now); at != 0; at = e.halfOpen.expired(now) {
		h, t := e.halfOpen.at(at), e.halfOpen.tuple(at)
		f := e.cookies.flow(&t)
		if h.is(markAsking) || e.attack.on && h.retries >= attackRetries {
			e.halfOpen.remove(f, at)
			continue
		}
		c := e.expand(now, &t, f, h, Path{MTU: int(h.mtu)})
		c.Advance(now)
		if c.state != SynReceived {
			e.halfOpen.remove(f, at)
			continue
		}
		e.halfOpen.update(at, c)
		e.owe(&t, f, h)
	}
	e.attack.watch(now, e.halfOpen.count, e.cfg)
}

// outputCompact fills out with what the next compact connection owes.
func (e *Endpoint) outputCompact(now clock.Time, out *Output) bool {
	o, _ := e.compact.pop()
	t, f := &o.tuple, o.flow
	if at := e.halfOpen.find(f, t); at != 0 {
		h := e.halfOpen.at(at)
		if !h.is(markQueued) {
			return false // who was to send has gone, and this is another
		}
		h.marks &^= markQueued
		c := e.expand(now, t, f, h, Path{MTU: int(h.mtu)})
		sent := c.NextSegment(now, out)
		e.halfOpen.update(at, c)
		e.owe(t, f, h)
		return sent
	}
	if w := e.timeWait.find(f, t); w != 0 {
		c := e.expandWaiting(now, t, f, w)
		sent := c.NextSegment(now, out)
		e.putTimeWait(f, c)
		return sent
	}
	return false
}
