package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// arrivedStray handles a segment that belongs to no connection: a SYN for a
// listener opens one, and an ACK may bring a cookie back.
func (e *Endpoint) arrivedStray(a *arrival) outcome {
	l, s := e.listener(a.tuple), a.segment
	e.watch(a.now)
	switch s.Flags & (wire.SYN | wire.ACK | wire.RST | wire.FIN) {
	case wire.SYN:
		if l != nil {
			return e.arrivedSyn(a, l)
		}
		e.watcher().Closed(a.tuple.Remote, a.tuple.LocalPort)
	case wire.RST, wire.RST | wire.ACK:
		e.watcher().Reset(a.flow.id(s.Seq - 1))
	// The last segment of a handshake whose entry has gone, or was never made. Text, and
	// even the FIN, may come in it when the ACK before it was lost.
	case wire.ACK, wire.ACK | wire.FIN:
		if l != nil && e.cfg.Cookies != CookiesOff {
			switch h, d := e.redeem(a, l); d {
			case wire.None:
				// A cookie that is true is as good as an entry: from here on both take
				// the same way.
				return e.arrivedHalfOpen(a, l, &h, 0)
			case wire.MissingTimestamp:
				return dropped(d)
			}
		}
	}
	c := e.fresh(a, l)
	if l != nil {
		// Only for the answer: LISTEN and CLOSED give different ones (RFC 9293
		// §3.10.7.1 and §3.10.7.2).
		c.openPassive(a.now, 0)
	}
	return c.receive(a.now, a.path, s)
}

// fresh returns a connection in CLOSED for who sent a segment to l, or to nobody.
func (e *Endpoint) fresh(a *arrival, l *Listener) *Conn {
	c := &e.scratch
	c.init(e.cfg, *a.tuple, *a.path, a.flow.tsOffset(), e.trace)
	c.ecn.mode = a.ecn
	c.use(e.accepted(l))
	return c
}

// arrivedSyn answers a SYN for a listener with a SYN-ACK whose number is a cookie:
// is there room for it, what is the answer, and in what form is it kept?
func (e *Endpoint) arrivedSyn(a *arrival, l *Listener) outcome {
	l.SYNs++
	if !e.admits(a, l) {
		return l.counted(dropped(wire.ListenFull))
	}
	// Before this SYN is answered: the one that begins an attack is treated as those after it.
	e.attack.watch(a.now, e.halfOpen.count, e.cfg)
	a.ecn = l.ecn(e.cfg)
	var y ourSyn
	beyond := e.answerTo(a, &y)
	f := noFastOpen
	if e.cfg.FastOpen&fastopen.Server != 0 {
		if f = e.fastOpens(a, l); f.opens() {
			e.openEarly(a, l, y.iss, f)
			return taken
		}
	}
	switch p := e.placeFor(a, l, beyond); p.form {
	case asCookie:
		return l.counted(e.answerByCookie(a, l, &y))
	case asEntry:
		e.keep(a, l, y.iss, p, f)
		return taken
	}
	e.stats.TCPReqQFullDrop++
	e.stats.ListenDrops++
	return l.counted(dropped(wire.ListenFull))
}

// admits is the first decision about a SYN: not when the program is behind with
// accepting, nor when there is no memory for another connection. It counts the SYN either way.
func (e *Endpoint) admits(a *arrival, l *Listener) bool {
	t := a.tuple
	switch {
	// Dropped without a RST, as Linux does: the client repeats its SYN, and by then
	// there may be room. A RST would tell it that nobody listens.
	case l.waiting >= l.Backlog:
		e.stats.ListenOverflows++
		e.stats.ListenDrops++
		l.Overflows++
		e.watcher().Refused(t.Remote, t.LocalPort)
		return false
	case !e.cfg.memory.admits():
		e.stats.ConnsRefused++
		e.stats.ListenDrops++
		e.watcher().Refused(t.Remote, t.LocalPort)
		return false
	case l.Ask:
		e.watcher().Asked(t.Remote, t.LocalPort)
	default:
		e.watcher().Syn(a.flow.id(a.segment.Seq), t.Remote, t.LocalPort)
	}
	return true
}

// answerTo is the second decision about a SYN: what it agrees to, and our first
// number. Beyond says that this is no cookie: it lies beyond the numbers of the
// connection before.
func (e *Endpoint) answerTo(a *arrival, y *ourSyn) (beyond bool) {
	e.cookies.turn(a.now)
	y.flags, y.ack = wire.SYN|wire.ACK, a.segment.Seq.Add(1)
	y.offer.hear(e.cfg, a.tuple, a.segment, a.ecn)
	said := y.offer.data()
	y.iss = e.cookies.cookie(a.flow, a.segment.Seq, y.offer.timestamps, said)
	// A cookie may lie anywhere. Where the four-tuple was used a moment ago, an old
	// segment that is still under way must not fit: the number goes past the old ones
	// then, and the entry has to be kept, because nothing else proves the handshake.
	if old := e.endings.find(a.now, a.flow, &e.cookies); old != nil {
		y.iss, beyond = old.nxt.Add(beyondOld), true
	}
	if y.offer.timestamps {
		y.stamp = cookieTimestamp(a.now.Milliseconds()+a.flow.tsOffset(), said)
	}
	return beyond
}

