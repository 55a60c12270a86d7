package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A connection that waits for the last ACK of its handshake, or out its
// TIME-WAIT, is kept in a compact form: a small value without a pointer. When
// a segment or a timer concerns it, it is expanded into a whole Conn, which
// does what any Conn does, and what comes out is made compact again. So there
// is one set of rules, and half-open connections are cheap.

// halfOpen is the compact form of a connection in SYN-RECEIVED that a SYN from
// outside opened. It takes 36 bytes; with its four-tuple and its places in the
// table these are 60 for IPv4 and 84 for IPv6.
type halfOpen struct {
	iss, irs  seq.Num
	tsRecent  uint32
	due       packedTime // of the retransmission timer; Never until the SYN-ACK has gone out
	challenge challengeTime
	link      uint16 // its MTU, which the SYN-ACK tells
	peerMSS   uint16
	share     uint16 // where the cache counts its source
	agreed    agreed
	shift     uint8
	retries   uint8
	owes      owes
	marks     halfOpenMarks
}

// packedTime is an instant that needs no alignment of eight bytes.
// In an entry of 36 bytes those would cost four of padding, ten thousand times.
type packedTime struct{ hi, lo uint32 }

func pack(t clock.Time) packedTime { return packedTime{uint32(t >> 32), uint32(t)} }

func (p packedTime) time() clock.Time { return clock.Time(p.hi)<<32 | clock.Time(p.lo) }

type halfOpenMarks uint16

const (
	markResend     halfOpenMarks = 1 << iota // the SYN-ACK must be sent
	markTiming                               // its round trip is being timed
	markQueued                               // in the queue of those that send
	markTimed                                // in a queue of those that wait
	markAsking                               // waits for the program's verdict
	markUnasked                              // in the queue of those that the program should be asked about
	markPrepared                             // the program has made something ready for it
	markUnmarkable                           // its text may not be marked
	markTellCookie                           // its first SYN-ACK says a Fast Open cookie
	markSigner                               // the first of three bits: which key signs what it is sent

	signerBits  = 7 * markSigner
	markTellOld = 8 * markSigner  // with the option that was an experiment
	markAcked   = 16 * markSigner // the SYN-ACK is acknowledged, and its listener wants text: see DeferAccept
)

func (h *halfOpen) is(m halfOpenMarks) bool { return h.marks&m != 0 }

func (h *halfOpen) mark(m halfOpenMarks, on bool) {
	if on {
		h.marks |= m
	} else {
		h.marks &^= m
	}
}

// unanswered reports whether the SYN-ACK has not gone out for the first time.
// Until then the entry must not be lost.
func (h *halfOpen) unanswered() bool { return h.is(markResend) && h.due.time() == clock.Never }

// compactInto writes c, which is in SYN-RECEIVED, into h. Its place in queues
// is the cache's business and stays.
func (c *Conn) compactInto(h *halfOpen) {
	h.iss, h.irs, h.tsRecent = c.snd.iss, c.rcv.irs, c.ts.recent
	h.due, h.challenge = pack(c.timers[TimerRetransmit]), packChallenge(c.live.challenge)
	h.link, h.peerMSS = c.path.link, c.snd.peer
	h.agreed, h.owes, h.shift, h.retries = c.snd.agreed, c.owes&^owesSyn, c.snd.shift, c.live.retries
	h.mark(markTiming, c.is(rttTiming))
	h.mark(markResend, c.owes&owesSyn != 0)
	h.mark(markUnmarkable, c.is(unmarkable))
	h.mark(markTellCookie, c.fast != nil)
	h.mark(markTellOld, c.fast == tellsOldOption)
	if c.options.auth != nil {
		h.marks = h.marks&^signerBits | halfOpenMarks(c.options.auth.Signer())*markSigner&signerBits
	}
}

// expandHalfOpen makes c the connection that h is the compact form of.
func (c *Conn) expandHalfOpen(now clock.Time, h *halfOpen) {
	c.startSending(now, h.iss)
	c.state = SynReceived
	c.snd.agreed, c.owes = h.agreed, h.owes
	c.rcv.irs, c.rcv.nxt, c.rcv.acked = h.irs, h.irs.Add(1), h.irs.Add(1)
	c.rcv.edge = c.rcv.nxt.Add(seq.Size(min(c.rcv.limit, 0xffff)))
	if !c.has(scaling) {
		c.rcv.shift = 0
	}
	due := h.due.time()
	c.snd.nxt = h.iss.Add(1)
	if h.is(markResend) {
		c.owes |= owesSyn
		if due == clock.Never {
			c.snd.nxt = h.iss // it never went out
		}
	}
	// The window of a SYN is not kept: that of the ACK which completes the handshake
	// takes its place before anything may be sent, RFC 9293 §3.10.7.4.
	c.snd.wl1 = h.irs
	c.snd.peer, c.snd.shift = h.peerMSS, h.shift
	c.ts.remember(now, h.tsRecent)
	c.timers[TimerRetransmit] = due
	c.live.challenge, c.live.retries = h.challenge.upTo(now), h.retries
	if h.is(markTiming) { // the timer was started with the measurement and not since
		c.set(rttTiming, true)
		c.live.at = microseconds(due.Add(-c.rtt.timeout(c.cfg)))
	}
	c.rtt.backoff = h.retries
	c.set(unmarkable, h.is(markUnmarkable))
	switch {
	case h.is(markTellOld):
		c.fast = tellsOldOption
	case h.is(markTellCookie):
		c.fast = tellsCookie
	}
	if c.options.auth != nil {
		c.options.auth.Use(int(h.marks & signerBits / markSigner))
	}
	if c.has(accurateOK) {
		c.ecn.ace = wire.ACEFlags(cepStart)
	}
	c.updateMSS()
}
