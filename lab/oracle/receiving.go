package oracle

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// What a receiver of text must keep to: the rules R.

// ackPlace returns the number that p acknowledges, near to the highest so far.
func (l *life) ackPlace(p *packet) int64 {
	return l.acked + int64(int32(p.ack-l.irs-uint32(l.acked)))
}

// unit is what one of the window field stands for.
func (l *life) unit() int64 { return max(l.scale, 1) }

// agreed returns the options that both SYNs had. It is not sure when SYNs came that
// differ.
func (l *life) agreed(a *arrivals) (set optionSet, sure bool) {
	return l.options.set & a.options.set, !a.several && !l.blind
}

func (l *life) checkReceiving(now clock.Time, p *packet, a *arrivals) error {
	set, sure := l.agreed(a)
	l.scale = 1
	if set&optScale != 0 {
		l.scale = 1 << l.options.shift
	}
	err := l.checkAck(p, a)
	if sure {
		err = first(err, l.checkWindow(p))
		err = first(err, l.checkBlocks(p, a))
		switch {
		case set&optTimes != 0 && !p.options.has(optTimes):
			err = first(err, fault("W2", "RFC 7323 §3.2", "no timestamp, although both SYNs had one"))
		case set&optTimes == 0 && p.options.has(optTimes):
			err = first(err, fault("W2", "RFC 7323 §3.2", "a timestamp that was not agreed to"))
		case set&optAuth != 0 && !p.options.has(optAuth):
			err = first(err, fault("W2", "RFC 5925 §7.4", "not signed, although both SYNs were"))
		case set&optSACKOK == 0 && p.options.has(optSACK):
			err = first(err, fault("W2", "RFC 2018 §2", "SACK blocks that were not permitted"))
		}
	}
	return first(err, l.checkStamps(now, p, a))
}

// checkAck: an ACK is of what came, and never goes back.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.4
func (l *life) checkAck(p *packet, a *arrivals) error {
	switch to := l.ackPlace(p); {
	case a != nil && to > a.have:
		return fault("R5", "RFC 9293 §3.4", "it acknowledges %d, and numbers below %d came", to, a.have)
	case to < l.acked:
		return fault("R5", "RFC 9293 §3.4", "it acknowledges %d, and did %d before", to, l.acked)
	}
	return nil
}

// checkWindow: the right edge never moves left, but for what the field rounds.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6
func (l *life) checkWindow(p *packet) error {
	if edge := l.ackPlace(p) + int64(p.window)*l.unit(); edge <= l.right-l.unit() {
		return fault("R3", "RFC 9293 §3.8.6", "the window ends at %d, and did at %d before", edge, l.right)
	}
	return nil
}

// checkBlocks: SACK blocks tell of what came behind the ACK, each once, inside the
// window; the first may tell what came twice (D-SACK).
// https://www.rfc-editor.org/rfc/rfc2018#section-4
// https://www.rfc-editor.org/rfc/rfc2883#section-4
func (l *life) checkBlocks(p *packet, a *arrivals) error {
	n := int(p.options.blocks)
	ack, edge := l.ackPlace(p), max(l.right, l.ackPlace(p)+int64(p.window)*l.unit())
	var told [maxSACKBlocks]span
	for i, b := range p.options.sack[:n] {
		told[i] = span{a.place(b.left), a.place(b.right)}
	}
	for i, s := range told[:n] {
		twice := i == 0 && (s.to <= ack || n > 1 && told[1].from <= s.from && s.to <= told[1].to)
		switch {
		case s.from >= s.to:
			return fault("R6", "RFC 2018 §3", "a SACK block from %d to %d", s.from, s.to)
		case !a.holds(s):
			return fault("R6", "RFC 2018 §4", "a SACK block from %d to %d, which did not come whole", s.from, s.to)
		case s.to > edge:
			return fault("R6", "RFC 2018 §4", "a SACK block from %d to %d, and the window ends at %d", s.from, s.to, edge)
		case twice:
		case s.from <= ack:
			return fault("R6", "RFC 2018 §4", "a SACK block from %d to %d, and %d is acknowledged", s.from, s.to, ack)
		}
		for j := range i {
			if o := told[j]; !twice && s.from < o.to && o.from < s.to && !(j == 0 && s.from <= o.from && o.to <= s.to) {
				return fault("R6", "RFC 2018 §4", "SACK blocks from %d to %d and from %d to %d", o.from, o.to, s.from, s.to)
			}
		}
	}
	return nil
}

// clockAge is when a timestamp is too old to compare with.
// https://www.rfc-editor.org/rfc/rfc7323#section-5.5
const clockAge = 24 * 24 * time.Hour

// cookieBits are the low bits of a timestamp that a SYN-ACK may use for a cookie.
const cookieBits = 1 << 6

// checkStamps: our clock does not go back, and what is echoed came.
// https://www.rfc-editor.org/rfc/rfc7323#section-4.3
func (l *life) checkStamps(now clock.Time, p *packet, a *arrivals) error {
	if !p.options.has(optTimes) {
		return nil
	}
	val, echo := p.options.tsVal, p.options.tsEcho
	old := l.stamp == 0 || now.Sub(l.spoke) > clockAge
	before, echoed := l.stamp, l.echo
	l.stamp = val
	if l.echo = echo; p.has(flagSYN) { // who keeps nothing of SYNs, or has forgotten one, echoes each for itself
		l.echo = 0
	}
	switch {
	case !old && int32(val-before) < -cookieBits:
		return fault("R10", "RFC 7323 §5.4", "our timestamp goes back from %d to %d", before, val)
	case !p.has(flagACK):
		return nil
	case a.stamped && !a.jumped && int32(echo-a.tsMax) > 0:
		return fault("R10", "RFC 7323 §4.3", "it echoes timestamp %d, and the newest that came is %d", echo, a.tsMax)
	case !old && echoed != 0 && !p.has(flagSYN) && int32(echo-echoed) < 0:
		return fault("R10", "RFC 7323 §4.3", "it echoes timestamp %d, and did %d before", echo, echoed)
	}
	return nil
}
