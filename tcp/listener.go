package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/wire"
)

// Listener is a port that is listened on.
type Listener struct {
	Local   wire.Addr // zero: every address; 0.0.0.0: every IPv4 address
	Port    uint16    // 0: every port that nobody else listens on
	Backlog int       // connections that wait to be accepted, at most
	Owner   any
	// Ask makes every SYN wait for Decide before it is answered.
	Ask bool

	accept  ring[*Entry]
	waiting int // in accept
}

// Waiting returns how many connections wait to be accepted.
func (l *Listener) Waiting() int { return l.waiting }

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
// address of the family, then every address; last who listens on every port.
func (e *Endpoint) listener(t *wire.Tuple) *Listener {
	for _, port := range [2]uint16{t.LocalPort, 0} {
		if l := e.listeners[listenKey{t.Local, port}]; l != nil {
			return l
		}
		if t.Local.Is4() {
			if l := e.listeners[listenKey{anyIPv4, port}]; l != nil {
				return l
			}
		}
		if l := e.listeners[listenKey{port: port}]; l != nil {
			return l
		}
	}
	return nil
}

// CloseListener stops listening: half-open connections are forgotten, and
// those that nobody accepted are reset.
func (e *Endpoint) CloseListener(now clock.Time, l *Listener) {
	k := &e.halfOpen
	for at, tag := range k.tags {
		if tag != 0 && e.listener(&k.slots[at].tuple) == l {
			k.remove(at)
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
	en, ok := l.accept.pop()
	if !ok {
		return nil
	}
	l.waiting--
	return en
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
