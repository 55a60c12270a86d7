package oracle

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// Sent judges a packet that the host puts on the wire, and remembers it. It returns
// the first rule that is broken.
func (w *Wire) Sent(now clock.Time, data []byte) error {
	p, usable, err := parse(data)
	if err == nil && w.MTU > 0 && p.size > w.MTU {
		err = fault("S7", "RFC 9293 §3.7.1", "a packet of %d bytes, the link takes %d", p.size, w.MTU)
	}
	switch {
	case !usable || p.fragment:
		return err
	case p.isAboutGroups():
		return first(err, p.checkGroups())
	case p.proto == protoICMP || p.proto == protoICMPv6:
		return first(err, p.checkICMP())
	case p.proto != protoTCP:
		return err
	}
	f := w.flow(flowKey{p.src, p.dst, p.srcPort, p.dstPort})
	var broken error
	switch {
	case !p.whole && !w.narrow:
		broken = fault("W4", "RFC 1191 §3", "a TCP segment that routers may cut up")
	case p.has(flagRST):
		broken = f.sentReset(&p)
	case p.has(flagSYN):
		broken = f.sentSyn(now, &p)
	default:
		broken = f.sentSegment(now, &p)
	}
	if w.blind {
		broken = nil
	}
	return first(err, broken)
}

// checkICMP: no error answers an error, nor what went to many or came from nobody.
// https://www.rfc-editor.org/rfc/rfc1122#section-3.2.2
func (p *packet) checkICMP() error {
	kind, quoted := p.body[0], p.body[8:]
	isError := p.v6 && kind < 128 || !p.v6 && (kind == 3 || kind == 4 || kind == 11 || kind == 12)
	switch {
	case !isError:
		return nil
	case p.v6 && len(quoted) >= 41 && quoted[6] == protoICMPv6 && quoted[40] < 128,
		!p.v6 && len(quoted) >= 21 && quoted[9] == protoICMP && slices.Contains([]byte{3, 4, 11, 12}, quoted[20]):
		return fault("E1", "RFC 1122 §3.2.2", "an ICMP error answers an ICMP error")
	case p.v6 && len(quoted) < 40, !p.v6 && len(quoted) < 28:
		return fault("W1", "RFC 792", "an ICMP error quotes %d bytes", len(quoted))
	case p.v6 && p.size > 1280:
		return fault("W1", "RFC 4443 §2.4", "an ICMPv6 error of %d bytes", p.size)
	}
	return nil
}

// sentReset: a RST has the numbers of the segment that it answers, or those of the
// connection that it ends. A RST is never answered.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1
func (f *flow) sentReset(p *packet) error {
	for _, l := range f.lives {
		l.refused = true // also where it answers: who answers by a RST may know of no connection
	}
	for i, h := range f.heard {
		withAck, without := h.flags&flagACK != 0 && h.ack == p.seq, h.flags&flagACK == 0 && p.seq == 0 && h.seq+h.length == p.ack
		if !p.has(flagACK) && withAck || p.has(flagACK) && without {
			f.heard = slices.Delete(f.heard, i, i+1) // one answer each
			return nil
		}
	}
	l := f.life(p.seq)
	switch {
	case (l == nil || !p.has(flagACK)) && f.forgot:
		return nil
	case l == nil || !p.has(flagACK):
		return fault("E3", "RFC 9293 §3.10.7.1", "a RST that answers nothing that came and ends nothing: %v", p.String())
	case !l.known:
		return nil
	}
	return l.checkAck(p, f.peer(l.irs))
}

// sentSyn: a SYN begins a connection. One with an ACK answers a SYN that came, and
// agrees to nothing that was not offered.
func (f *flow) sentSyn(now clock.Time, p *packet) (err error) {
	var a *arrivals
	if p.has(flagACK) {
		if a = f.answered(p.ack); a == nil && !f.forgot {
			return fault("R5", "RFC 9293 §3.10.7.2", "a SYN-ACK of a SYN that never came: %v", p.String())
		}
	}
	l := f.life(p.seq)
	if l == nil || l.iss != p.seq || a != nil && l.known && l.over(f.peer(l.irs)) {
		l = &life{iss: p.seq, ttl: p.ttl, next: 1, una: 0}
		l.keep(1, p.text)
		l.next += int64(len(p.text))
		f.lives = bounded(f.lives, l, maxLives, &f.forgot)
	} else if l.known == p.has(flagACK) && (l.options.set^p.options.set)&^(optAccECN|optTimeout|optFastOpen) != 0 {
		err = fault("W2", "RFC 9293 §3.8.1", "a SYN that is sent again has other options: %v", p.String())
	}
	l.options, l.spoke = p.options, now
	if a == nil {
		return err
	}
	if more := p.options.set &^ a.options.set & (optScale | optSACKOK | optTimes | optFastOpen); more != 0 {
		err = first(err, fault("W2", "RFC 7323 §2.2", "a SYN-ACK agrees to options (%#x) that the SYN did not have", more))
	}
	if l.known && l.irs != a.irs {
		l.known, l.acked, l.right = false, 0, 0
	}
	if !l.known {
		l.irs, l.known, l.acked = a.irs, true, a.place(p.ack)
		l.edge = max(l.edge, 1+int64(a.window))
		l.right = l.acked + int64(p.window)
	}
	l.right = max(l.right, a.place(p.ack)+int64(p.window))
	return first(err, l.checkStamps(now, p, a))
}

