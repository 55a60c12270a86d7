package tcp

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Conn is one connection: the transmission control block of RFC 9293 §3.3.1
// and the rules of §3.10. It is a plain value that knows no host, clock, lock
// or goroutine; Clone copies it.
//
// Segments go in with receive, which is the endpoint's, and come out with
// NextSegment, time goes in with Advance, and Deadline says when it is wanted
// next.
type Conn struct {
	cfg     *Config
	options *settings
	log     *connLog // nil: nobody wants to know
	tuple   wire.Tuple

	state   State
	failure Failure
	owes    owes
	waits   waits // what the time is counted for: see countTime
	flags   connFlags
	path    path

	snd    sendSpace
	rcv    recvSpace
	ecn    ecn
	ts     timestamps
	rtt    rtt
	flight *flight // what is out; nil: nothing but, perhaps, our SYN
	fast   *fastOpen
	loss   loss
	timers timers
	live   liveness
	tally  tally

	out sendQueue
	in  recvQueue
	cc  cc.Controller // made when the connection is established
}

// owes is what the next segment must carry even when there is no data to send.
type owes uint8

const (
	owesAck        owes = 1 << iota // an ACK, now
	owesReset                       // RST: the connection was aborted
	owesProbe                       // one octet into a closed window
	owesAlive                       // a keep-alive probe
	owesSyn                         // our SYN
	owesTail                        // a tail loss probe
	owesEcho                        // an ACK of a part: see echoExactly
	owesReflection                  // an ACK that says how the SYN-ACK was marked: see reflection
)

// agreed is what the handshake has settled, and what stays so: the compact form of
// a half-open connection keeps it.
type agreed uint8

const (
	passive    agreed = 1 << iota // opened by a SYN from outside: where SYN-RECEIVED goes back to (MUST-11)
	sackOK                        // both sides sent SACK-permitted
	scaling                       // both sides sent window scale
	stamping                      // both sides sent timestamps
	ecnOK                         // both sides agreed to ECN
	accurateOK                    // and to AccECN

	// The field ECN of the latest SYN or SYN-ACK of the peer is kept in two more bits.
	synMark = 6
)

func (c *Conn) has(a agreed) bool { return c.snd.agreed&a != 0 }

// settle notes what the handshake agreed on. Once the connection is synchronized
// nothing changes it.
func (c *Conn) settle(a agreed, on bool) {
	if on {
		c.snd.agreed |= a
	} else {
		c.snd.agreed &^= a
	}
}

// connFlags are the facts about a connection that are so now, or not.
type connFlags uint16

const (
	noDelay       connFlags = 1 << iota // Nagle off
	finQueued                           // the program closed its sending side
	readClosed                          // the program closed its receiving side
	orphan                              // the program let go of the connection
	finReceived                         // RCV.NXT is past the peer's FIN
	urgentSent                          // snd.up counts
	urgentSeen                          // rcv.up counts
	rttTiming                           // our SYN is being timed
	gone                                // no program holds it, and it is out of the table
	fixedBuffer                         // the program has set its receive buffer
	sizeSuspect                         // the path was found narrower by silence: see suspectSize
	synChallenged                       // a SYN was answered in TIME-WAIT: RST may be the answer to that
	counted                             // in memory.used: see enlist
	tellTimeout                         // the next segment that has room says what the user timeout is
	lowWater                            // it is set how much may wait to be sent: see settings
	unmarkable                          // the path changes marks, or the peer may not be able to tell of them: see AccECN
)

func (c *Conn) is(f connFlags) bool { return c.flags&f != 0 }

func (c *Conn) set(f connFlags, on bool) {
	if on {
		c.flags |= f
	} else {
		c.flags &^= f
	}
}

// sendSpace is the send sequence space, RFC 9293 §3.3.1.
//
//	una                nxt
//	 |  out: see flight |  not sent yet
//
// The window is a number of 32 bits without a sign (RFC 9293, MUST-1), and what is open
// of it is computed with one: a peer that has shrunk it leaves less than nothing.
type sendSpace struct {
	iss    seq.Num
	una    seq.Num // oldest number that is not acknowledged
	nxt    seq.Num // next number never sent before
	wl1    seq.Num // SEG.SEQ of the last window update
	wl2    seq.Num // SEG.ACK of the last window update
	up     seq.Num // end of urgent data
	wnd    seq.Size
	maxWnd seq.Size
	shift  uint8  // the peer's window scale
	agreed agreed // with shift and peer what the handshake has settled
	peer   uint16 // the peer's MSS option
}

// recvSpace is the receive sequence space.
type recvSpace struct {
	irs     seq.Num
	nxt     seq.Num
	edge    seq.Num // right edge of the window that we advertised
	up      seq.Num // end of urgent data
	push    seq.Num // end of the last text that carried PSH
	acked   seq.Num // last ACK sent (RFC 7323: Last.ACK.sent)
	shift   uint8
	dupAcks uint8   // ACKs owed, one for each segment that came out of order
	mss     uint16  // largest segment seen, for delayed ACKs
	limit   int32   // bytes of receive buffer
	read    seq.Num // what the program had read at live.at: see tuneReceive
	space   int32   // the most that it read in a round trip
}

// Tuple returns the connection's addresses and ports.
func (c *Conn) Tuple() wire.Tuple { return c.tuple }

// State returns the connection's state.
func (c *Conn) State() State { return c.state }

// Failure returns why the connection ended before its time.
func (c *Conn) Failure() Failure { return c.failure }

// Unsent returns how many bytes are queued and not acknowledged.
func (c *Conn) Unsent() int { return c.out.len() }

// Buffered returns how many bytes wait, in order, for the program.
func (c *Conn) Buffered() int { return c.in.buffered() }

