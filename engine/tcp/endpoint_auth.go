package tcp

import (
	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// The TCP Authentication Option, RFC 5925, as far as connections and handshakes are
// concerned. Keys and MACs are another package's, which a program without them does not
// link: see package auth. The host has what is signed, a whole header, so it signs what leaves, and
// asks here before a segment is believed.

// signWith has c sign its segments; a nil session changes nothing. Few connections have
// one, so it lies with what is seldom set, which is not shared then.
func (c *Conn) signWith(a auth.Session) {
	if a != nil {
		own := *c.options
		own.auth = a
		c.options = &own
	}
}

// authSessions is what an endpoint knows of the stray that is verified now.
type authSessions struct {
	verified auth.Session
	of       wire.Tuple
}

// session returns what authenticates a connection: what has verified its peer's last
// segment, which knows the key that the peer wants to be answered with, or a new one.
func (c *Config) session(t *wire.Tuple) auth.Session {
	if c.Authenticator == nil { // so that hosts without keys do not even make the call
		return nil
	}
	return c.knownSession(t)
}

func (c *Config) knownSession(t *wire.Tuple) auth.Session {
	if c.auth.verified != nil && c.auth.of == *t {
		return c.auth.verified
	}
	return c.newSession(t)
}

func (c *Config) newSession(t *wire.Tuple) auth.Session {
	if c.Authenticator == nil {
		return nil
	}
	return c.Authenticator.Session(*t)
}

// Authenticate says whether a segment that arrived for t may be believed. It comes right
// before Receive for the same segment, on a host with an Authenticator.
//
// A connection that began without a key goes on without one. Those that are not whole yet
// have nothing but their numbers: an ACK that brings back a cookie says them itself.
// https://www.rfc-editor.org/rfc/rfc5925#section-7.5
func (e *Endpoint) Authenticate(t *wire.Tuple, m *auth.Message) wire.Drop {
	e.cfg.auth.verified = nil
	en := e.conns.find(t)
	if en != nil && (en.state == SynSent || !m.Flags.Has(wire.SYN)) {
		a := en.options.auth
		if a == nil {
			return wire.None
		}
		irs := en.rcv.irs
		if en.state == SynSent {
			irs = m.Seq
		}
		a.Numbers(en.snd.iss, irs)
		return e.judged(a.Verify(m))
	}
	s := e.cfg.newSession(t)
	if s == nil {
		return wire.None
	}
	iss, irs := m.Ack-1, m.Seq-1
	if m.Flags.Has(wire.SYN) {
		irs = m.Seq
	} else if at := e.halfOpen.find(e.cookies.flow(t), t); at != 0 {
		h := e.halfOpen.at(at)
		iss, irs = h.iss, h.irs
	}
	s.Numbers(iss, irs)
	d := e.judged(s.Verify(m))
	if d == wire.None {
		e.cfg.auth = authSessions{verified: s, of: *t}
	}
	return d
}

// judged counts a verdict under Linux's names.
func (e *Endpoint) judged(d wire.Drop) wire.Drop {
	switch n := &e.stats; d {
	case wire.None:
		n.TCPAOGood++
	case wire.NoAuth:
		n.TCPAORequired++
	case wire.UnknownAuthKey:
		n.TCPAOKeyNotFound++
	default:
		n.TCPAOBad++
	}
	return d
}

// authenticate has the host sign a segment.
func (c *Conn) authenticate(a auth.Session, out *Output) {
	a.Numbers(c.snd.iss, c.rcv.irs)
	a.Mark(&out.Options)
	out.Auth = a
}

// signs reports whether the segments of t are signed.
func (c *Config) signs(t *wire.Tuple) bool { return c.session(t) != nil }

// mark prepares a reply for being signed by s. Of a stateless SYN-ACK, and of the
// RST for a SYN, the numbers say what is to be known.
func (r *statelessReply) mark(s auth.Session) {
	s.Mark(&r.header.Options)
	r.signer = uint8(s.Signer())
}

// sign has the host sign a reply.
func (e *Endpoint) sign(r *statelessReply, out *Output) {
	s := e.cfg.newSession(&r.tuple)
	if s == nil {
		return
	}
	s.Numbers(r.header.Seq, r.header.Ack-1)
	s.Use(int(r.signer))
	out.Auth = s
}

// SetAuthenticator replaces the keys. Connections that have one go on with those that are
// for them now, or keep what they have when there is none; what began without goes on without.
func (e *Endpoint) SetAuthenticator(a auth.Authenticator) {
	e.cfg.Authenticator, e.cfg.auth.verified = a, nil
	for en := range e.All {
		if s := en.options.auth; s != nil && a != nil {
			s.Rekey(a)
		}
	}
}
