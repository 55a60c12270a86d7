package tcp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Listener is a port that is listened on.
type Listener struct {
	Local   wire.Addr // zero: every address; 0.0.0.0: every IPv4 address
	Port    uint16    // 0: every port without another listener
	Backlog int       // connections that wait to be accepted, at most
	Owner   any
	// Ask makes every SYN wait for AcceptSyn, ResetSyn or IgnoreSyn.
	Ask bool
	// IPv6Only keeps a listener on every address to IPv6.
	IPv6Only bool
	// CongestionControl is the name of what its connections begin with, one of
	// cc.Names(); empty: Config.CongestionControl.
	CongestionControl string
	// ECN says whether its connections use ECN; cc.ECNDefault: Config.ECN.
	ECN cc.ECNMode

	// FastOpen is how many connections may be open by a SYN with text, or a cookie, before
	// the ACK of their SYN-ACK, those that a RST has ended for a minute too: TCP_FASTOPEN. 0:
	// none, or as many as Backlog where Config.FastOpen has fastopen.EveryListener.
	FastOpen int

	// DeferAccept is for how long a connection whose client has only completed the handshake
	// is not there: it is when it brings text, or when that time is over and the client
	// answers once more. TCP_DEFER_ACCEPT. It is rounded up to when a SYN-ACK would be
	// repeated (1, 3, 7 … seconds), and not longer than these are. 0: as soon as the handshake
	// is complete.
	DeferAccept time.Duration

	cfg     *Config
	options *settings // of its connections

	// What it was asked for so far.
	SYNs      uint64 // that came for it; one that is repeated while its entry is kept counts once
	Completed uint64 // handshakes
	Overflows uint64 // SYNs and last ACKs that found the accept queue full
	Drops     uint64 // SYNs that were dropped, for any reason

	// The addresses listened on, as two masked words.
	hi, lo         uint64
	maskHi, maskLo uint64

	accept  ring[*Entry]
	waiting int  // in accept; at most Backlog
	news    bool // NextReady must tell

	early  int              // see FastOpen
	resets ring[clock.Time] // when a RST ended one of them
}

// Waiting returns how many connections wait to be accepted.
func (l *Listener) Waiting() int { return l.waiting }

// listenerTable finds listeners by their port: a tree with four bits of it in each
// level, so that a SYN costs four loads and no hash, and the first listener 640 bytes.
// Those of one port are in order, the narrowest first: one address, a prefix, all of
// IPv4, all.
type (
	listenerTable struct {
		books     [16]*listenerBook
		everyPort []*Listener // their port is 0
	}
	listenerBook  [16]*listenerSheet
	listenerSheet [16]*listenerPage
	listenerPage  [16][]*Listener
)

func (t *listenerTable) at(port uint16) []*Listener {
	if book := t.books[port>>12]; book != nil {
		if sheet := book[port>>8&15]; sheet != nil {
			if page := sheet[port>>4&15]; page != nil {
				return page[port&15]
			}
		}
	}
	return nil
}

// place returns where the listeners of a port are kept.
func (t *listenerTable) place(port uint16) *[]*Listener {
	if port == 0 {
		return &t.everyPort
	}
	page := made(&made(&made(&t.books[port>>12])[port>>8&15])[port>>4&15])
	return &page[port&15]
}

