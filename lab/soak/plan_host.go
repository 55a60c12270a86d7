package soak

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
)

// drawHosts draws both hosts. Controllers and modes of ECN go round with the seed, so
// that a few seeds in a row have all pairs.
func (p *plan) drawHosts(d dice, seed uint64) {
	names := cc.Names()
	for i := range p.hosts {
		h := &p.hosts[i]
		h.tcp = d.tcp()
		h.tcp.CongestionControl = names[(seed/uint64(1+i*len(names)))%uint64(len(names))]
		h.tcp.ECN = cc.ECNMode((seed/2 + uint64(i)) % uint64(cc.ECNAccurate+1))
		h.tcp.ECNOption, h.tcp.ECNControl = cc.ECNOption(seed/3%uint64(cc.ECNOptionOff+1)), seed%7 == 0
		turn := seed/5 + uint64(i)
		h.tcp.AsLinux, h.tcp.NoSlowStartAfterIdle, h.tcp.NoECNFallback = turn%4 == 3, turn%7 == 3, turn%11 == 3
		h.tcp.SynLinear, h.tcp.UserTimeoutOption = int(turn%6), turn%9 == 3
		h.tcp.TimeWaitReuse = []time.Duration{0, 0, 0, -1, time.Millisecond}[turn%5]
		h.clock = lab.Clock{Offset: d.time(72 * time.Hour)}
		if d.chance(0.2) {
			h.clock.Tick = oneOf(d, 500*time.Microsecond, time.Millisecond, 15*time.Millisecond)
		}
		h.mtu = 1280 + d.upTo(220)
		if !p.v6 && d.chance(0.3) {
			h.mtu = 150 + d.IntN(1350)
		}
		h.batches, h.supers = d.chance(0.3), d.chance(0.3)
		h.offload = d.chance(0.2)
	}
	if p.flood.count > 0 {
		c := &p.hosts[1].tcp
		c.MaxHalfOpen, c.SynAckRetries = 4+d.upTo(400), 1+d.IntN(4)
	}
}

// tcp draws an engine that does not give up while there is hope: a life that is bad
// luck alone is no finding.
func (d dice) tcp() tcp.Config {
	c := tcp.Config{SynRetries: 60, SynAckRetries: 15, UserTimeout: 4 * time.Hour, MSL: d.time(30*time.Second) + time.Millisecond,
		NoTimestamps: d.chance(0.3), NoSACK: d.chance(0.3), NoWindowScale: d.chance(0.3)}
	c.Cookies = oneOf(d, tcp.CookiesAuto, tcp.CookiesAuto, tcp.CookiesOff, tcp.CookiesAlways)
	if d.chance(0.5) {
		c.ReceiveBuffer = 2048 + d.upTo(1<<17)
	}
	if d.chance(0.5) {
		c.SendBuffer = 2048 + d.upTo(1<<17)
	}
	if d.chance(0.3) {
		c.DelayedAck = time.Millisecond + d.time(400*time.Millisecond)
	}
	if d.chance(0.2) {
		c.MinRTO = time.Millisecond + d.time(time.Second)
	}
	if d.chance(0.1) {
		c.QuickAcks = -1
	}
	if d.chance(0.05) {
		c.MaxTimeWait = 1 + d.upTo(3)
	}
	if d.chance(0.05) { // less than its buffers may take
		c.BufferMemory = 2048 + int64(d.upTo(1<<18))
	}
	return c
}

// edges are where comparisons of sequence numbers go wrong.
var edges = []seq.Num{0, 1, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1<<32 - 2}

// drawAims draws where streams begin: so far below an edge that it lies in the stream, or
// on it.
func (p *plan) drawAims(d dice) {
	for side := range p.aim.on {
		stream := p.visits[0].ends[side].total
		p.aim.on[side] = d.chance([2]float64{0.3, 0.05}[side] + float64(side)*toFloat(p.both)*0.25)
		p.aim.want[side] = oneOf(d, edges...) - seq.Num(oneOf(d, 0, 1, d.upTo(stream+2)))
	}
}

func toFloat(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
