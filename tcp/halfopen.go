package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// A connection that waits for the last ACK of its handshake, or out its
// TIME-WAIT, is kept in a compact form: a small value without a pointer. When
// a segment or a timer concerns it, it is expanded into a whole Conn, which
// does what any Conn does, and what comes out is made compact again. So there
// is one set of rules, and half-open connections are cheap.

// halfOpen is the compact form of a connection in SYN-RECEIVED that a SYN from
// outside opened. It takes 96 bytes.
type halfOpen struct {
	tuple     wire.Tuple
	iss, irs  seq.Num
	tsRecent  uint32
	challenge uint32     // when the last challenge ACK went out, in milliseconds
	due       clock.Time // of the retransmission timer; Never until the SYN-ACK has gone out
	sent      clock.Time // when it went out, for the round trip
	next      uint32     // neighbours in its queue: slots, plus one
	prev      uint32
	window    uint16 // the peer's
	mtu       uint16
	peerMSS   uint16
	opts      connFlags
	shift     uint8
	retries   uint8
	owes      owes
	marks     halfOpenMarks
	queue     uint8 // which queue it is in
	tsOn      bool
}

type halfOpenMarks uint8

const (
	markResend halfOpenMarks = 1 << iota // the SYN-ACK is to be sent
	markQueued                           // in the queue of those that send
	markTimed                            // in a queue of those that wait
	markAsking                           // waits for the program's verdict
)

func (h *halfOpen) is(m halfOpenMarks) bool { return h.marks&m != 0 }

// unanswered reports whether the SYN-ACK has not gone out for the first time.
// Until then the entry must not be lost.
func (h *halfOpen) unanswered() bool { return h.is(markResend) && h.due == clock.Never }

// compactInto writes c, which is in SYN-RECEIVED, into h. Its place in queues
// is the cache's business and stays.
func (c *Conn) compactInto(h *halfOpen) {
	h.tuple, h.iss, h.irs = c.tuple, c.snd.iss, c.rcv.irs
	h.tsRecent, h.tsOn = c.ts.recent, c.ts.on
	h.due, h.sent = c.timers[TimerRetransmit], c.rtt.start
	h.challenge = c.live.challenge.Milliseconds()
	h.window, h.mtu, h.peerMSS = uint16(c.snd.wnd), c.rcv.mtu, c.snd.peer
	h.opts, h.owes, h.shift, h.retries = c.opts, c.owes, c.snd.shift, c.live.retries
	h.marks &^= markResend
	if c.snd.resend == c.snd.iss {
		h.marks |= markResend
	}
}

// expandHalfOpen makes c the connection that h is the compact form of.
func (c *Conn) expandHalfOpen(now clock.Time, h *halfOpen) {
	c.startSending(now, h.iss)
	c.state = SynReceived
	c.opts, c.owes = h.opts, h.owes
	c.rcv.irs, c.rcv.nxt, c.rcv.acked = h.irs, h.irs.Add(1), h.irs.Add(1)
	c.rcv.edge = c.rcv.nxt.Add(seq.Size(min(c.rcv.limit, 0xffff)))
	if !c.is(scaling) {
		c.rcv.shift = 0
	}
	c.snd.nxt = h.iss.Add(1)
	if !h.is(markResend) {
		c.snd.resend = c.snd.nxt
	} else if h.due == clock.Never {
		c.snd.nxt = h.iss // it never went out
	}
	c.snd.wnd, c.snd.maxWnd, c.snd.wl1 = seq.Size(h.window), seq.Size(h.window), h.irs
	c.snd.peer, c.snd.shift = h.peerMSS, h.shift
	c.ts.on = h.tsOn
	c.ts.remember(now, h.tsRecent)
	c.timers[TimerRetransmit] = h.due
	c.live.challenge, c.live.retries = clock.Time(h.challenge)*1e6, h.retries
	c.rtt.seq, c.rtt.start, c.rtt.backoff = h.iss.Add(1), h.sent, h.retries
	c.updateMSS()
}
