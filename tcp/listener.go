package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// Listener is a port that is listened on.
type Listener struct {
	Local   wire.Addr // zero: every address; 0.0.0.0: every IPv4 address
	Port    uint16
	Backlog int // connections that wait to be accepted, at most
	Owner   any

	accept  ring[*Entry]
	waiting int // in accept, or about to be
}

type listenKey struct {
	addr wire.Addr
	port uint16
}

var anyIPv4 = wire.Addr{10: 0xff, 11: 0xff}

// Listen listens on a port: passive OPEN of RFC 9293 §3.10.1. Up to backlog
// connections wait for Accept. It fails with ErrInUse.
func (e *Endpoint) Listen(local wire.Addr, port uint16, backlog int, owner any) (*Listener, error) {
	key := listenKey{local, port}
	if e.listeners[key] != nil {
		return nil, ErrInUse
	}
	l := &Listener{Local: local, Port: port, Backlog: max(backlog, 1), Owner: owner}
	e.listeners[key] = l
	return l, nil
}

// listener finds who listens for t: the exact address first, then every
// address of the family, then every address.
func (e *Endpoint) listener(t wire.Tuple) *Listener {
	if l := e.listeners[listenKey{t.Local, t.LocalPort}]; l != nil {
		return l
	}
	if t.Local.Is4() {
		if l := e.listeners[listenKey{anyIPv4, t.LocalPort}]; l != nil {
			return l
		}
	}
	return e.listeners[listenKey{port: t.LocalPort}]
}

// CloseListener stops listening: half-open connections are forgotten, and
// those that nobody accepted are reset.
func (e *Endpoint) CloseListener(now clock.Time, l *Listener) {
	for t := range e.halfOpen.entries {
		if e.listener(t) == l {
			delete(e.halfOpen.entries, t)
		}
	}
	if e.listeners[listenKey{l.Local, l.Port}] == l {
		delete(e.listeners, listenKey{l.Local, l.Port})
	}
	for en := e.Accept(l); en != nil; en = e.Accept(l) {
		e.Abort(now, en)
	}
}

// Accept returns the next connection of l whose handshake is complete, or nil.
// The caller sets its Owner.
func (e *Endpoint) Accept(l *Listener) *Entry {
	for {
		en, ok := l.accept.pop()
		if !ok {
			return nil
		}
		l.waiting--
		return en
	}
}

// offerAccept puts a connection whose handshake is complete in its listener's
// queue.
func (e *Endpoint) offerAccept(en *Entry) {
	l := en.listener
	en.listener = nil
	l.accept.push(en)
	l.waiting++
	e.ready.push(readyItem{l.Owner, Acceptable})
}

// arrivedSyn meets a segment that belongs to no connection: a SYN for a
// listener opens one.
func (e *Endpoint) arrivedSyn(now clock.Time, path Path, t wire.Tuple, s *Segment, beyond seq.Num) Verdict {
	l := e.listener(t)
	c := &e.scratch
	c.init(e.cfg, t, path, e.key.timestampOffset(t), e.trace)
	if l == nil {
		return c.Receive(now, path, s)
	}
	if s.Flags&(wire.SYN|wire.ACK|wire.RST) == wire.SYN {
		if full := e.refuses(l); full {
			return drop(wire.ListenFull)
		}
	}
	c.openPassive(now, e.newISN(now, t, beyond))
	v := c.Receive(now, path, s)
	if c.state == SynReceived {
		e.keepHalfOpen(c)
	}
	return v
}

// refuses reports whether a SYN finds no room: accept queue or half-open queue
// is full.
func (e *Endpoint) refuses(l *Listener) bool {
	switch {
	case l.waiting >= l.Backlog:
		e.stats.ListenOverflows++
	case len(e.halfOpen.entries) >= e.cfg.MaxHalfOpen:
		e.stats.TCPReqQFullDrop++
	default:
		return false
	}
	return true
}

// keepHalfOpen stores c, which is in SYN-RECEIVED, and has it send what it owes.
func (e *Endpoint) keepHalfOpen(c *Conn) {
	h := c.compactHalfOpen()
	e.halfOpen.put(c.tuple, h)
	if h.resend || h.owes != 0 {
		e.compact.push(c.tuple)
	}
}

// arrivedHalfOpen meets a segment for a connection in SYN-RECEIVED.
func (e *Endpoint) arrivedHalfOpen(now clock.Time, path Path, t wire.Tuple, h *halfOpen, s *Segment) Verdict {
	l := e.listener(t)
	if l == nil {
		delete(e.halfOpen.entries, t)
		return e.arrivedSyn(now, path, t, s, 0)
	}
	if l.waiting >= l.Backlog && !s.Flags.Has(wire.RST) {
		e.stats.ListenOverflows++
		return drop(wire.ListenFull) // the SYN-ACK will be repeated, and so will the ACK
	}
	c := e.expand(now, t, h, path)
	v := c.Receive(now, path, s)
	switch {
	case c.state == SynReceived:
		e.keepHalfOpen(c)
	case c.state < SynReceived:
		delete(e.halfOpen.entries, t)
		e.halfOpen.due.prune(len(e.halfOpen.entries), e.halfOpen.counts)
	default:
		e.promote(now, l, c)
	}
	return v
}

func (e *Endpoint) expand(now clock.Time, t wire.Tuple, h *halfOpen, path Path) *Conn {
	c := &e.scratch
	path.MTU = min(path.MTU, int(h.mtu))
	c.init(e.cfg, t, path, e.key.timestampOffset(t), e.trace)
	c.expandHalfOpen(now, h)
	return c
}

// promote makes a whole entry of a connection whose handshake is complete.
func (e *Endpoint) promote(now clock.Time, l *Listener, c *Conn) {
	delete(e.halfOpen.entries, c.tuple)
	en := &Entry{Conn: *c, listener: l, armed: clock.Never}
	*c = Conn{}
	e.conns[en.tuple] = en
	e.stats.PassiveOpens++
	e.update(now, en)
}

// advanceHalfOpen repeats SYN-ACKs, and forgets those who never answer.
func (e *Endpoint) advanceHalfOpen(now clock.Time) {
	for t, h, ok := e.halfOpen.expired(now); ok; t, h, ok = e.halfOpen.expired(now) {
		c := e.expand(now, t, &h, Path{MTU: int(h.mtu)})
		c.Advance(now)
		if c.state != SynReceived {
			delete(e.halfOpen.entries, t)
			continue
		}
		e.keepHalfOpen(c)
	}
}

// outputCompact fills out with what the next compact connection owes.
func (e *Endpoint) outputCompact(now clock.Time, out *Output) bool {
	t, _ := e.compact.pop()
	if h, ok := e.halfOpen.entries[t]; ok {
		c := e.expand(now, t, &h, Path{MTU: int(h.mtu)})
		sent := c.NextSegment(now, out)
		h := c.compactHalfOpen()
		e.halfOpen.put(t, h)
		return sent
	}
	if w, ok := e.timeWait.entries[t]; ok {
		c := e.expandWaiting(now, t, &w)
		sent := c.NextSegment(now, out)
		e.timeWait.put(t, c.compactTimeWait())
		return sent
	}
	return false
}
