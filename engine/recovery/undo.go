package recovery

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Undo is what shows that a recovery or a timeout was for nothing, and remembers
// what was sent again since it began. The zero value remembers nothing.
type Undo struct {
	from  seq.Num // SND.UNA when it began
	bytes int32   // sent again since, less those that D-SACK says came twice
	first uint32  // millisecond in which the first of them was sent
	open  bool    // there is something to undo
	some  bool    // something was sent again
}

// Begin is for the begin of a recovery, with SND.UNA.
func (u *Undo) Begin(una seq.Num) { *u = Undo{from: una, open: true} }

// Open reports whether there is something to undo.
func (u *Undo) Open() bool { return u.open }

// Close forgets it.
func (u *Undo) Close() { *u = Undo{} }

// Resent notes that bytes are sent again.
func (u *Undo) Resent(now clock.Time, bytes int) {
	if !u.open {
		return
	}
	if !u.some {
		u.first, u.some = now.Milliseconds(), true
	}
	u.bytes += int32(bytes)
}

// Twice takes a D-SACK block and reports whether all that was sent again came
// twice: RFC 3708 §2.
// https://www.rfc-editor.org/rfc/rfc3708
func (u *Undo) Twice(b wire.SACKBlock) bool {
	if !u.some || b.Left.Less(u.from) {
		return false
	}
	u.bytes -= int32(b.Right.Sub(b.Left))
	return u.bytes <= 0
}

// Earlier reports whether an ACK of something new answers what was sent before the
// first repair, which is the Eifel detection.
// https://www.rfc-editor.org/rfc/rfc3522#section-3.2
func (u *Undo) Earlier(a *Ack) bool {
	return u.some && a.HasEcho && int32(a.Echo-u.first) < 0
}
