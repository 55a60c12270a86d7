package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// watched is a pair of ends of which one may die, in virtual time.
type watched struct {
	*pair
	conns [2]*Entry
	ended [2]Event // how each connection came to CLOSED
}

func watch(t *testing.T, cfg Config, rtt time.Duration) *watched {
	t.Helper()
	p := newPair(t, cfg)
	p.delay = rtt / 2
	w := &watched{pair: p}
	w.conns[0], w.conns[1] = p.connect()
	return w
}

// keepAlive has those ends probe whose bit is set in who.
func (w *watched) keepAlive(who int, k KeepAlive) {
	for i, en := range w.conns {
		if who>>i&1 != 0 {
			w.ends[i].SetKeepAlive(w.now, en, k)
		}
	}
}

// pass lets d pass, or less when both ends are closed.
func (w *watched) pass(d time.Duration) {
	for limit := w.now.Add(d); w.step(limit); {
		for i := range w.events {
			for _, e := range w.events[i].Take() {
				if e.Kind == StateChanged && e.State == Closed {
					w.ended[i] = e
				}
			}
		}
	}
}

// wantAlive wants both ends to be there.
func (w *watched) wantAlive() {
	w.t.Helper()
	for i, e := range w.ended {
		if e.Kind == StateChanged {
			w.t.Fatalf("end %d ended %v after the start (%v), although the peer is there", i, e.Time.Sub(clock.Time(time.Hour)), e.Cause)
		}
	}
}

// cut loses all that is sent from now on.
func (p *pair) cut() {
	p.fate = func(int, *Output) (bool, time.Duration) { return true, 0 }
}

// wantEnd wants one end to have ended for that cause at that time.
func (w *watched) wantEnd(end int, why Cause, at clock.Time) {
	w.t.Helper()
	e := w.ended[end]
	if e.Kind != StateChanged || e.Cause != why || e.Time != at {
		w.t.Fatalf("end %d: %v (%v) at %v; want %v at %v", end, e.State, e.Cause, e.Time.Sub(clock.Time(time.Hour)), why, at.Sub(clock.Time(time.Hour)))
	}
	if got := w.conns[end].Failure(); got != TimedOut {
		w.t.Fatalf("end %d: failure %d", end, got)
	}
}

// aliveCase is one point of the grid.
type aliveCase struct {
	KeepAlive
	rtt  time.Duration
	who  int  // who probes: bits
	data bool // now and then the first end writes
}

func (a aliveCase) String() string {
	return fmt.Sprintf("idle %v, interval %v, count %d, RTT %v, who %d, data %v", a.Idle, a.Interval, a.Count, a.rtt, a.who, a.data)
}

// aliveCases is every mixture of short and long times, among them an idle time
// or an interval below the round trip, both alike, and a single probe.
func aliveCases(yield func(aliveCase) bool) {
	times := []time.Duration{time.Second, 3 * time.Second, 15 * time.Second, time.Minute}
	for _, idle := range times {
		for _, interval := range times {
			for _, count := range []int{1, 2, 9} {
				for _, rtt := range []time.Duration{0, 50 * time.Millisecond, 1100 * time.Millisecond, 2 * time.Second, 10 * time.Second} {
					for who := 1; who <= 3; who++ {
						for _, data := range []bool{false, true} {
							if !yield(aliveCase{KeepAlive{idle, interval, count}, rtt, who, data}) {
								return
							}
						}
					}
				}
			}
		}
	}
}