// Queued returns what waits, in numbers of the sequence space: what the program has to read,
// what it wrote that is not acknowledged, and what of that was never sent. A FIN of ours is one,
// as in Linux's SIOCINQ, SIOCOUTQ and SIOCOUTQNSD.
func (c *Conn) Queued() (in, out, notSent int) {
	in = c.in.buffered()
	if !c.state.Synchronized() {
		return in, c.out.len(), c.out.len()
	}
	end := c.out.end()
	if c.is(finQueued) {
		end = c.finEnd()
	}
	return in, max(int(end.Diff(c.snd.una)), 0), max(int(end.Diff(c.snd.nxt)), 0)
}

// EOF reports whether the peer has closed and all before that was taken.
func (c *Conn) EOF() bool { return c.in.buffered() == 0 && (c.is(finReceived) || c.is(readClosed)) }

// WriteClosed reports whether the program closed its sending side.
func (c *Conn) WriteClosed() bool { return c.is(finQueued) }

// Delivered reports whether all that was written, and the FIN behind it, is
// acknowledged.
func (c *Conn) Delivered() bool {
	return c.state == Closed || c.is(finQueued) && c.snd.una == c.finEnd()
}

// Readable reports whether the program has something to read: data, the end
// of the stream, or a failure.
func (c *Conn) Readable() bool { return c.readiness()&Readable != 0 }

// Writable reports whether the program can write, or learns why not.
func (c *Conn) Writable() bool { return c.readiness()&Writable != 0 }

// Connected reports whether the program may use the connection: the handshake is complete,
// or Fast Open does not wait for that.
func (c *Conn) Connected() bool { return c.state.Synchronized() || c.fast != nil && c.fast.open }

// readiness is what the program could do now without waiting. In CLOSED that is
// everything: each of its calls must come back, with the error if there is one.
func (c *Conn) readiness() Ready {
	if c.state == Closed {
		return Connected | Readable | Writable | Gone
	}
	var r Ready
	if c.in.buffered() > 0 || c.is(finReceived|readClosed) {
		r |= Readable
	}
	if c.Connected() {
		r |= Connected
		if c.out.bytes == 0 || c.out.bytes < c.out.limit && (c.out.end().Diff(c.snd.nxt) < c.cfg.memory.freely || c.SendSpace() > 0) {
			r |= Writable
		}
	}
	switch {
	case c.flags&(finQueued|lowWater) == 0:
	case c.is(finQueued):
		r |= Writable
	case c.notSent() >= int(c.options.half):
		r &^= Writable
	}
	return r
}

// init makes c a connection in state CLOSED.
func (c *Conn) init(cfg *Config, t wire.Tuple, path Path, tsOffset uint32, tr *Trace) {
	// Cleared where it is: a value to copy here would be most of a goroutine's first stack.
	*c = Conn{}
	c.cfg, c.tuple, c.log = cfg, t, tr.log()
	c.use(cfg.initial)
	if cfg.Authenticator != nil {
		c.signWith(cfg.session(&c.tuple))
	}
	c.timers.disarmAll()
	c.live.stalled, c.live.challenge, c.live.sent = clock.Never, clock.Never, clock.Never
	c.ts.offset = tsOffset
	c.rtt.rto = cfg.InitialRTO
	c.out.limit = int32(cfg.SendBuffer)
	c.rcv.limit = int32(cfg.ReceiveBuffer)
	c.rcv.shift, c.ecn.mode = cfg.shift, cfg.ECN
	// A peer that does not say its MSS has the default, RFC 9293 §3.7.1 (MUST-15).
	// https://www.rfc-editor.org/rfc/rfc9293#section-3.7.1
	c.snd.peer = defaultMSS(t.Local)
	c.setPath(&path)
}

// openActive is OPEN of RFC 9293 §3.10.1: the SYN goes out next.
func (c *Conn) openActive(now clock.Time, iss seq.Num) {
	c.startSending(now, iss)
	c.owes |= owesSyn
	c.setState(now, SynSent, CauseActiveOpen)
}

// openPassive makes c ready for one SYN.
func (c *Conn) openPassive(now clock.Time, iss seq.Num) {
	c.startSending(now, iss)
	c.settle(passive, true)
	// Not a move of the diagram, and no event: it is the listener that listens. This
	// connection is made for one SYN, when that arrives.
	c.state = Listen
}

// startSending sets the send sequence space to its first number. The SYN takes that
// number, so the first byte has the next one.
func (c *Conn) startSending(now clock.Time, iss seq.Num) {
	c.snd.iss, c.snd.una, c.snd.nxt = iss, iss, iss
	c.out.start = iss.Add(1)
	c.out.claim, c.out.sized = sizeUnproven, iss
	c.live.heard = now
}

// Clone returns a copy that shares nothing with c but bytes that nobody
// writes. Its events go to tr.
func (c *Conn) Clone(tr *Trace) Conn {
	d := *c
	d.log = tr.log()
	d.out = c.out.clone()
	d.in = c.in.clone()
	d.flight = c.flight.clone()
	if c.fast != nil {
		f := *c.fast
		d.fast = &f
	}
	if a := c.options.auth; a != nil {
		d.signWith(a.Clone())
	}
	if r := c.options.records; r != nil {
		own := *d.options
		own.records = &records{slices.Clone(r.ends)}
		d.options = &own
	}
	if c.ecn.marks != nil {
		d.ecn.marks = c.ecn.clone()
	}
	if c.cc != nil {
		d.cc = c.cc.Clone()
	}
	return d
}

// release gives back all memory of a connection that will not be used again.
func (c *Conn) release() {
	c.land()
	c.out.clear()
	c.in.clear()
}

// Views of what is in the queues are made of this.
type views = []buf.View
