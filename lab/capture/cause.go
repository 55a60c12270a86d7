package capture

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Cause is why a connection ended, in a word that stays the same.
type Cause string

// The causes.
const (
	Closed             Cause = "closed"              // both sides have closed
	OpenAtEnd          Cause = "open-at-end"         // it goes on when the capture ends
	CutByCapture       Cause = "cut-by-capture"      // it was ending when the capture ends
	HalfClosed         Cause = "half-closed"         // one side has closed, the other has not
	Refused            Cause = "refused"             // a RST answers the SYN
	Unanswered         Cause = "unanswered"          // nothing answers the SYN
	Unreachable        Cause = "unreachable"         // ICMP answers the SYN
	AbandonedHandshake Cause = "abandoned-handshake" // nothing answers the SYN-ACK
	ResetByClient      Cause = "reset-by-client"
	ResetByServer      Cause = "reset-by-server"
	ResetInjected      Cause = "reset-injected" // the RST is not from whom it says
	AbortedUnread      Cause = "aborted-unread" // closed with data unread: https://www.rfc-editor.org/rfc/rfc2525#section-2.17
	TimedOut           Cause = "timed-out"      // what was sent again and again was never acknowledged
	PeerVanished       Cause = "peer-vanished"  // keep-alive probes were not answered
	StalledWindow      Cause = "stalled-window" // the receiver's window stays shut
	BlackHole          Cause = "black-hole"     // small segments pass, large ones do not
)

// Stage is how far the connection had come when it ended.
type Stage string

// The stages.
const (
	PostSYN  Stage = "post-syn"  // the client has sent its SYN
	PostACK  Stage = "post-ack"  // and the ACK that ends the handshake
	PostData Stage = "post-data" // and one segment of data
	Later    Stage = "later"     // and more
)

// Confidence is how sure a verdict is.
type Confidence string

// From sure to not.
const (
	Seen     Confidence = "seen"     // the packets say so
	Inferred Confidence = "inferred" // they show what follows from it
	Guess    Confidence = "guess"    // something else may look the same
)

// Verdict is why a connection ended.
type Verdict struct {
	Cause      Cause
	Stage      Stage
	Confidence Confidence
	// By is the side whose doing it is: that closed first, has reset, or does not answer.
	By int
	// Evidence are the numbers of packets that show it.
	Evidence []int
	// OneSided says that nothing of one side was captured at all, so that its silence
	// means little.
	OneSided bool
}

// icmpKind is what an ICMP error says.
type icmpKind uint8

const (
	noICMP icmpKind = iota
	icmpUnreachable
	icmpTooBig
	icmpExceeded
	icmpKinds
)

func icmpKindOf(version, kind, code uint8) icmpKind {
	switch {
	case version == 4 && kind == 3 && code == 4, version == 6 && kind == 2:
		return icmpTooBig
	case version == 4 && kind == 3, version == 6 && kind == 1:
		return icmpUnreachable
	case version == 4 && kind == 11, version == 6 && kind == 3:
		return icmpExceeded
	}
	return noICMP
}

// evidence is what a verdict needs beside the sides' own counts.
type evidence struct {
	icmp      [icmpKinds]int
	icmpAt    [icmpKinds]int
	icmpAbout int // the side whose segment the last one quotes
	icmpLast  int // its packet

	clientData int // segments of data by the client, repeats left out
	ends       [2]endEvidence
}

// endEvidence is that of one side.
type endEvidence struct {
	syn, synAck, fin, rst int // the last packets with these
	rstTTL                uint8
	rstACK                bool // it has an ACK: its sender knows the connection
	afterRST              int  // packets behind its first RST that are none
	last                  int  // its last packet that is no RST
	finAck, finEnd        seq.Num
	goesOn                bool // behind its FIN it has acknowledged more than by it
	unheard               int  // segments that it has received since it sent text or a FIN

	// The segment that it has sent again since its peer's last news.
	again      seq.Num
	size       int // of the segment, in bytes
	times      int // how often again
	firstAgain int // packet
	lastAgain  int
	probes     int // keep-alive or window probes since the peer's last segment
	lastProbe  int
	largest    int // segment of which an ACK came, in bytes
	larger     int // one of which none came yet: its length, and the number behind it
	largerEnd  seq.Num
}

