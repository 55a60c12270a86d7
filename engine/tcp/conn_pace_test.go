package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// What leaves at one time is worth a burst, and the next leaves when the rate has
// caught up: no more often than the burst lasts, and for no longer than it takes.
func TestPacing(t *testing.T) {
	p := newPair(t, Config{CongestionControl: "bbr", SendBuffer: 1 << 21, ReceiveBuffer: 1 << 21})
	client, server := p.connect()
	sent := map[clock.Time]int{}
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		if from == 0 {
			sent[p.now] += o.Len
		}
		return false, 0
	}
	start, got, total := p.now, 0, 4<<20
	p.write(0, client, make([]byte, total))
	p.until("arrived", func() bool {
		got += len(p.read(1, server))
		limits := client.cc.Limits()
		burst := max(limits.Burst, int(limits.PacingRate/1000)) // of a millisecond, or there were more wake-ups
		if n := sent[p.now]; limits.PacingRate > 0 && n > burst+2*int(client.path.mss) {
			t.Fatalf("%d bytes left at once, a burst is %d", n, burst)
		}
		return got == total
	})
	if took := p.now.Sub(start); took > 3*time.Second {
		t.Errorf("%d bytes took %v", total, took)
	}
	if len(sent) < 20 {
		t.Errorf("all left in %d bursts", len(sent))
	}
}

// wakeUps counts how often the timer of the sender of several transfers fires, and how
// many milliseconds they take. A wire of one queue makes their rates differ.
func wakeUps(t *testing.T, control string, conns int) (wakes, lasted int) {
	p := newPair(t, Config{CongestionControl: control, SendBuffer: 1 << 21, ReceiveBuffer: 1 << 21})
	l, err := p.ends[1].Listen(wire.Addr{}, 80, conns, "listener")
	if err != nil {
		t.Fatal(err)
	}
	var free clock.Time // when the wire has sent what it has
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		if from == 1 {
			return false, 0
		}
		free = max(free, p.now).Add(timeFor(o.Len, 20e6))
		return false, free.Sub(p.now)
	}
	var senders, receivers []*Entry
	for i := range conns {
		to := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: uint16(40000 + i), RemotePort: 80}
		c, err := p.ends[0].Connect(p.now, p.path, to, "client")
		if err != nil {
			t.Fatal(err)
		}
		p.until("accept", func() bool {
			s := p.ends[1].Accept(l)
			if s != nil {
				receivers = append(receivers, s)
			}
			return s != nil
		})
		senders = append(senders, c)
	}
	for _, c := range senders {
		p.write(0, c, make([]byte, 2<<20))
	}
	begin, fired := p.now, clock.Time(0)
	for got := 0; got < conns<<21; {
		p.pump()
		due := p.ends[0].Deadline()
		p.step(clock.Never)
		if p.now == due && due != fired {
			wakes, fired = wakes+1, due
		}
		for _, s := range receivers {
			got += len(p.read(1, s))
		}
	}
	return wakes, int(p.now.Sub(begin) / time.Millisecond)
}

// However many connections are paced, they wake their endpoint no more often than once
// in a millisecond, beside the times that it would wake up anyway. One that is not
// paced does not wake up for that.
func TestPacingWakesUpRarely(t *testing.T) {
	for _, conns := range []int{1, 2, 5, 20}[:few(4)] {
		anyway, lasted := wakeUps(t, "cubic", conns)
		if conns == 1 && anyway > lasted/20+1 { // the timer of the tail is put off when it fires, every two round trips
			t.Errorf("without pacing the timer fired %d times in %d ms", anyway, lasted)
		}
		if wakes, lasted := wakeUps(t, "bbr", conns); wakes > lasted+anyway {
			t.Errorf("%d connections: the timer fired %d times in %d ms, %d without pacing", conns, wakes, lasted, anyway)
		}
	}
}

// On a path that loses most of what is sent something leaves with each timeout, whatever
// the congestion control holds for the rate of such a path: at that rate the next segment
// might leave hours later.
func TestEveryTimeoutSends(t *testing.T) {
	for seed := range few(24) {
		for _, control := range cc.Names() {
			r := rand.New(rand.NewPCG(seed, 7))
			p := newPair(t, Config{CongestionControl: control, NoSACK: seed%2 > 0, UserTimeout: 24 * time.Hour})
			p.path.MTU = 460
			client, server := p.connect()
			audits := [2]func() error{p.ends[0].Audit(), p.ends[1].Audit()}
			p.fate = func(int, *Output) (bool, time.Duration) { return r.Float64() < 0.45, 0 }
			begun, got, total := p.now, 0, 60_000
			p.write(0, client, make([]byte, total))
			p.until("all has come", func() bool {
				p.pump()
				for i, check := range audits {
					if err := check(); err != nil {
						t.Fatalf("%s, seed %d, end %d: %v", control, seed, i, err)
					}
				}
				got += len(p.read(1, server))
				return got == total
			})
			if took := p.now.Sub(begun); took > 8*time.Hour {
				t.Errorf("%s, seed %d: it took %v", control, seed, took)
			}
		}
	}
}

func TestTimeFor(t *testing.T) {
	for _, c := range []struct {
		bytes int
		rate  uint64
		want  time.Duration
	}{{1000, 1000, time.Second}, {1500, 12_500_000, 120 * time.Microsecond}, {1, 1 << 40, 0}, {1 << 30, 1, time.Hour}, {0, 1, 0}} {
		if got := timeFor(c.bytes, c.rate); got != c.want {
			t.Errorf("%d bytes at %d: %v, want %v", c.bytes, c.rate, got, c.want)
		}
	}
}
