package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// tally is what a connection has done so far.
type tally struct {
	bytesSent, bytesRetrans uint64
	bytesAcked              uint64
	bytesReceived           uint64
	segsIn, segsOut         uint32
	dataIn, dataOut         uint32
	retrans                 uint32
}

func (n *tally) sent(out *Output) {
	count := uint32(out.Count())
	n.segsOut += count
	if out.Len > 0 {
		n.dataOut += count
		n.bytesSent += uint64(out.Len)
	}
	if out.again {
		n.retrans += count
		n.bytesRetrans += uint64(out.Len)
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
// §3.10.6, with the names of Linux's struct tcp_info where that has the field.
// Sizes are bytes unless they say otherwise.
type Info struct {
	State        State
	Timestamps   bool // both sides use the option: so too the next two
	SACK         bool
	WindowScale  bool
	SndWscale    uint8
	RcvWscale    uint8
	Retransmits  uint8 // the same thing was sent again so often, in a row
	Probes       uint8 // zero-window and keep-alive probes without an answer
	Backoff      uint8
	Timer        Timer         // which timer is due first
	Expires      time.Duration // in what time; 0: no timer runs
	RTO          time.Duration
	ATO          time.Duration // delayed ACK
	RTT, RTTVar  time.Duration
	SndMSS       int
	RcvMSS       int
	AdvMSS       int
	PMTU         int
	SndCwnd      int // in segments
	SndSsthresh  int // in segments; 0: none yet
	SndWnd       int
	RcvWnd       int
	RcvSpace     int           // size of the receive buffer
	SndBuf       int           // size of the send buffer
	Unacked      int           // segments in flight
	NotsentBytes int           // queued and never sent
	LastDataSent time.Duration // since then
	LastAckRecv  time.Duration // since an acceptable segment came

	BytesSent, BytesRetrans   uint64
	BytesAcked, BytesReceived uint64
	SegsIn, SegsOut           uint32
	DataSegsIn, DataSegsOut   uint32
	TotalRetrans              uint32

	RecvQ, SendQ int    // as ss shows them
	Congestion   string // name of the controller
	AppLimited   bool   // what is in flight does not fill the congestion window, and did not before
	Orphan       bool   // the program has let go of it
}

// Info returns what c looks like.
func (c *Conn) Info(now clock.Time) Info {
	i := Info{State: c.state, Timestamps: c.has(stamping), SACK: c.has(sackOK), WindowScale: c.has(scaling), SndWscale: c.snd.shift, RcvWscale: c.rcv.shift, Retransmits: c.live.retries, Probes: c.live.probes,
		Backoff: c.rtt.backoff, RTO: c.rtt.timeout(c.cfg), ATO: c.cfg.DelayedAck, RTT: c.rtt.smoothed, RTTVar: c.rtt.variation,
		SndMSS: int(c.path.mss), RcvMSS: int(c.rcv.mss), AdvMSS: int(c.path.ours), PMTU: int(c.path.mtu),
		SndWnd: int(c.snd.wnd), RcvWnd: int(c.rcv.edge.Sub(c.rcv.nxt)), RcvSpace: int(c.rcv.limit), SndBuf: int(c.out.limit),
		BytesSent: c.tally.bytesSent, BytesRetrans: c.tally.bytesRetrans, BytesAcked: c.tally.bytesAcked,
		BytesReceived: c.tally.bytesReceived, SegsIn: c.tally.segsIn, SegsOut: c.tally.segsOut,
		DataSegsIn: c.tally.dataIn, DataSegsOut: c.tally.dataOut, TotalRetrans: c.tally.retrans,
		RecvQ: c.in.buffered(), SendQ: c.out.len(), AppLimited: !c.limited() && !(c.cc != nil && c.windowFull()), Orphan: c.is(orphan)}
	c.infoTimer(now, &i)
	c.infoWindow(&i)
	if c.live.sent != clock.Never {
		i.LastDataSent = now.Sub(c.live.sent)
	}
	i.LastAckRecv = now.Sub(c.live.heard)
	return i
}

func (c *Conn) infoTimer(now clock.Time, i *Info) {
	first := clock.Never
	for n, at := range c.timers {
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

// infoWindow fills in what is counted in segments, as Linux does.
func (c *Conn) infoWindow(i *Info) {
	mss := max(int(c.path.mss), 1)
	i.Unacked = (int(c.snd.nxt.Sub(c.snd.una)) + mss - 1) / mss
	if c.out.start.LessEq(c.snd.nxt) {
		i.NotsentBytes = int(seq.Max(c.out.end(), c.snd.nxt).Sub(c.snd.nxt))
	}
	if c.cc == nil {
		return
	}
	i.Congestion = c.cc.Name()
	limits := c.cc.Limits()
	i.SndCwnd = limits.Window / mss
	if limits.Threshold < cc.MaxWindow {
		i.SndSsthresh = limits.Threshold / mss
	}
}
