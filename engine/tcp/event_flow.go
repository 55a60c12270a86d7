package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// flowCount is what an account needs beside what every connection counts of itself.
type flowCount struct {
	began, last clock.Time
	handshake   time.Duration
	in, out     account.Side // Text and Again stay 0: the connection has them
	why         Cause
}

func (a *flowCount) received(now clock.Time, c *Conn, s *Segment) {
	a.last = now
	count(&a.in, c, s)
}

func (a *flowCount) sent(now clock.Time, c *Conn, out *Output) {
	a.last = now
	count(&a.out, c, &out.Segment)
}

// count counts the IP packets that s stands for. Their options are taken to be padded as
// ours are.
func count(n *account.Side, c *Conn, s *Segment) {
	packets := uint64(s.Count())
	n.Packets += packets
	n.Octets += packets*uint64(ipHeaderSize(c.tuple.Local)+s.HeaderLen()) + uint64(s.Len)
	n.Flags |= s.Flags
}

func ipHeaderSize(a wire.Addr) int { return headerSize(a) - wire.TCPSize }

func (a *flowCount) moved(now clock.Time, c *Conn, why Cause) {
	switch {
	case c.state == Established && a.handshake == 0:
		a.handshake = now.Sub(a.began)
	case c.state == Closed || c.state == TimeWait:
		a.why = why
	}
}

// handshakeOf counts the SYN, the SYN-ACK and the ACK of a connection that was half-open,
// or a cookie, until the ACK came: of the first two it is known what they said, but not
// how often they were sent, beyond what the half-open cache has counted.
func (a *flowCount) handshakeOf(k *arrival, c *Conn) {
	syn := Segment{TCP: wire.TCP{Flags: wire.SYN, Options: c.synOptions()}}
	count(&a.in, c, &syn)
	syn.Flags = wire.SYN | wire.ACK
	count(&a.out, c, &syn)
	a.received(k.now, c, k.segment)
	if trip := c.rtt.smoothed; trip > 0 {
		a.handshake, a.began = trip, k.now.Add(-trip)
	}
}

// synOptions are those that both SYNs had, as far as they decide their size.
func (c *Conn) synOptions() (o wire.Options) {
	o.Set = wire.OptMSS
	for _, k := range [...]struct {
		agreed agreed
		option wire.OptionSet
	}{{sackOK, wire.OptSACKPermitted}, {scaling, wire.OptWindowScale}, {stamping, wire.OptTimestamps}} {
		if c.has(k.agreed) {
			o.Set |= k.option
		}
	}
	return o
}

// flow is the whole account.
func (a *flowCount) flow(c *Conn) account.Flow {
	f := account.Flow{Tuple: c.tuple, Passive: c.has(passive), Ending: endingOf(a.why, c.failure), Start: a.began, End: a.last,
		Sent: a.out, Received: a.in, Handshake: a.handshake, RTT: c.rtt.smoothed, MinRTT: c.loss.least}
	f.Sent.Text, f.Sent.Again, f.Received.Text = c.tally.bytesAcked, uint64(c.tally.retrans), c.tally.bytesReceived
	return f
}

// endingOf says in one word why a connection ended.
func endingOf(why Cause, f Failure) account.Ending {
	switch why {
	case CauseUnreadData, CauseDataAfterClose:
		return account.UnreadData
	case CauseAbort, CauseClose:
		return account.Aborted
	case CauseUserTimeout:
		return account.UserTimeout
	case CauseKeepAlive:
		return account.KeepAlive
	case CauseICMP:
		return account.Unreachable
	case CauseFinWait2Over:
		return account.HalfClosed
	}
	switch f {
	case Refused:
		return account.Refused
	case Reset:
		return account.Reset
	case TimedOut:
		return account.TimedOut
	}
	return account.Closed
}

// book has the accounts of an endpoint.
type book struct {
	tell   bool            // flows are taken
	totals *account.Totals // nil: no accounts
	flows  []account.Flow  // that have not been taken yet
}

func (b *book) on() bool { return b.totals != nil }

// Account has connections that begin from now on accounted for.
func (t *Trace) Account() {
	if !t.book.on() {
		t.book.totals = new(account.Totals)
	}
}

// TellFlows says whether Flows is to have those that have ended.
func (t *Trace) TellFlows(on bool) { t.book.tell, t.book.flows = on, nil }

func (b *book) enter(f account.Flow) {
	b.totals.Add(&f)
	if b.tell {
		b.flows = append(b.flows, f)
	}
}

// Totals are of all connections that were accounted for, and have ended: nil without Account.
func (t *Trace) Totals() *account.Totals { return t.book.totals }

// HasNews reports whether Take, Flows or NextFailed has something.
func (t *Trace) HasNews() bool {
	return len(t.events)+len(t.book.flows)+len(t.rings.failures) > 0
}

// Flows returns the connections that have ended since it was asked last. The slice is
// valid until the next one ends.
func (t *Trace) Flows() []account.Flow {
	if t == nil {
		return nil
	}
	all := t.book.flows
	t.book.flows = all[:0]
	return all
}