// synForm is how a SYN that was answered is kept.
type synForm uint8

const (
	asNothing synForm = iota // there is no room, and no answer
	asCookie                 // in the number of the SYN-ACK alone
	asEntry                  // in the half-open cache
)

// synPlace is where a SYN is kept: an entry may have to go instead.
type synPlace struct {
	form   synForm
	victim ref // 0: there is room
}

// placeFor is the third decision about a SYN. An entry that has to go for it is not
// lost: its SYN-ACK was a cookie. What waits for a verdict, and what is answered by
// a number that is no cookie, cannot do without an entry.
func (e *Endpoint) placeFor(a *arrival, l *Listener, beyond bool) synPlace {
	free := !l.Ask && !beyond
	if free && e.cookiesFirst() {
		return synPlace{form: asCookie}
	}
	switch victim, ok := e.halfOpen.room(a.flow, e.cfg.Cookies != CookiesOff); {
	case ok:
		return synPlace{asEntry, victim}
	case free && e.cfg.Cookies != CookiesOff:
		return synPlace{form: asCookie}
	}
	return synPlace{}
}

// cookiesFirst reports whether SYNs are answered without keeping anything.
func (e *Endpoint) cookiesFirst() bool {
	return e.cfg.Cookies == CookiesAlways || e.cfg.Cookies == CookiesAuto && e.attack.on
}

// keep puts a half-open connection into its place in the cache. It has done what
// any connection does with a SYN.
func (e *Endpoint) keep(a *arrival, l *Listener, iss seq.Num, p synPlace, f synFast) {
	c := e.fresh(a, l)
	c.openPassive(a.now, iss)
	c.receive(a.now, a.path, a.segment)
	if f.tells() {
		c.fast = toTell(a.segment)
	}
	h := halfOpen{}
	c.compactInto(&h)
	if l.Ask {
		h.due, h.marks = pack(a.now.Add(e.cfg.VerdictTimeout)), h.marks|markAsking
	}
	at := e.halfOpen.insert(a.flow, a.tuple, &h, p.victim)
	if p.victim != 0 {
		e.stats.TCPReqQFullDoCookies++
		e.cookies.needed(a.now)
	}
	if l.Ask {
		e.halfOpen.schedule(at)
		e.ask(Syn{Listener: l, Tuple: *a.tuple, ISN: h.irs}, e.halfOpen.at(at))
	} else {
		e.oweHalfOpen(a.tuple, a.flow, e.halfOpen.at(at))
	}
}

// redeem makes a half-open connection of the cookie that an ACK brings back, or
// says why it does not.
func (e *Endpoint) redeem(a *arrival, l *Listener) (h halfOpen, d wire.Drop) {
	// Where none can be under way it is not looked for: ACKs out of nowhere cost no hash then.
	if !e.cookies.believed(a.now) {
		return h, wire.NoSocket
	}
	e.cookies.turn(a.now)
	s := a.segment
	iss, irs := s.Ack-1, s.Seq-1
	o := offer{timestamps: s.Options.Has(wire.OptTimestamps) && !e.cfg.NoTimestamps, version: version(a.tuple.Local)}
	if d = e.cookies.check(a.flow, iss, irs, &o, s.Options.TSEcr, l.ecn(e.cfg)); d != wire.None {
		e.stats.SyncookiesFailed++
		e.watcher().CookieFailed()
		return h, d
	}
	if e.endings.find(a.now, a.flow, &e.cookies) != nil {
		return h, wire.NoSocket // no SYN-ACK of this four-tuple was a cookie since
	}
	e.stats.SyncookiesRecv++
	return o.halfOpen(iss, irs, s, *a.path), wire.None
}

