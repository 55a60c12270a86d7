package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// offer is what a SYN said, as far as a cookie remembers: what both sides may
// use from then on.
type offer struct {
	mss        uint16
	options    uint8 // six bits
	timestamps bool
	version    uint8    // of IP: 0 is IPv4, 1 is IPv6
	synMark    wire.ECN // the field of that name of the SYN; a cookie does without
}

// hear makes o what a SYN offers and we take.
func (o *offer) hear(cfg *Config, t *wire.Tuple, s *Segment, m cc.ECNMode) {
	o.mss, o.options, o.version = s.Options.MSS, noScaling, version(t.Local)
	if !s.Options.Has(wire.OptMSS) {
		o.mss = defaultMSS(t.Local)
	}
	// RFC 7323 §2.2: scaling is in force when both SYNs carry the option.
	if s.Options.Has(wire.OptWindowScale) && !cfg.NoWindowScale {
		o.options = min(s.Options.WindowScale, wire.MaxWindowScale)
	}
	// A cookie has two bits for SACK, ECN and AccECN, each of which includes the one before.
	// Whoever knows ECN knows SACK.
	if s.Options.Has(wire.OptSACKPermitted) && !cfg.NoSACK {
		kind := uint8(withSACK)
		if !s.Flags.Has(wire.ACK) {
			kind = asksFor(s, m)
		}
		o.options |= kind
	}
	o.synMark = s.ECN
	o.timestamps = s.Options.Has(wire.OptTimestamps) && !cfg.NoTimestamps
}

// version numbers the versions of IP.
func version(a wire.Addr) uint8 {
	if a.Is4() {
		return 0
	}
	return 1
}

// agree puts what was offered into c. A cookie remembers no more than an offer, so
// whatever else a SYN says must not matter after the handshake, or a connection would
// behave differently for having been evicted.
func (c *Conn) agree(o *offer) {
	c.snd.peer = o.mss
	c.settle(stamping, o.timestamps)
	c.settle(sackOK, o.options&kindBits >= withSACK)
	c.settle(ecnOK, o.options&kindBits >= withECN)
	c.settle(accurateOK, o.options&kindBits == withAccECN)
	c.noteSynMark(o.synMark)
	shift := o.options & shiftBits
	c.settle(scaling, shift != noScaling)
	// RFC 7323 §2.2: without the peer's option our own windows are unscaled too.
	if shift == noScaling {
		c.rcv.shift = 0
	} else {
		c.snd.shift = shift
	}
}

// offered is what agree put into c.
func (c *Conn) offered() offer {
	o := offer{mss: c.snd.peer, options: noScaling, timestamps: c.has(stamping), version: version(c.tuple.Local), synMark: c.snd.agreed.synMark()}
	if c.has(scaling) {
		o.options = c.snd.shift
	}
	switch {
	case c.has(accurateOK):
		o.options |= withAccECN
	case c.has(ecnOK):
		o.options |= withECN
	case c.has(sackOK):
		o.options |= withSACK
	}
	return o
}

// ourSyn is what a SYN of ours says, with or without an ACK: all that its header
// is made of.
type ourSyn struct {
	iss, ack seq.Num
	flags    wire.Flags           // SYN, or SYN and ACK
	mss      uint16               // of our option
	offer    offer                // what the peer's SYN said; in a SYN without an ACK, all that we can do
	stamp    uint32               // our timestamp: in a passive open it says what the peer's SYN said
	echo     uint32               // the peer's
	plain    uint8                // see plainness
	fast     *wire.FastOpenCookie // nil: no Fast Open option
	old      bool                 // it has the kind of the experiment
}

