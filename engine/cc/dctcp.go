package cc

import "github.com/handfast-tcp/handfast/engine/clock"

// dctcp is RFC 8257: Reno that lowers its window by how much of it was marked, not by
// half. It is for networks whose queues mark early, and where all senders do so.
// https://www.rfc-editor.org/rfc/rfc8257#section-3.3
type dctcp struct {
	reno
	alpha     uint32 // what is marked, in 1/65536, on average
	end       uint32 // the window of observation ends when so much is delivered in all
	delivered uint32 // in it
	marked    uint32
}

// alphaOne is everything, and alphaShift the weight g of a new sample: 1/16.
const (
	alphaOne   = 1 << 16
	alphaShift = 4
)

func newDCTCP(p Params) Controller {
	// All is taken to be marked at first: the first mark halves the window, as Reno's
	// would, and only what is learned makes it gentler.
	return &dctcp{reno: *newReno(p).(*reno), alpha: alphaOne}
}

func (d *dctcp) Name() string      { return "dctcp" }
func (d *dctcp) Traits() Traits    { return ExactEcho }
func (d *dctcp) Clone() Controller { c := *d; return &c }

func (d *dctcp) OnAck(now clock.Time, a Ack) {
	d.delivered += uint32(a.Delivered)
	d.marked += uint32(a.Marked)
	// Once in a window of data, which is the time in which a change of the window shows.
	if int32(uint32(a.Total)-d.end) > 0 {
		part := uint32(uint64(d.marked) * alphaOne / uint64(max(d.delivered, 1)))
		d.alpha += min(part, alphaOne)>>alphaShift - d.alpha>>alphaShift
		d.end, d.delivered, d.marked = uint32(a.Total)+uint32(a.InFlight), 0, 0
	}
	d.reno.OnAck(now, a)
}

func (d *dctcp) OnEvent(now clock.Time, e Event) {
	if e.Kind != Congestion {
		d.reno.OnEvent(now, e)
		return
	}
	d.before = undo{d.cwnd, d.ssthresh}
	d.ssthresh = max(d.cwnd-int32(int64(d.cwnd)*int64(d.alpha)/(2*alphaOne)), 2*d.mss)
	d.cwnd, d.acked = d.ssthresh, 0
}
