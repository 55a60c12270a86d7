package oracle

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// life is one connection of a four-tuple, from our SYN on: what the host under
// test has sent. Numbers are counted from our SYN, which is 0, and from the peer's.
type life struct {
	iss     uint32
	irs     uint32
	known   bool // irs is: our ACK of the peer's SYN was seen
	blind   bool // it began unseen: what its SYNs said is not known
	reset   bool // a RST has ended it
	refused bool // or may have
	options options

	next int64  // the number behind all that was sent
	fin  int64  // of our FIN; 0: not sent
	una  int64  // the highest ACK that came
	edge int64  // the right edge of the peer's window, the largest that it has told
	text []byte // that was sent, from number kept on
	kept int64

	acked int64 // the highest number that we acknowledged
	right int64 // the right edge of our window, the largest that we have told
	scale int64 // what the window field rounds

	stamp, echo uint32 // our last timestamps
	spoke       clock.Time
	ttl         byte
	last        said
	owed        int // segments that came and may be answered by an ACK that tells nothing new
}

// said is what a segment without text tells beside numbers and window.
type said struct {
	flags  uint16
	urgent uint16
	blocks uint8
	sack   [maxSACKBlocks]block
}

// keptText is how much of what was acknowledged stays to compare with. An ACK that
// came may not have been believed.
const keptText = 1 << 14

// place returns where a number of ours is that lies near to what was sent last.
func (l *life) place(n uint32) int64 { return l.next + int64(int32(n-l.iss-uint32(l.next))) }

// speaks reports whether a segment with this number may be of this life.
func (l *life) speaks(seq uint32) bool {
	at := l.place(seq)
	return at >= 0 && at <= l.next
}

// over reports whether the connection may have ended, also without a word: our FIN is out,
// and acknowledged, or the peer's came (its program may abort it then, and FIN-WAIT-2 ends
// by a timer); or there was a RST. A SYN that comes then, or comes again from the past, may open another one,
// and where it is answered by a cookie of the same epoch, that has the same number.
// https://www.rfc-editor.org/rfc/rfc4987#section-3.6
func (l *life) over(a *arrivals) bool {
	return l.reset || l.refused || a != nil && l.fin > 0 && (l.una > l.fin || slices.Contains(a.ends, l.acked))
}

// deliver takes note of an ACK and a window that came.
func (l *life) deliver(p *packet, shift uint8) {
	l.owed = min(l.owed+1, maxOwed)
	if p.has(flagSYN) {
		shift = 0 // RFC 7323 §2.2: never scaled in a SYN
	}
	window := int64(p.window) << shift
	switch at := l.place(p.ack); {
	case !p.has(flagACK):
		if p.has(flagSYN) {
			l.edge = max(l.edge, 1+window)
		}
	case at >= 0 && at <= l.next:
		l.una, l.edge = max(l.una, at), max(l.edge, at+window)
	}
}

// maxOwed bounds how many answers are saved up: what may wait to be sent at once.
const maxOwed = 64

// keep notes text that was sent at a place.
func (l *life) keep(at int64, text []byte) {
	if len(l.text) == 0 {
		l.kept = at
	}
	if new := at + int64(len(text)) - l.end(); new > 0 {
		l.text = append(l.text, text[int64(len(text))-new:]...)
	}
	if old := l.una - l.kept; old > 2*keptText && old <= int64(len(l.text)) {
		n := copy(l.text, l.text[old-keptText:])
		l.text, l.kept = l.text[:n], l.kept+old-keptText
	}
}

// end is the number behind the text that is kept.
func (l *life) end() int64 { return l.kept + int64(len(l.text)) }

// differs returns the first number from at on whose byte was another one when it
// was sent before; -1: none.
func (l *life) differs(at int64, text []byte) int64 {
	from := max(at, l.kept)
	to := min(at+int64(len(text)), l.end())
	for n := from; n < to; n++ {
		if l.text[n-l.kept] != text[n-at] {
			return n
		}
	}
	return -1
}
