package cc

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// path is a bottleneck in virtual time, and the flows that share it: a rate, a
// delay, a queue with a bound, random loss, marks. Each segment is acknowledged by
// itself; a segment is lost when three that were sent later have arrived, or when
// the timer fires. Sizes are bytes.
type path struct {
	rate   float64       // bytes per second
	delay  time.Duration // there and back, without the queue
	queue  int           // so much waits at most
	loss   float64       // of segments, at random
	mark   int           // a segment that finds more waiting is marked; 0: none
	random *rand.Rand

	now     clock.Time
	free    clock.Time // when the bottleneck has sent what it has
	flows   []*flow
	events  eventHeap
	planned int
	dropped int // by the queue
	waited  float64
	waits   int
}

type flow struct {
	cc       Controller
	mss      int
	start    clock.Time
	supply   func(now clock.Time) int // bytes that the program has written by now; nil: there is always more
	out      []*packet                // by number; nil: settled
	next     int                      // number of the next packet
	low      int                      // all before are settled
	newest   int                      // the newest delivered
	inFlight int
	total    uint64 // delivered
	lost     uint64
	sentAll  uint64
	totalAt  clock.Time
	firstAt  clock.Time
	limited  uint64 // what is delivered up to here was app-limited; 0: not
	recover  int    // recovery lasts until this packet is settled
	recovery bool
	full     int // packets before filled the window
	pace     clock.Time
	waiting  bool
	srtt     time.Duration
	minRTT   time.Duration
	timer    clock.Time
	timeouts int
	losses   int // recoveries
	most     int // largest window
	probe    func(f *flow, now clock.Time)
}

type packet struct {
	n, size          int
	at               clock.Time
	total, lost      uint64 // when it was sent
	totalAt, firstAt clock.Time
	inFlight         int
	appLimited       bool
	marked           bool
}

type happening struct {
	at  clock.Time
	seq int
	do  func()
}

// eventHeap has the earliest event in front; of several at one time, that which was
// planned first.
type eventHeap []happening

func (a happening) before(b happening) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

func (h *eventHeap) push(e happening) {
	*h = append(*h, e)
	l := *h
	for i := len(l) - 1; i > 0; {
		up := (i - 1) / 2
		if !e.before(l[up]) {
			break
		}
		l[i], l[up] = l[up], e
		i = up
	}
}

func (h *eventHeap) pop() happening {
	l := *h
	first, e := l[0], l[len(l)-1]
	l[len(l)-1] = happening{}
	l = l[:len(l)-1]
	*h = l
	i := 0
	for 2*i+1 < len(l) {
		down := 2*i + 1
		if down+1 < len(l) && l[down+1].before(l[down]) {
			down++
		}
		if !l[down].before(e) {
			break
		}
		l[i], i = l[down], down
	}
	if len(l) > 0 {
		l[i] = e
	}
	return first
}

func (p *path) after(d time.Duration, do func()) {
	p.planned++
	p.events.push(happening{p.now.Add(d), p.planned, do})
}

// newPath returns a path of so many Mbit/s and a round trip, whose queue holds so
// many of what is under way in a round trip.
func newPath(mbit float64, rtt time.Duration, bdps float64) *path {
	p := &path{rate: mbit * 1e6 / 8, delay: rtt, random: rand.New(rand.NewPCG(1, 2)), now: clock.Time(time.Hour)}
	p.queue = int(bdps * float64(p.bdp()))
	return p
}

func (p *path) bdp() int { return int(p.rate * p.delay.Seconds()) }

// add starts a flow in so long.
func (p *path) add(t testing.TB, name string, in time.Duration) *flow {
	t.Helper()
	f := &flow{mss: 1448, start: p.now.Add(in), timer: clock.Never, newest: -1}
	var err error
	if f.cc, err = New(name, Params{MSS: f.mss, Now: f.start, Seed: uint64(len(p.flows) + 1)}); err != nil {
		t.Fatal(err)
	}
	p.flows = append(p.flows, f)
	p.after(in, func() { p.send(f) })
	return f
}

