package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// fastOpen is what a connection knows of TCP Fast Open, RFC 7413. Most have none.
//
// Of a connection that a SYN with text has opened SND.UNA is past our SYN as soon as that
// is out, so that text may leave by the rules for all text; that the SYN is not
// acknowledged says early. Until then the retransmission timer is the SYN-ACK's alone, as
// in Linux: a peer that has not heard of the one cannot use the other.
//
// Text on our own SYN counts as sent. What the SYN-ACK leaves out of it is lost, and sent
// again at once.
type fastOpen struct {
	listener *Listener           // of a connection that a SYN has opened, until the handshake is complete
	cookie   wire.FastOpenCookie // of the peer: goes on our SYN; empty: asks for one
	most     uint16              // bytes of text that our SYN may carry
	text     uint16              // bytes of text that it has carried
	at       uint32              // microseconds: when the SYN-ACK was sent
	open     bool                // the program may use it before the handshake is complete
	early    bool                // a SYN has opened it, and our SYN-ACK is not acknowledged
	tell     bool                // the first SYN-ACK says the cookie
	old      bool                // and in the option that was an experiment, which the SYN had
	acked    bool                // the text of a SYN has come through
}

// tellsCookie is what a half-open connection knows whose first SYN-ACK says the cookie.
// Nobody changes either.
var (
	tellsCookie    = &fastOpen{tell: true}
	tellsOldOption = &fastOpen{tell: true, old: true}
)

// toTell is the one of both that suits a SYN.
func toTell(s *Segment) *fastOpen {
	if s.Options.FastOpenExperiment() {
		return tellsOldOption
	}
	return tellsCookie
}

// early reports whether text may come and go though our SYN is not acknowledged.
func (c *Conn) early() bool { return c.fast != nil && c.fast.early }

// takeEarly takes the text of the SYN that has opened c.
func (c *Conn) takeEarly(now clock.Time, s *Segment) {
	c.equip(now)
	c.takeTextOfSyn(now, s)
	c.live.quick = 0 // the SYN-ACK acknowledges it
	c.fast.acked = c.rcv.nxt != c.rcv.irs.Add(1)
}

// takeTextOfSyn takes what follows the SYN in its segment.
func (c *Conn) takeTextOfSyn(now clock.Time, s *Segment) wire.Drop {
	s.Flags &^= wire.SYN
	s.Seq = c.rcv.nxt
	c.trim(s)
	return c.arrivedText(now, s)
}

// completeEarly is the fifth check where the ACK is the first one: what it acknowledges
// beside our SYN is text like any other.
func (c *Conn) completeEarly(now clock.Time, s *Segment) outcome {
	c.timeSyn(now, s)
	c.doubtMarks()
	c.fast.early, c.fast.open = false, false
	c.beginRound(now, c.firstUnread())
	c.complete(now, CauseAckOfSyn)
	if c.has(accurateOK) {
		c.firstFeedback(now, s)
	}
	if f := c.flight; f != nil {
		f.since = now
		c.armRetransmit(now)
	}
	c.processAck(now, s)
	return c.ackedFin(now, s)
}

// fastOption returns the Fast Open option of our SYN, or nil. One that is sent again has
// none, should the path drop what has it.
// https://www.rfc-editor.org/rfc/rfc7413#section-4.1.3.1
func (c *Conn) fastOption(again bool) *wire.FastOpenCookie {
	f := c.fast
	switch {
	case f == nil || again:
		return nil
	case c.state == SynSent && (f.cookie.Len() > 0 || f.most == 0):
		return &f.cookie
	case f.tell:
		if f == tellsCookie || f == tellsOldOption {
			c.fast = nil
		}
		cookie := c.cfg.fastOpens.of(c.options)[0].Cookie(c.tuple.Remote, c.tuple.Local)
		return &cookie
	}
	return nil
}

// awaitsText reports whether our SYN waits for the text that is to go on it.
func (c *Conn) awaitsText() bool {
	return c.fast != nil && c.state == SynSent && c.fast.open && c.fast.most > 0 && c.snd.nxt == c.snd.iss && c.out.len() == 0
}

