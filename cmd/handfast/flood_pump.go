package main

import (
	"context"
	"sync/atomic"
	"time"
)

// injector puts SYNs on the way to the host.
type injector interface {
	// inject sends n SYNs and returns how many did go; the way was full then.
	inject(n int, m *synMaker) (sent int, err error)
	close()
}

// pump sends SYNs at a rate: the one that was asked for, or as many as the way
// takes. Then it goes slower when something is lost, and faster again when
// nothing is, so that the honest clients, who use the same way, fight with the
// flood at the host and not at the queue of the device.
type pump struct {
	to    injector
	syns  *synMaker
	fixed int    // SYNs per second; 0: as many as the link carries
	count uint64 // 0: without end
	// arrived returns how many segments the host has received so far.
	arrived func() uint64
	sent    atomic.Uint64 // so far
	lost    atomic.Uint64 // on the way
}

// The steps of the rate when none is fixed, in SYNs per second.
const (
	firstRate  = 20_000
	lowestRate = 1_000
	topRate    = 10_000_000
)

// burstSize is how many SYNs are sent without a look at the clock.
const burstSize = 64

// run sends until ctx is done or the count is reached.
func (p *pump) run(ctx context.Context) error {
	rate, budget, last := float64(firstRate), 0.0, time.Now()
	if p.fixed > 0 {
		rate = float64(p.fixed)
	}
	// A tick of a millisecond and a budget: sleeping for each SYN would be far too coarse at
	// a million a second, and at a hundred most ticks send nothing.
	way := gauge{pump: p, at: last}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !p.done() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		budget = min(budget+rate*now.Sub(last).Seconds(), max(rate/100, 1)) // what was missed 10 ms ago is not made up for
		last = now
		lost, err := p.spend(&budget)
		if err != nil {
			return err
		}
		if p.fixed == 0 {
			rate = min(nextRate(rate, lost), way.limit(now))
		}
	}
	p.settle(ctx, tick.C)
	return nil
}

// settleTicks is how often nothing new is seen, before what is still missing is
// taken for lost on the way.
const settleTicks = 1000

// settle waits until the host has received all that was sent, so that what it has
// counted is all of it.
func (p *pump) settle(ctx context.Context, tick <-chan time.Time) {
	for before, idle := p.arrived(), 0; before < p.sent.Load() && idle < settleTicks; idle++ {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		if now := p.arrived(); now != before {
			before, idle = now, 0
		}
	}
}

// spend sends what the budget allows, and stops when something is lost.
func (p *pump) spend(budget *float64) (lost bool, err error) {
	for *budget >= 1 && !p.done() {
		n := min(int(*budget), burstSize)
		if p.count > 0 {
			n = int(min(uint64(n), p.count-p.sent.Load()))
		}
		sent, err := p.to.inject(n, p.syns)
		p.sent.Add(uint64(sent))
		p.lost.Add(uint64(n - sent))
		*budget -= float64(n)
		if err != nil || sent < n {
			return sent < n, err
		}
	}
	return false, nil
}

func (p *pump) done() bool { return p.count > 0 && p.sent.Load() >= p.count }

// nextRate goes down fast and up slowly, as congestion control does and for its reason:
// what is too fast is paid for by everybody on the way, here by the honest clients.
func nextRate(rate float64, lost bool) float64 {
	if lost {
		return max(rate*0.7, lowestRate)
	}
	return min(rate*1.003, topRate)
}

// gauge compares what was sent with what has arrived, as not every way says
// when it loses something.
type gauge struct {
	pump          *pump
	at            time.Time
	sent, arrived uint64
}

// gaugeTime is over what time is compared.
const gaugeTime = 50 * time.Millisecond

// limit returns a rate that the way takes, when it has lost more than a tenth.
func (g *gauge) limit(now time.Time) float64 {
	took := now.Sub(g.at)
	if took < gaugeTime {
		return topRate
	}
	sent, arrived := g.pump.sent.Load(), g.pump.arrived()
	s, a := float64(sent-g.sent), float64(arrived-g.arrived)
	g.at, g.sent, g.arrived = now, sent, arrived
	if a > 0.9*s {
		return topRate
	}
	return max(0.9*a/took.Seconds(), lowestRate)
}