// write makes the header of t. It is the only writer of SYNs: for a connection, for
// a compact entry, and for a stateless SYN-ACK. So an MSS option is in every SYN (MUST-14)
// and in nothing else (MUST-65). It adds the options of RFC 7323 and
// RFC 2018 only if the other SYN has them. It sets every field of h that it needs,
// so h may hold an old header.
func (y *ourSyn) write(h *wire.TCP, t *wire.Tuple, cfg *Config) {
	h.SrcPort, h.DstPort, h.Seq, h.Ack, h.Flags = t.LocalPort, t.RemotePort, y.iss, y.ack, y.flags|y.offer.ecnFlags()
	accurate := y.offer.options&kindBits == withAccECN
	if accurate && y.plain > 1 {
		h.Flags &^= wire.ACEMask
	}
	h.Window = uint16(min(cfg.ReceiveBuffer, 0xffff)) // never scaled in a SYN
	h.Checksum, h.Urgent = 0, 0
	o := &h.Options
	o.MSS, o.SACKBlocks = y.mss, 0
	set := wire.OptMSS
	if y.offer.options&shiftBits != noScaling {
		set |= wire.OptWindowScale
		o.WindowScale = cfg.shift
	}
	if y.offer.options&kindBits >= withSACK {
		set |= wire.OptSACKPermitted
	}
	if y.offer.timestamps {
		set |= wire.OptTimestamps
		o.TSVal, o.TSEcr = y.stamp, y.echo
	}
	if y.fast != nil {
		set |= wire.OptFastOpen
		if o.SetFastOpen(*y.fast); y.old {
			o.SetFastOpenExperiment(*y.fast)
		}
	}
	// Both do not fit beside timestamps: the counters are the ones that a SYN-ACK may go
	// without.
	if accurate && y.plain == 0 && y.fast == nil && cfg.ECNOption != cc.ECNOptionOff {
		set |= wire.OptAccECN
		o.AccECN, o.Echo = wire.AccECN0+3, echoStart
	}
	o.Set = set
}

// ourOffer is what a SYN that answers none says.
func ourOffer(cfg *Config) offer {
	o := offer{timestamps: !cfg.NoTimestamps, options: withSACK}
	if cfg.NoSACK {
		o.options = 0
	}
	if cfg.NoWindowScale {
		o.options |= noScaling
	}
	return o
}

// answersSynAck reports whether s, if it acknowledges the SYN-ACK that c has sent,
// has the timestamp that a cookie needs: RFC 7323 §3.2 lets a segment without one
// be dropped, and an entry of the cache must not know better than a cookie.
// https://www.rfc-editor.org/rfc/rfc7323#section-3.2
func (c *Conn) answersSynAck(s *Segment) bool {
	if !c.has(stamping) || s.Flags&(wire.ACK|wire.SYN|wire.RST) != wire.ACK || s.Ack != c.snd.iss.Add(1) {
		return true
	}
	o := c.offered()
	return s.Options.Has(wire.OptTimestamps) && s.Options.TSEcr&longMask == o.data()
}

// answerByCookie sends the SYN-ACK, and nothing is kept.
func (e *Endpoint) answerByCookie(a *arrival, l *Listener, y *ourSyn) outcome {
	r := e.replies.extend()
	if r == nil {
		e.stats.ListenDrops++
		return dropped(wire.ListenFull)
	}
	o := l.options
	r.tuple, r.service, y.plain = *a.tuple, o.service, 0
	session := e.cfg.session(a.tuple)
	if session != nil {
		y.plain = 1 // as plainness says
	}
	y.mss, y.echo = o.full(int(a.path.linkMTU()), headerSize(a.tuple.Local)), a.segment.Options.TSVal
	y.write(&r.header, a.tuple, e.cfg)
	if session != nil {
		r.mark(session)
	}
	e.cookies.needed(a.now)
	e.stats.SyncookiesSent++
	if e.trace.collects(SegmentReceived, a.tuple) {
		e.traceCookie(a, l, y.iss)
	}
	return taken
}

// traceCookie has a connection tell what it would do: it would send the same. So whoever
// reads a trace sees a handshake, whether the endpoint keeps anything of it or not.
func (e *Endpoint) traceCookie(a *arrival, l *Listener, iss seq.Num) {
	c := e.fresh(a, l)
	c.openPassive(a.now, iss)
	c.receive(a.now, a.path, a.segment)
	c.NextSegment(a.now, &Output{})
}