// watch takes a segment of one side, before the side itself does.
func (v *evidence) watch(c *Conn, from int, s *segment) {
	me, peer := &v.ends[from], &v.ends[1-from]
	side, f := &c.Sides[from], s.tcp.Flags
	syn, ack, fin, rst := f.Has(wire.SYN), f.Has(wire.ACK), f.Has(wire.FIN), f.Has(wire.RST)
	if rst {
		me.resets(side, peer, s)
		return
	}
	if me.rst > 0 {
		me.afterRST++
	}
	me.last = s.number
	switch {
	case syn && ack:
		me.synAck = s.number
	case syn:
		me.syn = s.number
	case fin && me.fin == 0:
		me.fin, me.finAck, me.finEnd = s.number, s.tcp.Ack, s.end()
	case me.fin > 0 && me.finAck.Less(s.tcp.Ack):
		me.goesOn = true
	}
	if s.length > 0 && from == Client && (!side.begun || side.next.LessEq(s.tcp.Seq)) {
		v.clientData++
	}
	me.repeats(side, s)
	if s.length > 0 && !syn {
		peer.unheard++
		me.unheard = 0
	}
	if ack {
		peer.answered(s)
	}
}

// resets notes a RST: the first, or one with which it went on.
func (e *endEvidence) resets(side *Side, peer *endEvidence, s *segment) {
	if e.rst > 0 && (e.afterRST == 0 || s.tcp.Seq != side.next) {
		return
	}
	if peer.last > e.rst { // nobody obeyed the one before
		e.afterRST = 0
	}
	e.rst, e.rstTTL, e.rstACK = s.number, s.ip.TTL, s.tcp.Flags.Has(wire.ACK)
}

// repeats notes a segment that goes again.
func (e *endEvidence) repeats(side *Side, s *segment) {
	first, end := s.tcp.Seq, s.end()
	if e.larger == 0 && s.length > e.largest {
		e.larger, e.largerEnd = s.length, end
	}
	old := side.begun && end.LessEq(side.next)
	switch {
	case first == end && !(old && first == side.next-1) || !old:
		if first != end {
			e.size = max(s.length, 1)
		}
		return
	case s.length <= 1 && first == side.next-1 && !s.tcp.Flags.Has(wire.SYN) && !s.tcp.Flags.Has(wire.FIN):
		e.probes++
		e.lastProbe = s.number
		return
	}
	if e.times == 0 || e.again != first {
		e.again, e.times, e.firstAgain = first, 0, s.number
	}
	e.times++
	e.size, e.lastAgain = s.length, s.number
}

// answered notes an ACK from the peer of an end.
func (e *endEvidence) answered(s *segment) {
	e.probes = 0
	if e.times > 0 && e.again.Less(s.tcp.Ack) {
		e.times = 0
	}
	if e.larger > 0 && e.largerEnd.LessEq(s.tcp.Ack) {
		e.largest, e.larger = e.larger, 0
	}
}

// judge says why the connection ended.
func (c *Conn) judge(now clock.Time) Verdict {
	v := Verdict{Stage: c.stage(), Confidence: Seen}
	v.OneSided = c.Sides[Client].Packets == 0 || c.Sides[Server].Packets == 0
	if c.wasReset(&v) || c.neverOpened(&v) || c.died(&v, now) || c.closedWell(&v, now) {
		return v
	}
	v.Cause, v.Confidence = OpenAtEnd, Seen
	v.Evidence = c.proof(c.LastPacket)
	return v
}

func (c *Conn) stage() Stage {
	switch {
	case c.Opened && c.Sides[Client].Moves == nil, !c.Sides[Client].reached(tcp.Established):
		return PostSYN
	case c.evidence.clientData == 0:
		return PostACK
	case c.evidence.clientData == 1:
		return PostData
	}
	return Later
}

// reached reports whether an end came to a state, or began in it.
func (e *states) reached(s tcp.State) bool {
	if e.first() >= s {
		return true
	}
	for _, m := range e.Moves {
		if m.To >= s {
			return true
		}
	}
	return false
}

// wasReset is for connections that a RST has ended.
func (c *Conn) wasReset(v *Verdict) bool {
	by := -1
	for i := range c.evidence.ends {
		if e := &c.evidence.ends[i]; e.rst > 0 && (by < 0 || e.rst < c.evidence.ends[by].rst) {
			by = i
		}
	}
	if by < 0 || c.wentOn(by) {
		return false
	}
	e, side, peer := &c.evidence.ends[by], &c.Sides[by], &c.Sides[1-by]
	other := &c.evidence.ends[1-by]
	v.By, v.Evidence = by, c.proof(e.rst)
	opened := peer.reached(tcp.Established)
	switch {
	case by == Server && !opened && side.SYNs == 0 && other.syn > 0:
		v.Cause, v.Evidence = Refused, c.proof(other.syn, e.rst)
	case c.closedBefore(by):
		v.Cause, v.Evidence = Closed, c.proof(c.evidence.ends[0].fin, c.evidence.ends[1].fin)
	case e.injected(side):
		v.Cause, v.Confidence = ResetInjected, Inferred
	case c.gaveUp(v, by):
	case opened && e.rstACK && e.unheard > 0 && side.FINs == 0:
		v.Cause, v.Confidence = AbortedUnread, Guess
	case by == Client:
		v.Cause = ResetByClient
	default:
		v.Cause = ResetByServer
	}
	return true
}

