package oracle

import (
	"github.com/handfast-tcp/handfast/engine/clock"
)

// What a sender of text must keep to: the rules S.

// checkSending: what was sent once stays so, nothing goes beyond the peer's window,
// and nothing follows our FIN.
func (l *life) checkSending(p *packet) error {
	at := l.place(p.seq)
	end := at + int64(len(p.text))
	switch n := l.differs(at, p.text); {
	case n >= 0:
		return fault("S4", "RFC 9293 §3.8.1", "byte %d is not what it was when it was sent first", n)
	case l.fin > 0 && len(p.text) > 0 && end > l.fin:
		return fault("S8", "RFC 9293 §3.6", "text up to %d, and our FIN has number %d", end, l.fin)
	case l.fin > 0 && p.has(flagFIN) && end != l.fin:
		return fault("S8", "RFC 9293 §3.6", "a FIN with number %d, and %d before", end, l.fin)
	case l.fin == 0 && p.has(flagFIN) && end < l.next:
		return fault("S8", "RFC 9293 §3.6", "a FIN with number %d, and text was sent up to %d", end, l.next)
	// A persist probe is one octet beyond the edge, and a FIN may lie there as well.
	case end > l.edge && !(len(p.text) == 1 && end == l.edge+1):
		return fault("S5", "RFC 9293 §3.8.6", "text up to %d, and the peer's window ends at %d", end, l.edge)
	case p.has(flagFIN) && end > l.edge:
		return fault("S5", "RFC 9293 §3.8.6", "a FIN with number %d, and the peer's window ends at %d", end, l.edge)
	}
	return nil
}

// leastMSS is the least segment that an engine may send whatever the peer says, with
// the options of each: less would be nearly headers alone (CVE-2019-11479).
const leastMSS = 64

// checkSize: the peer's MSS counts text and options together.
// https://www.rfc-editor.org/rfc/rfc6691
func (l *life) checkSize(p *packet, a *arrivals) error {
	mss := 536
	if p.v6 {
		mss = 1220
	}
	if a.options.has(optMSS) {
		mss = int(a.options.mss)
	}
	if size := len(p.text) + int(p.options.size); len(p.text) > 0 && size > max(mss, leastMSS) {
		return fault("S7", "RFC 6691 §2", "%d bytes of text and options, and the peer takes %d", size, mss)
	}
	return nil
}

// checkNews: a segment has something to tell, or answers one that came. Two ends
// that have nothing to say stay silent.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4
func (l *life) checkNews(p *packet) error {
	at, to := l.place(p.seq), l.ackPlace(p)
	if p.length() > 0 || at < l.next {
		return nil // text, or a keep-alive
	}
	if l.owed--; l.owed >= 0 {
		return nil
	}
	l.owed = 0
	tells := said{p.flags, p.urgent, p.options.blocks, p.options.sack}
	if !l.known || tells != l.last || to > l.acked || to+int64(p.window)*l.unit() > l.right {
		return nil
	}
	return fault("E5", "RFC 9293 §3.10.7.4", "it tells nothing new and answers nothing: %v", p.String())
}

// remember takes note of what was sent.
func (l *life) remember(now clock.Time, p *packet) {
	at := l.place(p.seq)
	end := at + int64(len(p.text))
	if len(p.text) > 0 {
		l.keep(at, p.text)
	}
	if p.has(flagFIN) && l.fin == 0 {
		l.fin = end
	}
	l.next = max(l.next, at+int64(p.length()))
	l.spoke = now
	l.last = said{p.flags, p.urgent, p.options.blocks, p.options.sack}
	if l.known {
		to := l.ackPlace(p)
		l.acked = max(l.acked, to)
		l.right = max(l.right, to+int64(p.window)*l.unit())
	}
}
