package tcp

import "github.com/handfast-tcp/handfast/engine/wire"

// counted counts what becomes of a SYN.
func (l *Listener) counted(v outcome) outcome {
	if v.why == wire.ListenFull {
		l.Drops++
	}
	return v
}

// HalfOpenOf returns how many half-open connections are kept for l. It looks at
// every entry: it is for people who look, not for the path of packets.
func (e *Endpoint) HalfOpenOf(l *Listener) (n int) {
	for at := range e.halfOpen.all {
		if t := e.halfOpen.tuple(at); e.listener(&t) == l {
			n++
		}
	}
	return n
}

// Defence is how an endpoint meets SYN floods: the four measures, and what they
// are doing. RFC 4987 describes them.
// https://www.rfc-editor.org/rfc/rfc4987#section-3
type Defence struct {
	HalfOpen, MaxHalfOpen int        // entries of the half-open cache
	SynAckRetries         int        // SYN-ACKs repeated at most, at present
	Cookies               CookieMode // when connections are opened from cookies
	SendingCookies        bool       // SYNs are answered without keeping anything
	Attack                bool       // the attack mode is on
	Attacks               uint64     // how often it was entered
	AttackEnter           int        // entries from which on SYNs switch it on
	AttackLeave           int        // fewer than these, less up to a quarter, switch it off
}

// Defence returns the endpoint's settings and what is in force.
func (e *Endpoint) Defence() Defence {
	d := Defence{
		HalfOpen: e.halfOpen.count, MaxHalfOpen: e.halfOpen.limit,
		SynAckRetries: e.cfg.SynAckRetries, Cookies: e.cfg.Cookies, SendingCookies: e.cookiesFirst(),
		Attack: e.attack.on, Attacks: e.attack.times, AttackEnter: e.cfg.AttackEnter, AttackLeave: e.cfg.AttackLeave,
	}
	// What is in force, and not what was asked for: an operator who looks during an attack
	// wants to see what is done.
	if d.Attack {
		d.SynAckRetries = min(d.SynAckRetries, attackRetries)
	}
	return d
}
