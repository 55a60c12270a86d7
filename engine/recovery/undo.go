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
	to    seq.Num // the end of the highest that was sent again since
	bytes int32   // sent again and not accounted for by D-SACK
	first uint32  // millisecond in which the first was sent again that an ACK may answer
	open  bool    // there is something to undo
	some  bool    // something was sent again
	older bool    // first is of an earlier recovery
}

// Begin is for the begin of a recovery of what is in a ledger, which is not empty. What
// was sent again before and is still under way may come twice too, which tells nothing
// of what this recovery will send.
func (u *Undo) Begin(l *Ledger) {
	from := l.Oldest().Start
	*u = Undo{from: from, to: from, open: true}
	bytes, first, some := l.resent()
	u.bytes, u.first, u.older = int32(bytes), first.Milliseconds(), some
}

// Close forgets it.
func (u *Undo) Close() { *u = Undo{} }

// Age forgets what lies so far before SND.UNA that its numbers will soon mean others.
func (u *Undo) Age(una seq.Num) {
	if u.open && una.Diff(u.to) > 1<<29 {
		u.Close()
	}
}

// Resent notes that so many bytes up to a number are sent again.
func (u *Undo) Resent(now clock.Time, end seq.Num, bytes int) {
	if !u.open {
		return
	}
	if !u.some && !u.older {
		u.first = now.Milliseconds()
	}
	u.some = true
	u.to = seq.Max(u.to, end)
	u.bytes += int32(bytes)
}

// Twice takes a D-SACK block and reports whether all that was sent again came
// twice: RFC 3708 §2. That may show long after the repair is complete, since what
// overtook the original by several round trips made it look lost.
// https://www.rfc-editor.org/rfc/rfc3708
func (u *Undo) Twice(b wire.SACKBlock) bool {
	if !u.open || b.Left.Less(u.from) || u.to.Less(b.Right) {
		return false
	}
	u.bytes -= int32(b.Right.Sub(b.Left))
	return u.some && u.bytes <= 0
}

// Earlier reports whether an ACK of something new answers what was sent before the
// first repair, which is the Eifel detection.
// https://www.rfc-editor.org/rfc/rfc3522#section-3.2
func (u *Undo) Earlier(a *Ack) bool {
	return u.some && a.HasEcho && int32(a.Echo-u.first) < 0
}
