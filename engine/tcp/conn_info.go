package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// tally is what a connection has done so far. It is counted all the time and not only when
// somebody looks: of a connection in trouble one wants to know how it came to that.
type tally struct {
	bytesRetrans  uint64
	bytesAcked    uint64
	bytesReceived uint64
	segsIn        uint32
	segsOut       uint32
	dataIn        uint32
	dataOut       uint32
	retrans       uint32
	early         uint32    // segments that came out of order
	waited        [3]uint32 // times, in units: see countTime
	since         uint32    // from when the present one counts
}

func (n *tally) sent(out *Output) {
	count := uint32(out.Count())
	n.segsOut += count
	if out.Len > 0 {
		n.dataOut += count
	}
	if out.again {
		n.retrans += count
	}
}

func (n *tally) received(s *Segment) {
	count := uint32(s.Count())
	n.segsIn += count
	if s.Len > 0 {
		n.dataIn += count
	}
}

// Info is what a connection looks like at one moment: STATUS of RFC 9293
// §3.10.6, with the names of Linux's struct tcp_info where that has the field, and
// its meaning. Sizes are bytes unless they say otherwise. What is counted in segments
// is exact for segments that leave one by one or are full.
type Info struct {
	State       State
	CAState     string // open, disorder, cwr, recovery or loss
	Timestamps  bool   // both sides use the option, like the next two
	SACK        bool
	WindowScale bool
	ECN         bool  // agreed to
	AccECN      bool  // and how many marks there were is told
	ECNSeen     bool  // the peer's text came marked, or so that it may be
	TOS, TTL    uint8 // of what is sent
	FastOpen    bool  // the text of a SYN has come through: Linux's TCPI_OPT_SYN_DATA
	SndWscale   uint8
	RcvWscale   uint8
	Retransmits uint8 // the same thing was sent again so often, in a row
	Probes      uint8 // zero-window and keep-alive probes without an answer
	Backoff     uint8
	Timer       Timer         // which timer is due first
	Expires     time.Duration // in what time; 0: no timer runs
	RTO         time.Duration
	UserTimeout time.Duration // how long data may stay unacknowledged: the program's, the peer's advice, or the default
	ATO         time.Duration // delayed ACK
	RTT, RTTVar time.Duration
	MinRTT      time.Duration // of the last minutes
	RcvRTT      time.Duration // as the receiver of text sees it, in whole milliseconds; 0: no full segment came
	SndMSS      int
	RcvMSS      int
	AdvMSS      int
	PMTU        int
	SndCwnd     int // in segments
	SndSsthresh int // in segments; 0: none yet
	SndWnd      int
	RcvWnd      int
	RcvSsthresh int // the window that an empty receive buffer offers
	RcvSpace    int // the most that the program has read in a round trip, while the receive buffer followed need
	RcvBuf      int // size of the receive buffer
	SndBuf      int // size of the send buffer

	// In segments.
	Unacked    int // sent and not acknowledged
	Sacked     int // of them, those that the peer holds
	Lost       int // of them, those that were taken for lost, and are so until they are acknowledged
	Retrans    int // of them, those that were sent again and are under way
	Reordering int // the farthest that one came after what was sent later, at least 3

	NotsentBytes int           // queued and never sent
	LastDataSent time.Duration // since then
	LastDataRecv time.Duration // since then, or since the handshake while none has come
	LastAckRecv  time.Duration // since an acceptable segment came

	BytesSent, BytesRetrans   uint64 // of text; the first with the second
	BytesAcked, BytesReceived uint64
	SegsIn, SegsOut           uint32
	DataSegsIn, DataSegsOut   uint32
	TotalRetrans              uint32
	Delivered                 uint32 // segments: our SYN, and those with text that arrived; those that came twice twice
	DeliveredCE               uint32 // of them, how many the network marked, as the peer tells
	ReceivedCE                uint32 // segments of the peer that the network marked; of AccECN, like what follows
	// Bytes of text that came with each mark, modulo 2^32: ours, as options of the peer
	// tell, which need not come, and the peer's.
	DeliveredE0Bytes, DeliveredCEBytes, DeliveredE1Bytes uint32
	ReceivedE0Bytes, ReceivedCEBytes, ReceivedE1Bytes    uint32
	DsackDups                                            uint32 // segments that came twice, as D-SACK told
	ReordSeen                                            uint32 // times that one came after what was sent later, modulo 2^16
	RcvOOOPack                                           uint32 // segments that came out of order
	TotalRTO                                             uint16 // expiries of the retransmission timer
	TotalRTORecoveries                                   uint16 // repairs that they began

	PacingRate             uint64        // bytes per second; 0: not paced
	DeliveryRate           uint64        // bytes per second: the last sample that the network limited, or a higher one
	DeliveryRateAppLimited bool          // the program limited it
	BusyTime               time.Duration // with something to send; so far as the next two in steps of about a millisecond
	RwndLimited            time.Duration // of that: the peer's window was the limit
	SndbufLimited          time.Duration // of that: the send buffer was

	RecvQ, SendQ int    // as ss shows them
	Congestion   string // name of the controller
	AppLimited   bool   // what is in flight does not fill the congestion window, and did not before
	Orphan       bool   // the program has let go of it

	// The variables of RFC 9293 §3.3.1, as on the wire, and what else a segment that arrives
	// is judged by.
	ISS, SndUna, SndNxt uint32
	SndMaxWnd           uint32 // the largest window that the peer has offered: RFC 5961 §5
	IRS, RcvNxt         uint32
	TSRecent            uint32 // RFC 7323 §4.3, where Timestamps
	Passive             bool   // a SYN from outside opened it
	FinSent             bool   // our FIN is out: its number is below SndNxt
	EarlyFin            bool   // the peer's FIN came, and text before it did not
	Paced               bool   // text waits until its pace lets it leave
}