// gaveUp is for a side that resets because its peer was silent.
func (c *Conn) gaveUp(v *Verdict, by int) bool {
	e, side := &c.evidence.ends[by], &c.Sides[by]
	switch {
	case c.stalled(by) && side.WindowProbes+e.times >= 2:
		v.Cause, v.Evidence = StalledWindow, c.proof(c.Sides[1-by].lastPacket, max(e.lastProbe, e.lastAgain), e.rst)
	case e.probes >= 2:
		v.Cause, v.Confidence, v.Evidence = PeerVanished, Inferred, c.proof(e.lastProbe, e.rst)
	case e.times >= 3:
		v.Cause, v.Confidence, v.Evidence = TimedOut, Inferred, c.proof(e.firstAgain, e.lastAgain, e.rst)
	default:
		return false
	}
	v.By = 1 - by
	return true
}

// wentOn reports whether a side's RST had no effect, as that of an old duplicate or of a
// forger who does not know the numbers: a handshake or an orderly end came after it, or both
// went on and its receiver was not closed by it.
func (c *Conn) wentOn(by int) bool {
	a, b := &c.evidence.ends[Client], &c.evidence.ends[Server]
	e, other := &c.evidence.ends[by], &c.evidence.ends[1-by]
	return b.synAck > e.rst || a.fin > e.rst && b.fin > e.rst ||
		e.afterRST > 0 && other.last > e.rst && other.rst == 0 && c.Sides[1-by].state != tcp.Closed
}

// closedBefore reports whether both had closed when a RST came: what it answers came late.
func (c *Conn) closedBefore(by int) bool {
	a, b := &c.evidence.ends[by], &c.evidence.ends[1-by]
	return a.fin > 0 && b.fin > 0 && a.fin < a.rst && b.fin < a.rst
}

// injected reports whether a side's RST looks as if another one had sent it: it came
// from another distance, or the side went on as if nothing were.
func (e *endEvidence) injected(side *Side) bool {
	if side.Packets <= int64(side.RSTs) {
		return false
	}
	return e.afterRST > 0 && side.Bytes > 0 || distance(e.rstTTL) != distance(side.ttl) && hops(e.rstTTL) != hops(side.ttl)
}

// distance is the TTL that a packet had when it left, of those that are in use, and hops
// how many routers it has passed since.
func distance(ttl uint8) int {
	for _, from := range []int{32, 64, 128} {
		if int(ttl) <= from {
			return from
		}
	}
	return 255
}

func hops(ttl uint8) int { return distance(ttl) - int(ttl) }

// neverOpened is for connections whose handshake did not come to its end.
func (c *Conn) neverOpened(v *Verdict) bool {
	client, server := &c.evidence.ends[Client], &c.evidence.ends[Server]
	opened := c.Sides[Client].reached(tcp.Established)
	switch {
	case !c.Opened:
		return false
	case c.abandoned(v):
	case opened && c.Sides[Server].reached(tcp.Established):
		return false
	case c.evidence.icmp[icmpUnreachable]+c.evidence.icmp[icmpExceeded] > 0 && server.synAck == 0 && !opened:
		v.Cause, v.By, v.Evidence = Unreachable, Server, c.proof(client.syn, c.noWay())
	case server.synAck == 0 && client.syn > 0 && !opened:
		v.Cause, v.By, v.Evidence = Unanswered, Client, c.proof(client.syn)
		if c.Sides[Client].SYNs == 1 {
			v.Confidence = Inferred
		}
	default:
		return false
	}
	return true
}

// abandoned is for a SYN-ACK that nobody answers, or whose answers do not arrive: then it is
// all that the server ever sends.
func (c *Conn) abandoned(v *Verdict) bool {
	client, server, side := &c.evidence.ends[Client], &c.evidence.ends[Server], &c.Sides[Server]
	asks := side.Packets == int64(side.SYNs)
	unanswered := c.Handshake[1] == 0 && (client.syn > 0 || asks) && !side.reached(tcp.Established)
	switch {
	case server.synAck == 0 || !unanswered && !(asks && side.SYNs >= 3):
		return false
	case !unanswered || client.syn == 0:
		v.Confidence = Guess
	case side.SYNs == 1:
		v.Confidence = Inferred
	}
	v.Cause, v.By, v.Evidence = AbandonedHandshake, Client, c.proof(client.syn, server.synAck)
	return true
}

