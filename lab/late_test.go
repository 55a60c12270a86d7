package lab

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/netem"
)

const pingEvery = 20 * time.Millisecond

// machine is what a busy machine does to whoever waits: it wakes up to so much after
// its time, and with a tick at a multiple of it.
type machine struct {
	late, tick time.Duration
}

// sleeper is someone who waits for a time.
type sleeper struct {
	due, wakes clock.Time
}

// wakes returns when someone who waits until due wakes up.
func (m machine) wakes(s *sleeper, due clock.Time, random *rand.Rand) clock.Time {
	if due == clock.Never {
		*s = sleeper{due, due}
	}
	if due != s.due {
		s.due, s.wakes = due, due
		if m.tick > 0 {
			s.wakes = (due + clock.Time(m.tick) - 1) / clock.Time(m.tick) * clock.Time(m.tick)
		}
		if m.late > 0 {
			s.wakes = s.wakes.Add(time.Duration(random.Int64N(int64(m.late))))
		}
	}
	return s.wakes
}

// busyPath is a path between two programs on such a machine, whose wires too are read
// late and then all at once: a bulk transfer, and a byte to and fro beside it.
type busyPath struct {
	machine
	data, back netem.Config
	config     tcp.Config
	lasting    time.Duration
}

// busyRun is one run of it.
type busyRun struct {
	busyPath
	t       *testing.T
	random  *rand.Rand
	now     clock.Time
	hosts   [2]*host.Host
	wires   [2]*netem.Wire
	timers  [2]sleeper // of the hosts
	readers [2]sleeper // of what comes out of the wires
	bulk    [2]*tcp.Entry
	ping    [2]*tcp.Entry
	block   *buf.Block
	batch   []*buf.Packet
	views   []buf.View
	got     int
	pinged  clock.Time
	waiting bool
	trips   []time.Duration
}