// run lets so much time pass.
func (p *path) run(d time.Duration) {
	end := p.now.Add(d)
	for len(p.events) > 0 && p.events[0].at <= end {
		e := p.events.pop()
		p.now = e.at
		e.do()
	}
	p.now = end
}

func (p *path) waitingBytes() int {
	return int(max(p.free.Sub(p.now), 0).Seconds() * p.rate)
}

// send sends what a flow may.
func (p *path) send(f *flow) {
	for {
		l := f.cc.Limits()
		f.most = max(f.most, l.Window)
		switch {
		case f.inFlight+f.mss > l.Window:
			f.full = f.next
			return
		case f.supply != nil && f.sentAll-f.lost+uint64(f.mss) > uint64(f.supply(p.now)):
			f.limited = max(f.total+uint64(f.inFlight), 1)
			if f.inFlight*2 > l.Window && l.Window < l.Threshold {
				f.full = f.next
			}
			return
		case l.PacingRate > 0 && f.pace > p.now:
			if !f.waiting {
				f.waiting = true
				p.after(f.pace.Sub(p.now), func() { f.waiting = false; p.send(f) })
			}
			return
		}
		p.transmit(f)
		if l.PacingRate > 0 {
			gap := time.Duration(float64(f.mss) * 1e9 / float64(l.PacingRate))
			credit := time.Duration(float64(l.Burst) * 1e9 / float64(l.PacingRate))
			f.pace = max(f.pace, p.now.Add(-credit)).Add(gap)
		}
	}
}

func (p *path) transmit(f *flow) {
	if f.inFlight == 0 {
		f.firstAt, f.totalAt = p.now, p.now
	}
	if f.cc.Traits()&WantsSend != 0 {
		f.cc.OnSend(p.now, Send{Bytes: f.mss, InFlight: f.inFlight, Limited: f.limited == 0})
	}
	f.inFlight += f.mss
	f.sentAll += uint64(f.mss)
	k := &packet{n: f.next, size: f.mss, at: p.now, total: f.total, lost: f.lost, totalAt: f.totalAt, firstAt: f.firstAt,
		inFlight: f.inFlight, appLimited: f.limited > 0}
	f.out = append(f.out, k)
	f.next++
	if f.timer == clock.Never {
		p.arm(f)
	}
	queued := p.waitingBytes()
	if p.random.Float64() < p.loss {
		return
	}
	if queued+f.mss > p.queue+f.mss {
		p.dropped++
		return
	}
	k.marked = p.mark > 0 && queued > p.mark
	p.waited += max(p.free.Sub(p.now), 0).Seconds()
	p.waits++
	p.free = max(p.free, p.now).Add(time.Duration(float64(f.mss) * 1e9 / p.rate))
	p.after(p.free.Sub(p.now)+p.delay, func() { p.acked(f, k) })
}

func (p *path) rto(f *flow) time.Duration {
	if f.srtt == 0 {
		return time.Second
	}
	return f.srtt + max(f.srtt/2, 200*time.Millisecond)
}

// arm starts the retransmission timer anew.
func (p *path) arm(f *flow) {
	at := p.now.Add(p.rto(f))
	f.timer = at
	p.after(p.rto(f), func() {
		if f.timer != at {
			return
		}
		f.timer = clock.Never
		if f.inFlight > 0 {
			p.timeout(f)
		}
	})
}

func (p *path) timeout(f *flow) {
	f.timeouts++
	before := f.inFlight
	for n := f.low; n < f.next; n++ {
		if k := f.out[n]; k != nil {
			p.lose(f, k)
		}
	}
	f.recovery = false
	f.full = f.low
	f.cc.OnEvent(p.now, Event{Kind: Timeout, InFlight: before})
	p.send(f)
}

