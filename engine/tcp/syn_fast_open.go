package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// TCP Fast Open, RFC 7413, of a listener. A SYN that brings our cookie makes a whole
// connection at once: its text is taken, and the program may answer it, before the peer
// has shown that it hears us. The cookie is what shows that it did so once.
//
// What others may do with that is bounded by what a listener has room for
// (Listener.FastOpen): connections that wait for the ACK of their SYN-ACK, and, for a
// minute, those of them that a RST has ended, because a RST is what the victim of a stolen
// cookie answers. Beyond it, under attack, where cookies of SYNs are all that is kept, where
// the program is asked about each SYN, and where a SYN may be an old one, it is answered as
// if it had no such option and no text: the client sends that again.
// https://www.rfc-editor.org/rfc/rfc7413#section-5

// fastOpenPeriod is for how many epochs of cookies one key makes those of Fast Open, about
// nine hours. One of the period before is taken too, and replaced.
const fastOpenPeriod = 512

// resetCounts is how long a connection that a RST has ended counts as one that waits.
// https://www.rfc-editor.org/rfc/rfc7413#section-5.1
const resetCounts = time.Minute

// fastOpens is what Fast Open needs of all connections of an endpoint.
type fastOpens struct {
	keys   fastopen.Keys // of this period and of the one before, or those of Config
	period uint32
	made   bool
	news   []fastopen.News
}

// turn ensures that the keys are those of the present period. They follow from the secret,
// or from the base that hosts share, which then take each other's cookies. Those that Config
// has stay.
func (f *fastOpens) turn(k *cookies, fixed *fastopen.Keys) {
	p := k.epoch / fastOpenPeriod
	if fixed[0].IsSet() {
		f.keys, f.made = *fixed, false
		return
	}
	if f.made && p == f.period {
		return
	}
	f.period, f.made = p, true
	from := k.secret
	if k.shared {
		from = k.base
	}
	for i := range f.keys {
		f.keys[i] = fastopen.KeyOf(from.For("fast open", uint64(p-uint32(i))))
	}
}

// of returns the keys for connections with those settings: a listener may have its own.
func (f *fastOpens) of(s *settings) *fastopen.Keys {
	if s.fastOpen != nil {
		return s.fastOpen
	}
	return &f.keys
}

// SetFastOpenKeys has l make and take cookies of Fast Open by keys of its own, TCP_FASTOPEN_KEY
// of Linux, from the next SYN on. Without a first key it has those of Config again.
func (l *Listener) SetFastOpenKeys(k fastopen.Keys) {
	s := *l.options
	if s.fastOpen = nil; k[0].IsSet() {
		s.fastOpen = &k
	}
	l.change(s)
}

// synFast is what Fast Open makes of a SYN.
type synFast uint8

const (
	noFastOpen    synFast = iota // it counts as one without the option
	tellsOnly                    // the SYN-ACK says the cookie
	opensEarly                   // a whole connection
	opensAndTells                // both: the cookie was the last period's
)

func (f synFast) opens() bool { return f >= opensEarly }
func (f synFast) tells() bool { return f == tellsOnly || f == opensAndTells }

// fastOpens judges a SYN for l, in the order of Linux's tcp_try_fastopen, whose counters
// these are.
func (e *Endpoint) fastOpens(a *arrival, l *Listener) synFast {
	s, n := a.segment, &e.stats
	has := s.Options.Has(wire.OptFastOpen)
	if has && s.Options.FastOpen().Len() == 0 {
		n.TCPFastOpenCookieReqd++
	}
	if !has && s.Len == 0 || l.Ask || e.cfg.signs(a.tuple) || e.cookiesFirst() || e.comesAgain(a) || !e.fastOpenRoom(a.now, l) {
		return noFastOpen
	}
	e.cfg.fastOpens.turn(&e.cookies, &e.cfg.FastOpenKeys)
	switch {
	case e.cfg.FastOpen&fastopen.ServerNoCookie != 0:
		return opensEarly
	case !has:
		return noFastOpen
	case s.Options.FastOpen().Len() == 0:
		return tellsOnly
	}
	keys := e.cfg.fastOpens.of(l.options)
	for i := range keys {
		if keys[i].IsSet() && keys[i].Cookie(a.tuple.Remote, a.tuple.Local) == s.Options.FastOpen() {
			return opensEarly + synFast(i)
		}
	}
	n.TCPFastOpenPassiveFail++
	return tellsOnly
}

// fastOpenRoom reports whether another connection may wait for the ACK of its SYN-ACK
// while the program has it already.
func (e *Endpoint) fastOpenRoom(now clock.Time, l *Listener) bool {
	most := l.FastOpen
	if most == 0 && e.cfg.FastOpen&fastopen.EveryListener != 0 {
		most = l.Backlog
	}
	if most <= 0 || e.cfg.memory.full() {
		return false
	}
	for l.resets.len() > 0 && now.Sub(*l.resets.front()) >= resetCounts {
		l.resets.drop()
	}
	if l.early+l.resets.len() < most {
		return true
	}
	e.stats.TCPFastOpenListenOverflow++
	return false
}

// openEarly makes a whole connection of a SYN.
func (e *Endpoint) openEarly(a *arrival, l *Listener, iss seq.Num, f synFast) {
	en := &Entry{armed: clock.Never}
	en.init(e.cfg, *a.tuple, *a.path, a.flow.tsOffset(), e.trace)
	en.ecn.mode = a.ecn
	en.use(l.options)
	en.fast = &fastOpen{listener: l, open: true, early: true, tell: f.tells(), old: a.segment.Options.FastOpenExperiment()}
	e.trace.enroll(a.now, &en.Conn)
	en.openPassive(a.now, iss)
	en.Conn.receive(a.now, a.path, a.segment)
	e.conns.insert(en)
	e.stats.PassiveOpens++
	e.stats.TCPFastOpenPassive++
	if f.tells() {
		e.stats.TCPFastOpenPassiveAltKey++
	}
	l.early++
	e.enlist(a.now, en)
	e.update(a.now, en)
	e.offerAccept(a.now, en, l)
}

// followEarly follows a change of a connection that a SYN has opened: its listener
// remembers it until the handshake is complete.
func (e *Endpoint) followEarly(en *Entry) {
	if en.fast.early {
		return
	}
	l := en.fast.listener
	en.fast.listener = nil
	l.early--
	l.Completed++
	e.watcher().Completed(e.cookies.flow(&en.tuple).id(en.rcv.irs), en.tuple.Remote)
}

// endEarly is for a connection whose handshake was never completed.
func (e *Endpoint) endEarly(now clock.Time, en *Entry) {
	l := en.fast.listener
	en.fast.listener = nil
	l.early--
	if en.failure == Reset {
		l.resets.push(now)
		e.watcher().Reset(e.cookies.flow(&en.tuple).id(en.rcv.irs))
	}
}