// fillSyn puts text on our SYN.
func (c *Conn) fillSyn(out *Output) {
	f := c.fast
	if f == nil || c.state != SynSent || out.again {
		return
	}
	out.Views, out.Len = c.out.fill(out.Views, c.snd.iss.Add(1), min(c.out.len(), int(f.most)))
	f.text = uint16(out.Len)
}

// answeredFast follows the SYN-ACK that answers our SYN: how did the text fare, and which
// cookie comes with it? It is asked before anything is sent again.
func (c *Conn) answeredFast(s *Segment) {
	f := c.fast
	n := fastopen.News{Local: c.tuple.Local, Remote: c.tuple.Remote, MSS: c.snd.peer}
	if f.cookie.Len() > 0 || f.most == 0 { // one that our SYN did not ask for is nobody's
		if s.Options.Has(wire.OptFastOpen) {
			n.Cookie, n.Experiment = s.Options.FastOpen(), s.Options.FastOpenExperiment()
		} else {
			n.Unanswered = f.text == 0 && c.rtt.backoff == 0
		}
	}
	n.Passed = f.text > 0 && c.snd.iss.Add(1).Less(s.Ack) // the path takes such a SYN, though the peer left out a part
	switch f.acked = n.Passed && s.Ack == c.snd.nxt; {
	case f.acked:
		c.cfg.stats.TCPFastOpenActive++
	case f.text > 0:
		c.cfg.stats.TCPFastOpenActiveFail++
		n.Lost = !n.Passed && n.Cookie.Len() == 0 // nor is there a better cookie to try
	}
	c.cfg.fastOpens.tell(n)
	if f.open = false; !f.acked {
		c.fast = nil
	}
}

// closeLate closes what the program has closed while only our SYN was out: see closeWrite.
func (c *Conn) closeLate(now clock.Time) {
	if c.is(finQueued) {
		c.setState(now, FinWait1, CauseClose)
	}
}

// loseTextOfSyn has what the SYN-ACK has left out of our SYN sent again.
func (c *Conn) loseTextOfSyn(now clock.Time) {
	if c.flight != nil || c.snd.una == c.snd.nxt {
		return
	}
	c.takeOff(now, c.snd.una)
	c.flight.Sent(c.live.sent, c.snd.una, c.snd.nxt, 0)
	c.flight.LoseAll()
}

// silentFast follows a timeout: the third in a row of a connection that has tried Fast
// Open, or the last, is taken for a path that drops such SYNs, or what follows them.
// https://www.rfc-editor.org/rfc/rfc7413#section-7.1
func (c *Conn) silentFast(gaveUp bool) {
	f := c.fast
	if f == nil || f.text == 0 || c.live.retries != 3 && !(gaveUp && c.live.retries < 3) {
		return
	}
	switch {
	case c.state == SynSent:
		c.cfg.stats.TCPFastOpenActiveFail++
	case c.tally.bytesReceived > 0 || c.tally.bytesAcked > uint64(f.text): // it carries more than the SYN
		return
	}
	c.cfg.stats.TCPFastOpenBlackhole++
	c.cfg.fastOpens.tell(fastopen.News{Local: c.tuple.Local, Remote: c.tuple.Remote, BlackHole: true})
}

// fastMost is how much text goes on a SYN at most: what the server has said that it takes,
// as far as the path carries it, less all options that a SYN may have. Of a server that has
// said nothing the least is assumed, but where no cookie is needed the path decides, as in
// Linux: a program that asks for that knows both ends.
func (c *Conn) fastMost(k fastopen.Hint) uint16 {
	mss := k.MSS
	switch {
	case mss == 0 && k.Cookie.Len() > 0:
		mss = defaultMSS(c.tuple.Local)
	case mss == 0:
		mss = MaxMaxSegment
	}
	return uint16(max(int(min(mss, c.options.full(int(c.path.mtu), headerSize(c.tuple.Local))))-wire.MaxTCPOptions, 0))
}
