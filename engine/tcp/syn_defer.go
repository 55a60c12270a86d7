package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A listener may leave a connection half open until its client has said something
// (Listener.DeferAccept), as TCP_DEFER_ACCEPT does in Linux: a program that would only wait
// for a request then has neither the connection nor its memory before. The ACK of the SYN-ACK
// is remembered, and no SYN-ACK is repeated. When the time is over one more leaves, and its ACK
// makes the connection whatever it carries. A client that does not answer that is given up. Of
// a connection that was answered by a cookie alone nothing can be remembered: its ACK makes it.

// deferral returns how many timeouts of a SYN-ACK the ACKs without text are ignored for: as
// many as the listener's time lasts, and not more than there are.
func (l *Listener) deferral() uint8 {
	if l.DeferAccept <= 0 {
		return 0
	}
	most := l.cfg.SynAckRetries
	if l.options.syn > 0 {
		most = int(l.options.syn)
	}
	n, timeout := 1, l.cfg.InitialRTO
	for passed := timeout; n < most && passed < l.DeferAccept; n++ {
		timeout = min(2*timeout, l.cfg.MaxRTO)
		passed += timeout
	}
	return uint8(min(n, max(most, 0)))
}

// Deferral returns how long DeferAccept lasts: until the end of one of the timeouts after
// which a SYN-ACK is repeated.
func (l *Listener) Deferral() (d time.Duration) {
	timeout := l.cfg.InitialRTO
	for range l.deferral() {
		d += timeout
		timeout = min(2*timeout, l.cfg.MaxRTO)
	}
	return d
}

// defers reports whether s, for the half-open connection h, is an ACK that l does not want to
// hear of yet.
func (l *Listener) defers(h *halfOpen, s *Segment) bool {
	return l.DeferAccept > 0 && s.Len == 0 && s.Flags&(wire.SYN|wire.FIN|wire.RST|wire.ACK) == wire.ACK &&
		s.Seq == h.irs.Add(1) && s.Ack == h.iss.Add(1) && h.retries < l.deferral()
}

// keepQuiet follows a timeout of a SYN-ACK that was acknowledged already: it is not repeated
// before the time of its listener is over.
func (c *Conn) keepQuiet(now clock.Time, l *Listener) {
	if l == nil || c.state != SynReceived || c.live.retries >= l.deferral() {
		return
	}
	c.owes &^= owesSyn
	if !c.timers.armed(TimerRetransmit) {
		c.armRetransmit(now)
	}
}