// Info returns what c looks like.
func (c *Conn) Info(now clock.Time) Info {
	n := &c.tally
	i := Info{State: c.state, CAState: c.caState(), Timestamps: c.has(stamping), SACK: c.has(sackOK), WindowScale: c.has(scaling), SndWscale: c.snd.shift, RcvWscale: c.rcv.shift, Retransmits: c.live.retries, Probes: c.live.probes,
		Backoff: c.rtt.backoff, RTO: c.rtt.timeout(c.cfg), UserTimeout: c.userTimeout(), ATO: c.cfg.DelayedAck, RTT: c.rtt.smoothed, RTTVar: c.rtt.variation, MinRTT: c.loss.least,
		SndMSS: int(c.path.mss), RcvMSS: int(c.rcv.mss), AdvMSS: int(c.path.ours), PMTU: int(c.path.mtu),
		SndWnd: int(c.snd.wnd), RcvWnd: int(c.rcv.edge.Sub(c.rcv.nxt)), RcvSpace: int(c.rcv.space), RcvBuf: int(c.rcv.limit), SndBuf: int(c.out.limit),
		RcvSsthresh:  int(min(seq.Size(c.rcv.limit)>>c.rcv.shift, 0xffff) << c.rcv.shift),
		BytesRetrans: n.bytesRetrans, BytesAcked: n.bytesAcked, BytesReceived: n.bytesReceived, SegsIn: n.segsIn, SegsOut: n.segsOut,
		DataSegsIn: n.dataIn, DataSegsOut: n.dataOut, TotalRetrans: n.retrans, DsackDups: c.loss.dsacks, ReordSeen: uint32(c.rtt.late),
		RcvOOOPack: n.early, TotalRTO: c.rtt.timeouts, TotalRTORecoveries: c.rtt.repairs,
		DeliveryRate: uint64(float64(max(c.live.rate, -c.live.rate)) * float64(time.Second)), DeliveryRateAppLimited: c.live.rate <= 0,
		RecvQ: c.in.buffered(), SendQ: c.out.len(), AppLimited: !c.limited() && (c.cc == nil || c.filled() == 0), Orphan: c.is(orphan)}
	c.infoNumbers(&i)
	c.infoMarks(&i)
	i.TOS, i.TTL = c.options.service.TOS(), c.options.service.TTL()
	c.infoTimer(now, &i)
	c.infoText(&i)
	c.infoWindow(&i)
	c.infoTimes(now, &i)
	return i
}

// infoNumbers fills in the variables of the protocol.
func (c *Conn) infoNumbers(i *Info) {
	i.ISS, i.SndUna, i.SndNxt, i.SndMaxWnd = uint32(c.snd.iss), uint32(c.snd.una), uint32(c.snd.nxt), uint32(c.snd.maxWnd)
	i.IRS, i.RcvNxt, i.TSRecent = uint32(c.rcv.irs), uint32(c.rcv.nxt), c.ts.recent
	i.FastOpen = c.fast != nil && c.fast.acked
	if c.early() {
		i.SndUna = i.ISS // it counts as heard for the sake of text alone
	}
	i.Passive, i.EarlyFin = c.has(passive), c.in.ooo != nil && c.in.ooo.hasFin
	i.Paced = c.flight != nil && c.flight.held
	i.FinSent = c.is(finQueued) && c.state >= FinWait1 && !c.opening() && c.snd.nxt == c.finEnd()
}