// TestLivingPeerIsNeverGivenUp, and a dead one always in the time that KeepAlive
// states; with data under way, in the user timeout. A short test takes every
// seventh case.
func TestLivingPeerIsNeverGivenUp(t *testing.T) {
	const user = 5 * time.Minute
	n := 0
	for a := range aliveCases {
		if n++; testing.Short() && n%7 != 0 {
			continue
		}
		t.Run(a.String(), func(t *testing.T) {
			w := watch(t, Config{UserTimeout: user}, a.rtt)
			w.keepAlive(a.who, a.KeepAlive)
			for range 20 {
				w.pass(a.Idle + a.Interval/2 + 77*time.Millisecond)
				if a.data {
					w.write(0, w.conns[0], make([]byte, 10))
					w.read(1, w.conns[1])
				}
			}
			w.wantAlive()
			w.cut()
			w.pass(time.Hour)
			for i, en := range w.conns {
				switch {
				case en.snd.una != en.snd.nxt:
					w.wantEnd(i, CauseTimeout, en.live.stalled.Add(user))
				case a.who>>i&1 != 0:
					interval := max(a.Interval, en.rtt.rto)
					w.wantEnd(i, CauseKeepAlive, en.live.heard.Add(a.Idle+time.Duration(a.Count)*interval))
				default:
					if en.state != Established {
						t.Fatalf("end %d does not probe, and is %v", i, en.state)
					}
				}
			}
		})
	}
}

// A user timeout that the program has set has the place of the count.
func TestKeepAliveUserTimeout(t *testing.T) {
	k := KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2}
	for user, want := range map[time.Duration]time.Duration{
		time.Second: 15 * time.Second, 15 * time.Second: 15 * time.Second, 16 * time.Second: 20 * time.Second, time.Minute: time.Minute,
	} {
		w := watch(t, Config{}, 100*time.Millisecond)
		w.keepAlive(1, k)
		w.ends[0].SetUserTimeout(w.now, w.conns[0], user)
		w.pass(time.Hour)
		w.wantAlive()
		w.cut()
		w.pass(time.Hour)
		w.wantEnd(0, CauseKeepAlive, w.conns[0].live.heard.Add(want))
	}
}

// Settings that are made again and again neither hurry the end nor put it off.
func TestKeepAliveSetAgain(t *testing.T) {
	k := KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
	w := watch(t, Config{}, 100*time.Millisecond)
	w.keepAlive(1, k)
	again := func(n int) {
		for range n {
			w.keepAlive(1, k)
			w.pass(700 * time.Millisecond)
		}
	}
	again(200)
	w.wantAlive()
	w.cut()
	again(100)
	w.wantEnd(0, CauseKeepAlive, w.conns[0].live.heard.Add(25*time.Second))

	w = watch(t, Config{}, 100*time.Millisecond)
	w.pass(time.Hour)
	w.keepAlive(1, k) // the peer was silent for longer than the idle time
	if w.pass(time.Second); w.conns[0].live.heard != w.now.Add(-900*time.Millisecond) {
		t.Errorf("no probe at once: heard %v ago", w.now.Sub(w.conns[0].live.heard))
	}
	w.pass(time.Hour)
	w.wantAlive()
}

// With the windows shut, and text waiting on both sides, a peer that answers
// lives, and one that does not is given up for the user timeout; who has let go
// waits no longer than that for either.
func TestShutWindowsAlive(t *testing.T) {
	const user = time.Minute
	for _, rtt := range []time.Duration{0, 100 * time.Millisecond, 3 * time.Second} {
		for _, k := range []KeepAlive{{}, {time.Second, time.Second, 1}, {5 * time.Second, 5 * time.Second, 3}} {
			for _, orphan := range []bool{false, true} {
				t.Run(fmt.Sprintf("RTT %v, %v, orphan %v", rtt, k, orphan), func(t *testing.T) {
					w := watch(t, Config{UserTimeout: user, ReceiveBuffer: 10000}, rtt)
					w.keepAlive(3, k)
					stuck := w.conns[:2]
					if orphan {
						stuck = w.conns[:1] // or text of the peer would reset it
					}
					for i, en := range stuck {
						w.write(i, en, make([]byte, 30000))
					}
					w.pass(3 * time.Hour)
					w.wantAlive()
					for i, en := range stuck {
						if !en.timers.armed(TimerPersist) {
							t.Fatalf("end %d: the window is not shut", i)
						}
					}
					w.shutEnds(orphan, user)
				})
			}
		}
	}
}