// arrivedHalfOpen handles a segment for a connection in SYN-RECEIVED: an entry of
// the cache, or, when at is 0, out of a cookie.
func (e *Endpoint) arrivedHalfOpen(a *arrival, l *Listener, h *halfOpen, at ref) outcome {
	s := a.segment
	// The listener was closed meanwhile, and its half-open connections with it: for
	// whom this is now, a stray's rules say.
	if l == nil {
		e.halfOpen.remove(a.flow, at)
		return e.arrivedStray(a)
	}
	e.watchHalfOpen(a, h)
	if h.is(markAsking) {
		return e.arrivedAsking(a, h, at)
	}
	if l.waiting >= l.Backlog && !s.Flags.Has(wire.RST) {
		e.stats.ListenOverflows++
		l.Overflows++
		return dropped(wire.ListenFull) // the SYN-ACK will be repeated, and so will the ACK
	}
	if !e.cfg.memory.admits() && !s.Flags.Has(wire.RST) {
		e.stats.ConnsRefused++
		return dropped(wire.NoMemory) // and so here
	}
	// From here on it is a connection like any other, with the same checks in the same order.
	c := e.expand(a.now, a.tuple, a.flow, h, *a.path, l.options)
	c.ecn.mode = l.ecn(e.cfg)
	if !c.answersSynAck(s) {
		return dropped(wire.MissingTimestamp)
	}
	if at != 0 && l.defers(h, s) {
		h.mark(markAcked, true)
		e.stats.TCPDeferAcceptDrop++
		return dropped(wire.AcceptDeferred)
	}
	v := c.receive(a.now, a.path, s)
	switch {
	case c.state > SynReceived || c.state == Closed && c.owes != 0:
		e.watcher().Completed(a.flow.id(c.rcv.irs), c.tuple.Remote)
		e.promote(a, l, c, at)
	case at == 0:
	case c.state == SynReceived:
		e.halfOpen.update(at, c)
		e.oweHalfOpen(a.tuple, a.flow, h)
	default:
		e.halfOpen.remove(a.flow, at)
		e.watcher().Reset(a.flow.id(s.Seq - 1))
	}
	return v
}

// arrivedAsking handles a segment for a connection that waits for its verdict:
// only a RST means anything. The client has heard nothing yet: a SYN of it is a
// repetition, and an ACK can acknowledge no number of ours.
func (e *Endpoint) arrivedAsking(a *arrival, h *halfOpen, at ref) outcome {
	if a.segment.Flags.Has(wire.RST) && a.segment.Seq == h.irs.Add(1) {
		e.halfOpen.remove(a.flow, at)
		return taken
	}
	return dropped(wire.Duplicate)
}

// expand makes a whole connection of a half-open one, in the endpoint's scratch
// memory: it is valid until the next expansion. The path may only have become narrower
// since the SYN-ACK told our MSS.
func (e *Endpoint) expand(now clock.Time, t *wire.Tuple, f flow, h *halfOpen, path Path, o *settings) *Conn {
	c := &e.scratch
	path.MTU, path.Link = min(path.MTU, int(h.link)), h.link
	c.init(e.cfg, *t, path, f.tsOffset(), e.trace)
	c.use(o)
	c.expandHalfOpen(now, h)
	return c
}

// expandAt is expand for an entry of the cache that no segment has come for.
func (e *Endpoint) expandAt(now clock.Time, t *wire.Tuple, f flow, h *halfOpen) *Conn {
	return e.expand(now, t, f, h, Path{MTU: int(h.link)}, e.optionsOf(t))
}

// promote makes a whole entry of a connection whose handshake is complete.
func (e *Endpoint) promote(a *arrival, l *Listener, c *Conn, at ref) {
	var owner any
	// What the program has made ready goes with the entry, so it is taken before that.
	if at != 0 {
		if c.state.Synchronized() {
			owner = e.halfOpen.takePrepared(at)
		}
		e.halfOpen.remove(a.flow, at)
	} else if c.has(stamping) && e.cookies.shared && c.ts.value(a.now)-a.segment.Options.TSEcr > cookieLife {
		// Another host made the SYN-ACK, whose clock is another. Our timestamps go on from
		// its last. Where they would be a little later anyway they stay, since the SYN-ACK
		// that came need not be the last.
		c.ts.offset = a.segment.Options.TSEcr + 1 - a.now.Milliseconds()
	}
	en := &Entry{Conn: *c, Owner: owner, armed: clock.Never}
	*c = Conn{} // the next expansion must not share buffers with en
	e.trace.enrollAccepted(a, &en.Conn)
	e.conns.insert(en)
	e.stats.PassiveOpens++
	l.Completed++
	e.enlist(a.now, en)
	e.update(a.now, en)
	if en.state.Synchronized() {
		e.offerAccept(a.now, en, l)
	}
}

// advanceHalfOpen repeats SYN-ACKs, and forgets those who never answer, or who
// wait for a verdict that does not come.
func (e *Endpoint) advanceHalfOpen(now clock.Time) {
	for at := e.halfOpen.expired(now); at != 0; at = e.halfOpen.expired(now) {
		h, t := e.halfOpen.at(at), e.halfOpen.tuple(at)
		f := e.cookies.flow(&t)
		if h.is(markAsking) {
			e.halfOpen.remove(f, at)
			continue
		}
		c := e.expandAt(now, &t, f, h)
		// Repeating costs an attacked host as much as answering: whoever does not answer
		// the second SYN-ACK is given up, and a client that is merely slow comes back with
		// its cookie.
		if e.attack.on && h.retries >= attackRetries {
			c.backToListen(now, CauseTimeout)
		} else {
			c.Advance(now)
		}
		if h.is(markAcked) {
			c.keepQuiet(now, e.listener(&t))
		}
		if c.state != SynReceived {
			e.halfOpen.remove(f, at)
			continue
		}
		e.halfOpen.update(at, c)
		e.oweHalfOpen(&t, f, h)
	}
	e.attack.watch(now, e.halfOpen.count, e.cfg)
}
