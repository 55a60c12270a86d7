package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// offer is what a SYN said, as far as a cookie remembers: what both sides may
// use from then on.
type offer struct {
	mss        uint16
	options    uint32 // six bits
	timestamps bool
	version    uint8 // of IP: 0 is IPv4, 1 is IPv6
}

// offerOf reads what a SYN offers and we take.
func offerOf(cfg *Config, t *wire.Tuple, s *Segment) offer {
	o := offer{mss: defaultMSS(t.Local), options: noScaling, version: version(t.Local)}
	if s.Options.Has(wire.OptMSS) {
		o.mss = s.Options.MSS
	}
	// RFC 7323 §2.2: scaling is in force when both SYNs carry the option.
	if s.Options.Has(wire.OptWindowScale) && !cfg.NoWindowScale {
		o.options = uint32(min(s.Options.WindowScale, 14))
	}
	if s.Options.Has(wire.OptSACKPermitted) && !cfg.NoSACK {
		o.options |= sackBit
	}
	o.timestamps = s.Options.Has(wire.OptTimestamps) && !cfg.NoTimestamps
	return o
}

// version numbers the versions of IP.
func version(a wire.Addr) uint8 {
	if a.Is4() {
		return 0
	}
	return 1
}

// agree puts what was offered into c.
func (c *Conn) agree(o offer) {
	c.snd.peer = o.mss
	c.ts.on = o.timestamps
	c.set(sackOK, o.options&sackBit != 0)
	shift := o.options & shiftBits
	c.set(scaling, shift != noScaling)
	if shift == noScaling {
		c.rcv.shift = 0
	} else {
		c.snd.shift = uint8(shift)
	}
}

// offered is what agree put into c.
func (c *Conn) offered() offer {
	o := offer{mss: c.snd.peer, options: noScaling, timestamps: c.ts.on, version: version(c.tuple.Local)}
	if c.is(scaling) {
		o.options = uint32(c.snd.shift)
	}
	if c.is(sackOK) {
		o.options |= sackBit
	}
	return o
}

// answer fills in a SYN's window and options, in answer to o: those of RFC 7323
// and RFC 2018 only if the other SYN has them.
func (o offer) answer(h *wire.TCP, cfg *Config, mss uint16) {
	h.Window = uint16(min(cfg.ReceiveBuffer, 0xffff)) // never scaled in a SYN
	h.Options.Set, h.Options.MSS = wire.OptMSS, mss
	if o.options&shiftBits != noScaling {
		h.Options.Set |= wire.OptWindowScale
		h.Options.WindowScale = shiftFor(cfg)
	}
	if o.options&sackBit != 0 {
		h.Options.Set |= wire.OptSACKPermitted
	}
	if o.timestamps {
		h.Options.Set |= wire.OptTimestamps
	}
}

// answersSynAck reports whether s, if it acknowledges the SYN-ACK that c has sent,
// has the timestamp that a cookie needs: RFC 7323 §3.2 lets a segment without one
// be dropped, and an entry of the cache must not know better than a cookie.
// https://www.rfc-editor.org/rfc/rfc7323#section-3.2
func (c *Conn) answersSynAck(s *Segment) bool {
	if !c.ts.on || s.Flags&(wire.ACK|wire.SYN|wire.RST) != wire.ACK || s.Ack != c.snd.iss.Add(1) {
		return true
	}
	o := c.offered()
	return s.Options.Has(wire.OptTimestamps) && s.Options.TSEcr&longMask == o.data()
}

// answerByCookie sends the SYN-ACK, and nothing is kept.
func (e *Endpoint) answerByCookie(a *arrival, o offer, iss seq.Num) Verdict {
	r := e.replies.extend()
	if r == nil {
		e.stats.ListenDrops++
		return drop(wire.ListenFull)
	}
	t, s := a.tuple, a.segment
	r.tuple = *t
	h := &r.header
	h.SrcPort, h.DstPort, h.Seq, h.Ack, h.Flags = t.LocalPort, t.RemotePort, iss, s.Seq.Add(1), wire.SYN|wire.ACK
	h.Checksum, h.Urgent, h.Options.SACKBlocks = 0, 0, 0 // answer sets the rest
	o.answer(h, e.cfg, mssOf(a.path.MTU, t.Local))
	if o.timestamps {
		h.Options.TSVal = cookieTimestamp(a.now.Milliseconds()+a.flow.tsOffset(), &o)
		h.Options.TSEcr = s.Options.TSVal
	}
	e.cookies.needed(a.now)
	e.stats.SyncookiesSent++
	if e.trace != nil {
		e.traceCookie(a.now, s, r)
	}
	return used
}

// traceCookie tells what a connection would have told.
func (e *Endpoint) traceCookie(now clock.Time, s *Segment, r *statelessReply) {
	ev := Event{Time: now, Kind: SegmentReceived, Tuple: r.tuple, State: SynReceived, From: Listen, Segment: s.TCP,
		Len: s.Len, ISS: uint32(r.header.Seq), IRS: uint32(s.Seq)}
	e.trace.add(ev)
	ev.Kind, ev.Cause, ev.Segment, ev.Len = StateChanged, CauseSyn, wire.TCP{}, 0
	e.trace.add(ev)
	ev.Kind, ev.Cause, ev.From = SegmentSent, CauseNone, SynReceived
	ev.Segment = r.header
	e.trace.add(ev)
}
