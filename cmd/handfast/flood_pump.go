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
// takes. Then it has no more of them on the way than the way's queue has room for besides
// others, as a window does and for its reason: the honest clients, who use the same way,
// are to fight with the flood at the host and not at the queue of the device.
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

// The SYNs that are on the way at the same time when no rate is fixed. The most is half of the
// smallest queue that there is, of the 500 packets of a TUN that nobody has asked for more, and
// bounds how long an honest SYN waits behind them.
const (
	leastOnWay = 64
	mostOnWay  = 256
)

// burstSize is how many SYNs are sent without a look at the clock.
const burstSize = 64

// run sends until ctx is done or the count is reached.
func (p *pump) run(ctx context.Context) error {
	// A tick of a millisecond and a budget: sleeping for each SYN would be far too coarse at
	// a million a second, and at a hundred most ticks send nothing.
	budget, last := 0.0, time.Now()
	var way *window
	if p.fixed == 0 {
		way = newWindow(p.arrived, last)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !p.done() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		if rate := float64(p.fixed); p.fixed > 0 {
			budget = min(budget+rate*now.Sub(last).Seconds(), max(rate/100, 1)) // what was missed 10 ms ago is not made up for
		} else {
			budget = float64(way.room(now))
		}
		last = now
		before := p.sent.Load()
		lost, err := p.spend(&budget)
		if err != nil {
			return err
		}
		if p.fixed == 0 {
			way.took(p.sent.Load()-before, lost)
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

// window is how many SYNs may be on the way.
type window struct {
	arrived  func() uint64
	size     uint64 // the most that may be
	onWay    uint64 // those that are, less the segments of others since it was certain
	certain  uint64 // how many more may go before all have to arrive, so that it is certain again
	seen     uint64 // segments that had arrived at the last look
	noted    uint64 // and when a number worth noting had last been there
	moved    time.Time
	draining bool // until hardly anything comes
}

// drainAfter is how many SYNs go before all have to arrive: segments of honest clients count as
// arrived, too, and nobody tells them apart. Of one in 150 the queue would not run over before.
const drainAfter = 1 << 15

// How long fewer than leastOnWay come before all has arrived, or is taken for lost where not all can have:
// not every way says when it loses something.
const (
	drainTime = 40 * time.Millisecond
	stillTime = 500 * time.Millisecond
)

func newWindow(arrived func() uint64, now time.Time) *window {
	n := arrived()
	return &window{arrived: arrived, size: leastOnWay, certain: drainAfter, seen: n, noted: n, moved: now}
}

// room returns how many SYNs may go. A look at the counters is dear, and there is none while
// the window is half empty without it.
func (w *window) room(now time.Time) uint64 {
	if w.draining || w.onWay > w.size/2 {
		w.look(now)
	}
	if w.draining {
		return 0
	}
	return w.size - min(w.onWay, w.size)
}

func (w *window) look(now time.Time) {
	n := w.arrived()
	w.onWay -= min(n-w.seen, w.onWay)
	w.seen = n
	still := now.Sub(w.moved)
	switch {
	case n-w.noted >= leastOnWay:
		w.noted, w.moved = n, now
	case w.draining && still >= drainTime:
		w.onWay, w.certain, w.draining, w.moved = 0, drainAfter, false, now
	case still >= stillTime:
		w.onWay, w.moved = 0, now
		w.shrink()
	}
}

// took counts what has gone. The window shrinks fast and grows slowly, as congestion control
// has it: who sends too much makes everybody on the way pay, here the honest clients.
func (w *window) took(sent uint64, full bool) {
	w.onWay += sent
	w.certain -= min(sent, w.certain)
	w.draining = w.draining || full || w.certain == 0
	if full {
		w.shrink()
	} else {
		w.size = min(w.size+1, mostOnWay)
	}
}

func (w *window) shrink() { w.size = max(w.size*7/10, leastOnWay) }
