package cc

import (
	"math"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// cubic is RFC 9438, with HyStart++ in the first slow start. It counts in whole
// bytes and milliseconds, so that its numbers are the same on every machine.
// https://www.rfc-editor.org/rfc/rfc9438
type cubic struct {
	mss   uint16
	rtt   uint16 // latest, in ms
	rest  int32  // of the growth, in units of 1/cwnd bytes
	last  uint32 // the ACK before, in ms
	prior int32  // cwnd before the latest reduction
	curve
	before curve // as it was before the latest reduction, for Undo
	slow   hystart
}

// curve is where the window stands, and the curve that it follows.
type curve struct {
	cwnd     int32
	ssthresh int32
	max      int32  // W_max; 0: there was no reduction since slow start
	k        uint32 // K: ms from the epoch until the curve is at max
	epoch    uint32 // when the curve began, in ms
	est      uint32 // W_est, what Reno would have
	estRest  uint8  // and its fraction, in 1/256 bytes
	begun    bool   // epoch, k and est count
}

// Multiplicative decrease by β = 0.7, and additive increase by α = 3(1-β)/(1+β),
// which is 9/17: with a smaller decrease than Reno's it is the increase that has the same
// average window. C is 0.4 segments/s³, a balance between fairness to Reno on short paths
// and speed on long ones. https://www.rfc-editor.org/rfc/rfc9438#section-5.1
const (
	betaNum, betaDen   = 7, 10
	alphaNum, alphaDen = 9, 17
)

func newCubic(p Params) Controller {
	c := &cubic{mss: uint16(p.MSS)}
	c.cwnd, c.ssthresh = int32(p.window()), int32(p.threshold())
	return c
}

func (c *cubic) Name() string            { return "cubic" }
func (c *cubic) Limits() Limits          { return Limits{Window: int(c.cwnd), Threshold: int(c.ssthresh)} }
func (c *cubic) Traits() Traits          { return 0 }
func (c *cubic) Clone() Controller       { d := *c; return &d }
func (c *cubic) OnSend(clock.Time, Send) {}

// OnAck grows the window. While the program or the peer holds us back it does not,
// and the time does not count for the curve either. HyStart++ is for the first slow
// start alone: later there is a threshold that was measured (RFC 9406 §4.3).
// https://www.rfc-editor.org/rfc/rfc9438#section-5.8
func (c *cubic) OnAck(now clock.Time, a Ack) {
	ms := now.Milliseconds()
	grow, over := a.Delivered, false
	if c.ssthresh == math.MaxInt32 && (a.Limited || c.slow.measures()) && !a.Recovery {
		grow, over = c.slow.onAck(now, &a)
	}
	if !a.Limited || a.Recovery {
		c.epoch += ms - c.last
		c.last = ms
		return
	}
	c.last = ms
	if a.RTT > 0 {
		c.rtt = uint16(min(a.RTT/time.Millisecond, math.MaxUint16))
	}
	left := a.Delivered
	if c.cwnd < c.ssthresh {
		left = c.slowStart(grow, over)
	}
	if left > 0 {
		c.avoid(ms, int64(left))
	}
	c.cwnd = min(c.cwnd, MaxWindow)
}

// slowStart grows the window by so many bytes, and ends slow start if it is over. It
// returns what of them counts for congestion avoidance.
func (c *cubic) slowStart(grow int, over bool) int {
	used := min(grow, int(c.ssthresh-c.cwnd))
	c.cwnd += int32(used)
	if over {
		c.cwnd = min(c.cwnd, MaxWindow)
		c.ssthresh = c.cwnd
	}
	return grow - used
}

// avoid is congestion avoidance: the curve, or what Reno would have if that is more.
// https://www.rfc-editor.org/rfc/rfc9438#section-4.2
func (c *cubic) avoid(ms uint32, delivered int64) {
	if !c.begun {
		c.begin(ms)
	}
	if ms-c.epoch > maxAge {
		c.epoch = ms - maxAge
	}
	c.growEst(delivered)
	t := int64(ms - c.epoch)
	if est := int32(c.est); c.at(t) < int64(est) {
		c.cwnd = max(c.cwnd, est)
		return
	}
	cwnd := int64(c.cwnd)
	// At most half as much again in a round trip, so that the steep end of the curve stays
	// slower than slow start (RFC 9438 §4.2).
	target := min(max(c.at(t+int64(c.rtt)), cwnd), cwnd+cwnd/2)
	growth := (target-cwnd)*delivered + int64(c.rest)
	c.cwnd = int32(min(cwnd+growth/cwnd, target))
	c.rest = int32(growth % cwnd)
}

// maxAge bounds the age of a curve, in ms, and with it the numbers: a quarter of an
// hour after a loss it grows by half a round trip in any case.
const maxAge = 1 << 20

// begin starts a curve at the window as it is. Without a W_max above it, after a
// timeout or when slow start has found the end by itself, it starts at the plateau.
// https://www.rfc-editor.org/rfc/rfc9438#section-4.8
func (c *cubic) begin(ms uint32) {
	c.begun, c.epoch, c.est, c.estRest, c.rest = true, ms, uint32(c.cwnd), 0, 0
	if c.max <= c.cwnd {
		c.max, c.k = c.cwnd, 0
		return
	}
	c.k = cubeRoot(uint64(c.max-c.cwnd) * 2_500_000_000 / uint64(c.mss)) // ((W_max - cwnd)/C)^(1/3), of ms
}

// at is W_cubic(t) in bytes, C(t-K)³ + W_max, t in ms.
func (c *cubic) at(t int64) int64 {
	d := min(t-int64(c.k), 2*maxAge)
	return min(int64(c.max)+d*d/1000*d/1000*int64(c.mss)*4/10_000, MaxWindow)
}

// growEst lets W_est grow as Reno's window would, by less while it is below the
// window that there was.
// https://www.rfc-editor.org/rfc/rfc9438#section-4.3
func (c *cubic) growEst(delivered int64) {
	alpha := int64(alphaNum)
	if int32(c.est) >= c.prior {
		alpha = alphaDen
	}
	est := int64(c.est)<<8 + int64(c.estRest) + delivered*int64(c.mss)*alpha<<8/(alphaDen*int64(c.cwnd))
	est = min(est, MaxWindow<<8)
	c.est, c.estRest = uint32(est>>8), uint8(est)
}

func (c *cubic) OnEvent(_ clock.Time, e Event) {
	switch e.Kind {
	case Loss, Congestion:
		c.reduce(e.InFlight)
		c.cwnd = c.ssthresh
	case Timeout: // RFC 9438 §4.8
		if e.InFlight > 0 {
			c.reduce(e.InFlight)
		}
		c.cwnd, c.max, c.begun = int32(c.mss), 0, false
	case Undo:
		c.undo()
	case Idle: // what is kept of the window is where slow start goes on to, RFC 7661 §4.4.1
		c.ssthresh = max(c.ssthresh, c.cwnd/4*3)
		c.cwnd = min(c.cwnd, int32(InitialWindow(int(c.mss))))
		c.begun = false
		c.slow.reset()
	case Resized:
		c.mss = uint16(e.MSS)
		c.cwnd = max(c.cwnd, int32(c.mss))
	}
}

// reduce is multiplicative decrease, of what is in flight; with fast convergence: a
// window that did not reach the old W_max makes room for others.
// https://www.rfc-editor.org/rfc/rfc9438#section-4.6
func (c *cubic) reduce(inFlight int) {
	c.before = c.curve
	if c.prior = c.cwnd; c.cwnd < c.max {
		c.max = int32(int64(c.cwnd) * (betaNum + betaDen) / (2 * betaDen))
	} else {
		c.max = c.cwnd
	}
	c.ssthresh = max(int32(int64(inFlight)*betaNum/betaDen), 2*int32(c.mss))
	c.begun = false
}

// undo takes the latest reduction back, the time of the curve included.
// https://www.rfc-editor.org/rfc/rfc9438#section-4.9
func (c *cubic) undo() {
	if c.before.cwnd == 0 {
		return
	}
	cwnd, ssthresh := c.cwnd, c.ssthresh
	c.curve, c.before = c.before, curve{}
	c.cwnd, c.ssthresh = max(cwnd, c.cwnd), max(ssthresh, c.ssthresh)
}

// cubeRoot rounds down. It makes three bits of x one bit of the root, as on paper: floating
// point may differ between machines, and with it runs that a seed should repeat.
func cubeRoot(x uint64) uint32 {
	root := uint64(0)
	for shift := 63; shift >= 0; shift -= 3 {
		root <<= 1
		if step := 3*root*(root+1) + 1; x>>shift >= step {
			x -= step << shift
			root++
		}
	}
	return uint32(root)
}