// answered returns the stream whose SYN a SYN-ACK with this number answers, which may
// acknowledge text of that SYN too; nil: none.
// https://www.rfc-editor.org/rfc/rfc7413#section-4.2.2
func (f *flow) answered(ack uint32) *arrivals {
	if a := f.peer(ack - 1); a != nil {
		return a
	}
	for i := len(f.peers) - 1; i >= 0; i-- {
		a := f.peers[i]
		if at := a.place(ack); at > 1 && at <= 1+int64(a.synText) {
			return a
		}
	}
	return nil
}

// sentSegment judges a segment that is neither a SYN nor a RST.
func (f *flow) sentSegment(now clock.Time, p *packet) error {
	l := f.life(p.seq)
	if l == nil {
		return f.outOfNothing(p)
	}
	if first := l.reset && l.place(p.seq) == 1 && l.next > 1; l.known && (first || l.ackPlace(p) < l.acked) && l.over(f.peer(l.irs)) {
		l = f.again(l)
	}
	err := l.checkSending(p)
	a := f.peerOf(l, p)
	switch {
	case a != nil:
		err = first(err, l.checkReceiving(now, p, a))
		err = first(err, l.checkSize(p, a))
	case !l.blind && !f.forgot:
		err = first(err, fault("R5", "RFC 9293 §3.4", "an ACK of a SYN that never came: %v", p.String()))
	}
	err = first(err, l.checkNews(p))
	if l.ttl == 0 {
		l.ttl = p.ttl
	}
	if p.ttl != l.ttl {
		err = first(err, fault("W4", "RFC 1122 §3.2.1.7", "TTL %d, and %d before", p.ttl, l.ttl))
	}
	l.remember(now, p)
	return err
}

// again begins another connection with the numbers of one that is over: the ACK of a cookie,
// when it comes again, proves as much as it did.
func (f *flow) again(l *life) *life {
	n := &life{iss: l.iss, irs: l.irs, known: true, blind: true, options: l.options, ttl: l.ttl, next: 1, una: 1, edge: 1 << 31, acked: 1}
	f.lives = bounded(f.lives, n, maxLives, &f.forgot)
	return n
}

// peerOf returns the stream that l acknowledges. The first ACK says which it is.
func (f *flow) peerOf(l *life, p *packet) *arrivals {
	if l.known {
		return f.peer(l.irs)
	}
	var found *arrivals
	for i := len(f.peers) - 1; i >= 0; i-- {
		a := f.peers[i]
		switch at := a.place(p.ack); {
		case at < 1 || at > a.have:
		case found != nil: // streams of forged SYNs lie across each other: which is meant is not sure
			found.several = true
		default:
			l.known, l.irs, l.acked, found = true, a.irs, 1, a
		}
	}
	return found
}

// outOfNothing judges a segment whose SYN was not seen. A cookie that somebody else
// has given out may begin a connection: the peer's ACK of it names our number.
func (f *flow) outOfNothing(p *packet) error {
	for _, h := range f.heard {
		if h.flags&flagACK != 0 && h.ack == p.seq {
			l := &life{iss: p.seq - 1, blind: true, ttl: p.ttl, next: 1, una: 1, edge: 1 << 31}
			f.lives = bounded(f.lives, l, maxLives, &f.forgot)
			l.next += int64(p.length())
			return nil
		}
	}
	switch {
	case f.forgot:
		return nil
	case len(f.lives) == 0:
		return fault("M2", "RFC 9293 §3.5", "a segment of a connection that never began: %v", p.String())
	}
	last := f.lives[len(f.lives)-1]
	return fault("S2", "RFC 9293 §3.4", "number %d, and %d comes next: %v", last.place(p.seq), last.next, p.String())
}