// noWay is the first packet of a router that knows no way.
func (c *Conn) noWay() int {
	return max(c.evidence.icmpAt[icmpUnreachable], c.evidence.icmpAt[icmpExceeded])
}

// died is for connections that no packet has ended.
func (c *Conn) died(v *Verdict, now clock.Time) bool {
	for i := range c.Sides {
		e, side, peer := &c.evidence.ends[i], &c.Sides[i], &c.Sides[1-i]
		v.By = 1 - i
		switch {
		case c.stalled(i):
			v.Cause, v.Evidence = StalledWindow, c.proof(peer.lastPacket, max(e.lastProbe, e.lastAgain))
			return true
		case e.times >= 2 && c.hole(i):
			v.Cause, v.Confidence = BlackHole, Inferred
			v.Evidence = c.proof(e.firstAgain, e.lastAgain, c.evidence.icmpAt[icmpTooBig])
			return true
		case e.times >= 3 && c.evidence.icmpAbout == i && c.noWay() > 0 && c.evidence.icmpLast > e.firstAgain:
			v.Cause, v.Evidence = Unreachable, c.proof(c.noWay(), e.firstAgain, e.lastAgain)
			return true
		case e.times >= 3 && now.Sub(side.lastSent) >= time.Second, e.times >= 3 && peer.lastSent < side.lastSent:
			v.Cause, v.Confidence, v.Evidence = TimedOut, Inferred, c.proof(e.firstAgain, e.lastAgain)
			return true
		case e.probes >= 3:
			v.Cause, v.Confidence, v.Evidence = PeerVanished, Inferred, c.proof(e.lastProbe)
			return true
		}
	}
	v.By = Client
	return false
}

// stalled reports whether the window is shut that a side asks for.
func (c *Conn) stalled(i int) bool {
	e, side, peer := &c.evidence.ends[i], &c.Sides[i], &c.Sides[1-i]
	return peer.hasAcked && peer.window == 0 && peer.ZeroWindows > 0 && (e.probes > 0 || side.WindowProbes > 0 || e.asks(peer))
}

// asks reports whether an end sends the same again as a probe of a window that is shut: some
// do so with what was out when it shut (Linux), and the answers show that the peer is there.
func (e *endEvidence) asks(peer *Side) bool { return e.times > 0 && peer.lastPacket > e.firstAgain }

// hole reports whether what a side sends again is larger than what its peer has ever
// answered, while the peer is alive or a router says that it is too big.
func (c *Conn) hole(i int) bool {
	e, peer := &c.evidence.ends[i], &c.Sides[1-i]
	if c.evidence.icmp[icmpTooBig] > 0 && c.evidence.icmpAbout == i {
		return true
	}
	return e.size > 1000 && e.largest < e.size && (peer.dups > 0 || peer.sacks)
}

// closedWell is for connections whose sides have closed, or one of them.
func (c *Conn) closedWell(v *Verdict, now clock.Time) bool {
	a, b := &c.evidence.ends[Client], &c.evidence.ends[Server]
	switch {
	case a.fin > 0 && b.fin > 0:
		v.Cause, v.Evidence = Closed, c.proof(a.fin, b.fin)
		if b.closedBefore(a) {
			v.By = Server
		}
	case v.OneSided && (a.fin > 0 || b.fin > 0): // its FIN is not sent again, so somebody answers
		v.Cause, v.Confidence, v.Evidence = Closed, Guess, c.proof(max(a.fin, b.fin))
		if b.goesOn || a.fin > 0 && !a.goesOn {
			v.By = Server
		}
	case a.fin > 0 || b.fin > 0:
		v.Cause, v.Evidence = HalfClosed, c.proof(max(a.fin, b.fin))
		if b.fin > 0 {
			v.By = Server
		}
		if now.Sub(c.Last) < time.Second {
			v.Cause = CutByCapture
		}
	default:
		return false
	}
	return true
}

// closedBefore tells of two sides that have closed which was first. A FIN that acknowledges the
// other one was sent after it, whatever the order of the capture.
func (e *endEvidence) closedBefore(o *endEvidence) bool {
	knows, known := !e.finAck.Less(o.finEnd), !o.finAck.Less(e.finEnd)
	if knows != known {
		return known
	}
	return e.fin < o.fin
}

// proof returns packet numbers as evidence, and leaves out what is not known.
func (c *Conn) proof(all ...int) []int {
	known := c.proofs[:0]
	for _, n := range all {
		if n > 0 {
			known = append(known, n)
		}
	}
	return known
}
