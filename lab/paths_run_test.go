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

// sharedPath is a path with one bottleneck, and who shares it: a bulk transfer for
// each name of a congestion control, the later ones one to two seconds after each other.
type sharedPath struct {
	rate    uint64 // bits per second
	trip    time.Duration
	queue   float64 // in bandwidth-delay products
	loss    float64
	reorder float64
	flows   []string
	lasting time.Duration
	from    time.Duration // what is measured begins here
}

// reorderedBy is how much later a packet comes that is reordered.
const reorderedBy = 10 * time.Millisecond

// sharedRun is a run of it.
type sharedRun struct {
	sharedPath
	now   clock.Time
	hosts [2]*host.Host
	wires [2]*netem.Wire
	l     *tcp.Listener
	conns [2][]*tcp.Entry
	block *buf.Block
	views []buf.View

	sent   clock.Time      // when the bottleneck will have sent all that it has taken
	waited []time.Duration // what the packets that were measured waited for it
	got    []int           // bytes, of each flow, that were measured
}

// bdp is the bandwidth-delay product in bytes.
func (k sharedPath) bdp() int { return int(float64(k.rate) / 8 * k.trip.Seconds()) }

func (k sharedPath) start(t *testing.T, seed uint64) *sharedRun {
	x := &sharedRun{sharedPath: k, now: start, block: buf.Get(buf.LargeSize), got: make([]int, len(k.flows))}
	queue := max(int(k.queue*float64(k.bdp())), 4*1500)
	x.wires[0] = netem.New(netem.Config{Delay: k.trip / 2, Loss: k.loss, Reorder: k.reorder, ReorderDelay: reorderedBy, Rate: k.rate, QueueBytes: queue}, seed)
	x.wires[1] = netem.New(netem.Config{Delay: k.trip / 2}, seed)
	buffer := max(4<<20, 2*(k.bdp()+queue))
	for i := range x.hosts {
		cfg := host.Config{TCP: tcp.Config{SendBuffer: buffer, ReceiveBuffer: buffer}}
		cfg.TCP.Secret[0], cfg.TCP.Secret[1] = byte(i), byte(seed)
		x.hosts[i] = host.New(cfg)
		link := x.hosts[i].AddLink(host.LinkConfig{Name: "wire", MTU: 1500})
		if err := x.hosts[i].AddAddress(link, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := x.hosts[1].TCP().Listen(wire.Addr{}, 80, len(k.flows), "listener")
	if err != nil {
		t.Fatal(err)
	}
	x.l = l
	return x
}

// open begins the next flow.
func (x *sharedRun) open(t *testing.T) {
	n := len(x.conns[0])
	en, err := x.hosts[0].Connect(x.now, wire.AddrFrom4(10<<24|1), uint16(4000+n), wire.AddrFrom4(10<<24|2), 80, "client")
	if err != nil {
		t.Fatal(err)
	}
	x.conns[0] = append(x.conns[0], en)
	for len(x.conns[1]) <= n {
		x.step()
		if en := x.hosts[1].TCP().Accept(x.l); en != nil {
			x.conns[1] = append(x.conns[1], en)
		}
	}
	if err := x.hosts[0].TCP().SetCongestionControl(x.now, en, x.flows[n]); err != nil {
		t.Fatal(err)
	}
}

// step goes to the next thing that happens.
func (x *sharedRun) step() {
	for i, h := range x.hosts {
		for p, _ := h.Output(x.now); p != nil; p, _ = h.Output(x.now) {
			x.put(i, p)
		}
	}
	x.now = max(x.now, min(x.hosts[0].Deadline(), x.hosts[1].Deadline(), x.wires[0].Deadline(), x.wires[1].Deadline()))
	for i, h := range x.hosts {
		for p := x.wires[1-i].Output(x.now); p != nil; p = x.wires[1-i].Output(x.now) {
			h.Receive(x.now, 0, p)
		}
		if h.Deadline() <= x.now {
			h.Advance(x.now)
		}
		for _, _, ok := h.NextReady(); ok; _, _, ok = h.NextReady() {
		}
	}
	x.work()
}

// put gives a packet to a wire, and notes how long it waits for the bottleneck.
func (x *sharedRun) put(i int, p *buf.Packet) {
	size, w := p.Len(), x.wires[i]
	before := w.Counters()
	w.Input(x.now, p)
	if after := w.Counters(); i == 0 && after.Lost == before.Lost && after.Overflow == before.Overflow {
		x.sent = max(x.sent, x.now)
		if x.measured() {
			x.waited = append(x.waited, x.sent.Sub(x.now))
		}
		x.sent = x.sent.Add(time.Duration(uint64(size) * 8 * uint64(time.Second) / x.rate))
	}
}

func (x *sharedRun) measured() bool { return x.now.Sub(start) >= x.from }

// work has the programs write and read all that they can.
func (x *sharedRun) work() {
	for i, en := range x.conns[0] {
		for en.SendSpace() > 0 {
			x.hosts[0].TCP().Send(x.now, en, buf.MakeView(x.block, 0, x.block.Cap()).Retain())
		}
		if i >= len(x.conns[1]) {
			continue
		}
		x.views = x.hosts[1].TCP().Take(x.now, x.conns[1][i], 1<<30, x.views[:0])
		for _, v := range x.views {
			if x.measured() {
				x.got[i] += v.Len()
			}
			v.Release()
		}
	}
}

// run plays it.
func (k sharedPath) run(t *testing.T, seed uint64) *sharedRun {
	t.Helper()
	x := k.start(t, seed)
	r := rand.New(rand.NewPCG(seed, 5))
	for next, end := start, start.Add(k.lasting); x.now < end; x.step() {
		if x.now >= next && len(x.conns[0]) < len(k.flows) {
			x.open(t)
			next = x.now.Add(time.Second + time.Duration(r.IntN(1000))*time.Millisecond)
		}
	}
	for i, list := range x.conns {
		for _, en := range list {
			x.hosts[i].TCP().Abort(x.now, en)
		}
	}
	for _, w := range x.wires {
		w.Release()
	}
	return x
}

// goodput is how many Mbit/s a flow brought.
func (x *sharedRun) goodput(flow int) float64 {
	return float64(x.got[flow]) * 8 / (x.lasting - x.from).Seconds() / 1e6
}

// waiting returns the middle and the twentieth longest of a hundred waits, in ms.
func (x *sharedRun) waiting() (p50, p95 float64) {
	if len(x.waited) == 0 {
		return 0, 0
	}
	slices.Sort(x.waited)
	at := func(percent int) float64 { return float64(x.waited[len(x.waited)*percent/100]) / 1e6 }
	return at(50), at(95)
}