// shutEnds looks when an end whose window is shut ends: the user timeout, and at
// most an RTO, after the peer was last heard of, or after the program let go.
func (w *watched) shutEnds(orphan bool, user time.Duration) {
	w.t.Helper()
	en, since := w.conns[0], w.now
	if orphan {
		w.ends[0].Close(w.now, en)
		w.pass(time.Hour)
	} else {
		w.cut()
		w.pass(time.Hour)
		since = en.live.heard
	}
	e := w.ended[0]
	if took := e.Time.Sub(since); e.Cause != CauseUserTimeout || took < user || took > user+en.rtt.rto {
		w.t.Fatalf("ended by %v after %v, want %v and at most %v more", e.Cause, took, user, en.rtt.rto)
	}
}

// FIN-WAIT-2 of a program that still reads lives as long as the peer does.
func TestFinWait2Alive(t *testing.T) {
	k := KeepAlive{Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 9}
	w := watch(t, Config{}, 100*time.Millisecond)
	w.keepAlive(1, k)
	w.ends[0].CloseWrite(w.now, w.conns[0])
	w.pass(5 * time.Hour)
	w.wantAlive()
	if s := w.conns[0].State(); s != FinWait2 {
		t.Fatal(s)
	}
	w.cut()
	w.pass(time.Hour)
	w.wantEnd(0, CauseKeepAlive, w.conns[0].live.heard.Add(10*15*time.Second))

	w = watch(t, Config{}, 100*time.Millisecond)
	w.keepAlive(3, k)
	w.ends[0].Close(w.now, w.conns[0])
	w.pass(100 * time.Millisecond)
	start := w.now
	w.pass(time.Hour)
	w.wantEnd(0, CauseFinWait2Over, start.Add(w.ends[0].cfg.FinWait2))
}

// Many idle connections probe together, no sooner than a 256th of the idle time,
// and are woken for that some times in the idle time, not each for itself.
func TestProbesTogether(t *testing.T) {
	const many = 1000
	k := KeepAlive{Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 2}
	p := newPair(t, Config{})
	p.delay = time.Millisecond
	l, err := p.ends[1].Listen(wire.Addr{}, 80, many, "listener")
	if err != nil {
		t.Fatal(err)
	}
	for i := range many {
		tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: uint16(1000 + i), RemotePort: 80}
		en, err := p.ends[0].Connect(p.now, p.path, tuple, i)
		if err != nil {
			t.Fatal(err)
		}
		p.run(14 * time.Millisecond)
		p.ends[0].SetKeepAlive(p.now, en, k)
		p.ends[1].SetKeepAlive(p.now, p.ends[1].Accept(l), k)
	}
	p.run(time.Minute)
	p.events[0].Take()
	wakes, least := map[clock.Time]bool{}, time.Hour
	heard := map[uint16]clock.Time{}
	p.run(time.Minute)
	for _, e := range p.events[0].Take() {
		switch port := e.Tuple.LocalPort; {
		case e.Kind == TimerFired:
			wakes[e.Time] = true
			if h := heard[port]; h != 0 {
				least = min(least, e.Time.Sub(h))
			}
		case e.Kind == SegmentReceived || e.Kind == SegmentDropped:
			heard[port] = e.Time
		case e.Kind == StateChanged:
			t.Fatalf("a living peer is given up: %v", e.Cause)
		}
	}
	if early := k.Idle - least; early < 0 || early > k.Idle/earlyShare {
		t.Errorf("the first probe came after %v", least)
	}
	if n := len(wakes); n > 4*earlyShare {
		t.Errorf("%d wakes in four idle times of %d connections", n, many)
	}
	p.cut()
	p.run(time.Minute)
	if n := p.ends[0].Len() + p.ends[1].Len(); n != 0 {
		t.Errorf("%d connections to dead peers are left", n)
	}
}