// made returns what p points at, and makes it first where there is nothing.
func made[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// list returns every listener.
func (t *listenerTable) list() (all []*Listener) {
	all = slices.Clone(t.everyPort)
	for port := range 1 << 16 {
		all = append(all, t.at(uint16(port))...)
	}
	return all
}

// add keeps the order in which bestListener takes the first that fits.
func (t *listenerTable) add(l *Listener) {
	all := t.place(l.Port)
	at := 0
	// Masks of prefixes compare as numbers: a longer one has more of the high bits.
	for at < len(*all) && (*all)[at].narrower(l) {
		at++
	}
	*all = append(*all, l)
	copy((*all)[at+1:], (*all)[at:])
	(*all)[at] = l
}

// narrower reports whether l listens on fewer addresses than o: it comes first.
func (l *Listener) narrower(o *Listener) bool {
	return l.maskHi > o.maskHi || l.maskHi == o.maskHi && l.maskLo > o.maskLo
}

func (t *listenerTable) remove(l *Listener) {
	all := t.place(l.Port)
	*all = slices.DeleteFunc(*all, func(o *Listener) bool { return o == l })
}

var anyIPv4 = wire.AddrFrom4(0)

// Listen listens on a port: passive OPEN of RFC 9293 §3.10.1. It changes nothing for
// connections that there are (MUST-41), and listeners of one port may stand beside each
// other while their addresses differ (MUST-42). Up to backlog
// connections wait for Accept. It fails with ErrInUse.
func (e *Endpoint) Listen(local wire.Addr, port uint16, backlog int, owner any) (*Listener, error) {
	l := &Listener{Local: local, Port: port, Backlog: max(backlog, 1), Owner: owner, maskHi: ^uint64(0), maskLo: ^uint64(0)}
	switch local {
	case anyIPv4:
		l.maskLo <<= 32
	case wire.Addr{}:
		l.maskHi, l.maskLo = 0, 0
	}
	return e.listen(l)
}

// Forward listens on every port that nobody else listens on, of every address of a
// prefix; the zero prefix has all addresses. Of several the longest prefix counts.
// Otherwise it is as Listen.
func (e *Endpoint) Forward(p netip.Prefix, backlog int, owner any) (*Listener, error) {
	if !p.IsValid() {
		return e.Listen(wire.Addr{}, 0, backlog, owner)
	}
	local := wire.AddrFrom(p.Masked().Addr())
	l := &Listener{Local: local, Backlog: max(backlog, 1), Owner: owner, IPv6Only: !local.Is4()}
	_, l.maskHi, l.maskLo = wire.PrefixMask(p)
	return e.listen(l)
}

// listen adds l unless another listener has the very same addresses. One that has
// more, or fewer, may exist beside it: the narrower is asked first.
func (e *Endpoint) listen(l *Listener) (*Listener, error) {
	for _, o := range *e.listeners.place(l.Port) {
		if l.Local == o.Local && l.maskHi == o.maskHi && l.maskLo == o.maskLo {
			return nil, ErrInUse
		}
	}
	l.cfg, l.options = e.cfg, e.cfg.initial
	l.hi, l.lo = l.Local.Words()
	e.listeners.add(l)
	return l, nil
}

// listener finds t's listener: on its port, or else on every port.
func (e *Endpoint) listener(t *wire.Tuple) *Listener {
	if l := bestListener(e.listeners.at(t.LocalPort), t.Local); l != nil {
		return l
	}
	return bestListener(e.listeners.everyPort, t.Local)
}

// optionsOf returns what is set for a connection that is kept in compact form: its listener
// has it.
func (e *Endpoint) optionsOf(t *wire.Tuple) *settings { return e.accepted(e.listener(t)) }

// accepted returns what is set for the connections of l. Without one there is no connection
// for which anything could be set, or not any more.
func (e *Endpoint) accepted(l *Listener) *settings {
	if l != nil {
		return l.options
	}
	return e.cfg.initial
}

// bestListener returns the listener on the very address, or else on every
// address of its family, or else on every address.
func bestListener(all []*Listener, a wire.Addr) *Listener {
	hi, lo := a.Words()
	for _, l := range all {
		if hi&l.maskHi == l.hi && lo&l.maskLo == l.lo && !(l.IPv6Only && a.Is4()) {
			return l
		}
	}
	return nil
}

// CloseListener stops listening: half-open connections are forgotten, and
// those not yet accepted are reset.
func (e *Endpoint) CloseListener(now clock.Time, l *Listener) {
	for at := range e.halfOpen.all {
		if t := e.halfOpen.tuple(at); e.listener(&t) == l {
			e.halfOpen.remove(e.cookies.flow(&t), at)
		}
	}
	e.listeners.remove(l)
	for en := e.Accept(l); en != nil; en = e.Accept(l) {
		if en.Owner != nil {
			e.halfOpen.prepared.lost.push(en.Owner)
		}
		e.Abort(now, en)
	}
}

// CloseListeners closes all listeners: for an endpoint that ends.
func (e *Endpoint) CloseListeners(now clock.Time) {
	for _, l := range e.listeners.list() {
		e.CloseListener(now, l)
	}
}

// Accept returns the next connection of l whose handshake is complete, or which a SYN has
// opened (FastOpen), or nil.
// The caller sets its Owner, which is what AcceptSynWith was given so far.
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
func (e *Endpoint) offerAccept(now clock.Time, en *Entry, l *Listener) {
	if l.CongestionControl != "" && en.cc != nil {
		en.control(now, l.CongestionControl)
	}
	l.accept.push(en)
	l.waiting++
	if !l.news {
		l.news = true
		e.ready.push(readyItem{listener: l})
	}
}