// lose takes a packet for lost. One that arrives all the same is delivered no more.
func (p *path) lose(f *flow, k *packet) {
	f.out[k.n] = nil
	f.inFlight -= k.size
	f.lost += uint64(k.size)
	if f.cc.Traits()&WantsLost != 0 {
		f.cc.OnEvent(p.now, Event{Kind: Lost, Bytes: k.size,
			Sent: Rate{InFlight: k.inFlight, Lost: int(f.lost - k.lost), AppLimited: k.appLimited}})
	}
}

func (p *path) acked(f *flow, k *packet) {
	if f.out[k.n] != k {
		return
	}
	f.out[k.n] = nil
	before, lostBefore, recovery := f.inFlight, f.lost, f.recovery
	f.inFlight -= k.size
	f.total += uint64(k.size)
	f.totalAt, f.firstAt = p.now, k.at
	f.newest = max(f.newest, k.n)
	if f.limited > 0 && f.total > f.limited {
		f.limited = 0
	}
	a := Ack{Delivered: k.size, Total: f.total, RTT: p.now.Sub(k.at), Limited: k.n < f.full,
		Rate: Rate{Delivered: int(f.total - k.total), Interval: max(k.at.Sub(k.firstAt), p.now.Sub(k.totalAt)),
			InFlight: k.inFlight, AppLimited: k.appLimited}}
	if f.inFlight+f.mss > f.cc.Limits().Window {
		a.Limited = true
	}
	if k.marked {
		a.Marked = k.size
	}
	f.srtt = a.RTT
	if f.minRTT == 0 || a.RTT < f.minRTT {
		f.minRTT = a.RTT
	}
	p.detect(f, before, k.marked)
	a.Lost, a.InFlight, a.Rate.Lost = int(f.lost-lostBefore), f.inFlight, int(f.lost-k.lost)
	if a.Recovery = recovery || f.recovery; f.recovery && f.low >= f.recover {
		f.recovery = false
		f.cc.OnEvent(p.now, Event{Kind: Recovered})
	}
	f.cc.OnAck(p.now, a)
	if f.probe != nil {
		f.probe(f, p.now)
	}
	f.timer = clock.Never
	p.send(f)
	if f.timer == clock.Never && f.inFlight > 0 {
		p.arm(f)
	}
}

// detect finds what is lost, and tells the controller once for a flight.
func (p *path) detect(f *flow, before int, marked bool) {
	found := false
	for ; f.low < f.next; f.low++ {
		k := f.out[f.low]
		if k == nil {
			continue
		}
		if f.low > f.newest-3 {
			break
		}
		p.lose(f, k)
		found = true
	}
	if f.recovery || !found && !marked {
		return
	}
	f.recovery, f.recover = true, f.next
	f.losses++
	kind := Loss
	if !found {
		kind = Congestion
	}
	f.cc.OnEvent(p.now, Event{Kind: kind, InFlight: before})
}

// goodput is what all flows together have delivered, as a part of the rate.
func (p *path) goodput(since clock.Time, totals ...uint64) float64 {
	sum := 0.0
	for i, f := range p.flows {
		sum += float64(f.total)
		if i < len(totals) {
			sum -= float64(totals[i])
		}
	}
	return sum / (p.rate * p.now.Sub(since).Seconds())
}

// delivered returns what each flow has delivered, to measure from there.
func (p *path) delivered() []uint64 {
	var totals []uint64
	for _, f := range p.flows {
		totals = append(totals, f.total)
	}
	return totals
}

// meanWait is how long a segment waited in the queue, on average.
func (p *path) meanWait() time.Duration {
	return time.Duration(p.waited / float64(max(p.waits, 1)) * 1e9)
}

func (f *flow) String() string {
	return fmt.Sprintf("%s: %d bytes, window %d (most %d), threshold %d, %d recoveries, %d timeouts", f.cc.Name(), f.total, f.cc.Limits().Window,
		f.most, f.cc.Limits().Threshold, f.losses, f.timeouts)
}