func (b busyPath) start(t *testing.T, seed uint64) *busyRun {
	t.Helper()
	r := &busyRun{busyPath: b, t: t, random: rand.New(rand.NewPCG(seed, 7)), now: start, block: buf.Get(buf.LargeSize)}
	r.wires[0], r.wires[1] = netem.New(b.data, seed), netem.New(b.back, seed+1)
	for i := range r.hosts {
		cfg := host.Config{TCP: b.config}
		cfg.TCP.Secret[0], cfg.TCP.Secret[1] = byte(i), byte(seed)
		r.hosts[i] = host.New(cfg)
		link := r.hosts[i].AddLink(host.LinkConfig{Name: "wire", MTU: 1500})
		if err := r.hosts[i].AddAddress(link, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := r.hosts[1].TCP().Listen(wire.Addr{}, 80, 2, "listener")
	if err != nil {
		t.Fatal(err)
	}
	r.bulk, r.ping = r.connect(l, 4000), r.connect(l, 4001)
	return r
}

func (r *busyRun) connect(l *tcp.Listener, port uint16) (pair [2]*tcp.Entry) {
	var err error
	if pair[0], err = r.hosts[0].Connect(r.now, wire.AddrFrom4(10<<24|1), port, wire.AddrFrom4(10<<24|2), 80, "client"); err != nil {
		r.t.Fatal(err)
	}
	for pair[1] == nil {
		r.step()
		pair[1] = r.hosts[1].TCP().Accept(l)
	}
	return pair
}

// step goes to the next time that somebody wakes.
func (r *busyRun) step() {
	for i, h := range r.hosts {
		for p, _ := h.Output(r.now); p != nil; p, _ = h.Output(r.now) {
			r.wires[i].Input(r.now, p)
		}
	}
	var due [4]clock.Time // of the timers, and of the readers
	for i := range r.hosts {
		due[i] = r.machine.wakes(&r.timers[i], r.hosts[i].Deadline(), r.random)
		due[2+i] = r.machine.wakes(&r.readers[i], r.wires[i].Deadline(), r.random)
	}
	r.now = max(r.now, slices.Min(due[:]))
	for i, h := range r.hosts {
		if due[i] <= r.now {
			h.Advance(r.now)
		}
		if due[3-i] <= r.now {
			r.receive(h, r.wires[1-i])
		}
		for _, _, ok := h.NextReady(); ok; _, _, ok = h.NextReady() {
		}
	}
}

// receive gives a host all that has arrived.
func (r *busyRun) receive(h *host.Host, w *netem.Wire) {
	r.batch = r.batch[:0]
	for p := w.Output(r.now); p != nil; p = w.Output(r.now) {
		r.batch = append(r.batch, p)
		if len(r.batch) == 64 {
			break
		}
	}
	h.ReceiveBatch(r.now, 0, r.batch)
}

// run returns how many Mbit/s arrive, and the median of the round trips beside it.
func (b busyPath) run(t *testing.T, seed uint64) (mbit float64, median time.Duration) {
	t.Helper()
	r := b.start(t, seed)
	for end := r.now.Add(b.lasting); r.now < end; r.step() {
		r.write(r.bulk[0])
		r.got += r.take(1, r.bulk[1])
		r.pings()
	}
	r.release()
	slices.Sort(r.trips)
	return float64(r.got) * 8 / b.lasting.Seconds() / 1e6, r.trips[len(r.trips)/2]
}

// write gives a connection of the near host as much as it takes.
func (r *busyRun) write(e *tcp.Entry) {
	for e.SendSpace() > 0 {
		r.hosts[0].TCP().Send(r.now, e, buf.MakeView(r.block, 0, r.block.Cap()).Retain())
	}
}

// release drops what is under way.
func (r *busyRun) release() {
	for _, w := range r.wires {
		w.Release()
	}
}

func (r *busyRun) take(i int, e *tcp.Entry) (n int) {
	r.views = r.hosts[i].TCP().Take(r.now, e, 1<<30, r.views[:0])
	for _, v := range r.views {
		n += v.Len()
		v.Release()
	}
	return n
}

func (r *busyRun) pings() {
	if n := r.take(1, r.ping[1]); n > 0 {
		r.hosts[1].TCP().Send(r.now, r.ping[1], buf.MakeView(r.block, 0, n).Retain())
	}
	if r.waiting && r.take(0, r.ping[0]) > 0 {
		r.trips, r.waiting = append(r.trips, r.now.Sub(r.pinged)), false
	}
	if !r.waiting && r.now.Sub(r.pinged) >= pingEvery {
		r.hosts[0].TCP().Send(r.now, r.ping[0], buf.MakeView(r.block, 0, 1).Retain())
		r.pinged, r.waiting = r.now, true
	}
}

// A machine whose timers are late and coarse, and whose segments and ACKs come in
// batches, makes a transfer slower by little: what a pace could not send in time it
// makes up for, each segment of a batch is told by SACK, and a round trip that is long
// because of it is taken for no queue.
func TestLateTimers(t *testing.T) {
	for _, k := range []struct {
		algorithm string
		loss      float64
		least     float64 // of the rate on time
		machines  []machine
	}{
		{"cubic", 0, 0.85, []machine{{late: time.Millisecond}, {late: 4 * time.Millisecond}, {late: 15 * time.Millisecond}, {tick: 15625 * time.Microsecond}}},
		{"bbr", 0, 0.85, []machine{{late: time.Millisecond}, {late: 4 * time.Millisecond}, {late: 15 * time.Millisecond}, {tick: 15625 * time.Microsecond}}},
		{"bbr", 0.01, 0.9, []machine{{late: time.Millisecond}, {late: 4 * time.Millisecond}}},
		{"bbr", 0.03, 0.9, []machine{{late: time.Millisecond}, {late: 4 * time.Millisecond}}},
	} {
		b := busyPath{lasting: 6 * time.Second, config: tcp.Config{CongestionControl: k.algorithm, SendBuffer: 8 << 20, ReceiveBuffer: 8 << 20}}
		b.back = netem.Config{Rate: wireRate, Delay: 25 * time.Millisecond, QueueBytes: 625_000}
		b.data = b.back
		b.data.Loss = k.loss
		onTime, _ := b.run(t, 1)
		if onTime < 75 {
			t.Errorf("%s, loss %v: %.1f Mbit/s", k.algorithm, k.loss, onTime)
		}
		for _, m := range k.machines {
			b.machine = m
			if late, _ := b.run(t, 1); late < k.least*onTime {
				t.Errorf("%s, loss %v: %.1f Mbit/s when timers are %v late and tick each %v, %.1f when they are not", k.algorithm, k.loss, late, m.late, m.tick, onTime)
			}
		}
	}
}