func (c *Conn) infoMarks(i *Info) {
	i.ECN, i.AccECN, i.ECNSeen = c.has(ecnOK), c.has(accurateOK), c.ecn.is(ecnSeen)
	m := c.ecn.marks
	if m == nil {
		return
	}
	if i.DeliveredCE = m.delivered; m.accurate == nil {
		return
	}
	i.ReceivedCE = m.receivedCE
	i.DeliveredE0Bytes, i.DeliveredCEBytes, i.DeliveredE1Bytes = m.echoed[0], m.echoed[1], m.echoed[2]
	i.ReceivedE0Bytes, i.ReceivedCEBytes, i.ReceivedE1Bytes = m.received[0], m.received[1], m.received[2]
}

// caState is what Linux calls the state of congestion control: icsk_ca_state. CWR lasts until
// what was out when a mark reduced the window is acknowledged, although it was reduced at once.
func (c *Conn) caState() string {
	f := c.flight
	switch {
	case c.loss.phase == fastRecovery:
		return "recovery"
	case c.loss.phase == afterTimeout:
		return "loss"
	case c.ecn.is(yielded) && c.snd.una.Less(c.ecn.point):
		return "cwr"
	case f != nil && (f.Early() > 0 || f.dupes > 0):
		return "disorder"
	}
	return "open"
}

func (c *Conn) infoTimes(now clock.Time, i *Info) {
	if c.live.sent != clock.Never {
		i.LastDataSent = now.Sub(c.live.sent)
	}
	if c.cc != nil {
		i.LastDataRecv = time.Duration(now.Milliseconds()-c.ts.textAt) * time.Millisecond
	}
	came := i.BytesReceived > 0 || i.RcvOOOPack > 0
	full := came && i.RcvMSS+timestampSize >= i.AdvMSS // the text of a peer with little to say may wait for its program
	if trip := c.echoAge(); full && c.has(stamping) && trip > 0 {
		i.RcvRTT = time.Duration(trip) * time.Millisecond
	}
	i.LastAckRecv = now.Sub(c.live.heard)
	i.BusyTime, i.RwndLimited, i.SndbufLimited = c.waited(now)
}

// infoText fills in what became of the text that was sent.
func (c *Conn) infoText(i *Info) {
	text, out := c.out.end(), recovery.Count{}
	if c.flight != nil {
		out = c.flight.Segments(max(int(c.path.mss), 1), text)
	} else if c.snd.una != c.snd.nxt {
		out.Out = 1 // our SYN
	}
	i.Unacked, i.Sacked, i.Lost, i.Retrans = out.Out, out.Sacked, out.Lost+out.Resent, out.Resent
	if c.loss.probed == probedOld && i.Lost > out.Lost {
		i.Lost-- // a tail loss probe, which repeats what need not be lost
	}
	i.Reordering = max(int(c.loss.behind), dupThresh)
	i.BytesSent = i.BytesAcked + i.BytesRetrans
	if c.out.start.LessEq(c.snd.nxt) {
		i.BytesSent += uint64(seq.Min(c.snd.nxt, text).Sub(c.out.start))
		i.NotsentBytes = int(seq.Max(text, c.snd.nxt).Sub(c.snd.nxt))
	}
	// Counted from the other side, because ACKs tell of bytes: all that was sent for the
	// first time, less what has not arrived, and what arrived twice. The SYN is the one.
	if c.cc != nil {
		first := i.DataSegsOut - (i.TotalRetrans - uint32(c.rtt.bare))
		// Behind a black hole segments are smaller than those that were sent, and what is out
		// counts as more of them.
		i.Delivered = 1 + first - min(uint32(out.Undelivered), first) + i.DsackDups
		if i.FastOpen && !i.Passive {
			i.Delivered-- // the SYN and its text were one segment
		}
	}
}

func (c *Conn) infoTimer(now clock.Time, i *Info) {
	first := clock.Never
	for n, at := range c.timers {
		// What ss shows is when something will happen, and not when we look next.
		if Timer(n) == TimerRetransmit && at != clock.Never && c.flight != nil { // it may have been put off
			at, _ = c.lossDue()
			at = c.notTooLate(at)
		}
		if at < first && (Timer(n) != TimerLife || c.lifeBounded()) {
			first, i.Timer = at, Timer(n)
		}
	}
	if first != clock.Never {
		i.Expires = max(first.Sub(now), 1)
	}
}

// infoWindow fills in what congestion control says, in segments as Linux does. Ours
// counts bytes: a window between two segments is shown as the smaller.
func (c *Conn) infoWindow(i *Info) {
	if c.cc == nil {
		return
	}
	mss := max(int(c.path.mss), 1)
	i.Congestion = c.cc.Name()
	limits := c.cc.Limits()
	i.SndCwnd, i.PacingRate = limits.Window/mss, limits.PacingRate
	if limits.Threshold < cc.MaxWindow {
		i.SndSsthresh = limits.Threshold / mss
	}
}
