package soak

import (
	"time"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/netem"
)

// drawWires draws both directions, which are the same in half of the lives.
func (p *plan) drawWires(d dice) {
	p.wires[0] = d.wire()
	p.wires[1] = p.wires[0]
	if d.chance(0.5) {
		p.wires[1] = d.wire()
	}
	p.calm = time.Second + d.time(time.Hour)
	if d.chance(0.2) {
		for range 1 + d.upTo(12) {
			p.changes = append(p.changes, change{at: d.time(p.calm), side: d.IntN(2), wire: d.wire()})
		}
	}
}

// wire draws how packets travel in one direction.
func (d dice) wire() (c lab.WireConfig) {
	c.Config = netem.Config{Delay: d.time(200 * time.Millisecond), Loss: d.sometimes(0.4), Duplicate: d.sometimes(0.2),
		Reorder: d.sometimes(0.3), ReorderDelay: d.time(300 * time.Millisecond), Corrupt: d.sometimes(0.05)}
	if d.chance(0.1) {
		c.Config = netem.Config{Delay: c.Delay}
	}
	if d.chance(0.3) {
		c.Jitter = d.time(100 * time.Millisecond)
	}
	if d.chance(0.2) {
		c.Rate, c.QueueBytes = uint64(50_000+d.upTo(10_000_000)), 3000+d.upTo(80_000)
		if d.chance(0.6) { // and where it does not mark, it may drop
			c.MarkBytes = c.QueueBytes / 4
		}
	}
	if d.chance(0.2) { // losses that come together
		c.Burst = netem.GilbertElliott{ToBad: 0.02 * d.Float64(), ToGood: 0.2 + 0.8*d.Float64(), LossBad: d.Float64()}
	}
	if d.chance(0.15) {
		c.MTU = 1280 + d.upTo(200)
		c.Silent = d.chance(0.3) // a black hole
	}
	return c
}

// calmed is a wire that only takes its time.
func calmed(c lab.WireConfig) lab.WireConfig {
	return lab.WireConfig{Config: netem.Config{Delay: c.Delay, Rate: c.Rate, QueueBytes: c.QueueBytes, MarkBytes: c.MarkBytes}, MTU: c.MTU, Silent: c.Silent}
}

// drawTroubles draws what happens to hosts and wires.
func (p *plan) drawTroubles(d dice) {
	if d.chance(0.15) {
		p.cutFrom = 1 + d.time(20*time.Second)
		if d.chance(0.7) {
			p.cutFor = 1 + d.time(2*time.Minute)
		}
	}
	for side := range p.reboots {
		if d.chance(0.03) {
			p.reboots[side] = 1 + d.time(20*time.Second)
		}
	}
	if d.chance(0.08) {
		p.flood = flood{at: d.time(5 * time.Second), count: 20 + d.upTo(1500), every: d.time(20 * time.Millisecond)}
	}
	if d.chance(0.25) {
		for range 1 + d.upTo(40) {
			p.shots = append(p.shots, shot{at: d.time(30 * time.Second), kind: shotKind(d.IntN(int(numShots))), side: d.IntN(2)})
		}
	}
}

// drawStrays draws a flood that keeps nobody out: what is answered by a RST takes no place.
func (p *plan) drawStrays(d dice) {
	if d.chance(0.06) {
		p.strays = flood{kind: syns + 1 + floodKind(d.IntN(int(numFloods)-1)), at: d.time(10 * time.Second),
			count: 20 + d.upTo(4000), together: 1 + d.upTo(2000), every: d.time(20 * time.Millisecond)}
	}
}
