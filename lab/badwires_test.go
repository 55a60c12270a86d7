package lab

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/netem"
)

var badWires = flag.Bool("badwires", false, "measure all of the table of bad wires, not a part")

// badWire is a wire of 100 Mbit/s with a queue of one bandwidth-delay product, and
// what it does to data segments. ACKs only take their time.
type badWire struct {
	oneWay    time.Duration
	loss      float64
	reorder   float64
	algorithm string
	tick      time.Duration // of the hosts' clock; 0: it is exact
	fat       bool          // of 1 Gbit/s, and with the buffers that hosts have by default
}

const (
	wireRate     = 100e6
	transferTime = 10 * time.Second
	wireSeeds    = 3
)

// transfer is one bulk transfer between two hosts in virtual time.
type transfer struct {
	now   clock.Time
	tick  time.Duration
	hosts [2]*host.Host
	wires [2]*netem.Wire
	conns [2]*tcp.Entry
	block *buf.Block
	got   int
}

func (b badWire) transfer(t *testing.T, seed uint64) *transfer {
	t.Helper()
	x := &transfer{now: start, tick: max(b.tick, 1), block: buf.Get(buf.LargeSize)}
	rate, buffers := uint64(wireRate), 8<<20
	if b.fat {
		rate, buffers = 1e9, 0
	}
	queue := int(float64(rate) / 8 * 2 * b.oneWay.Seconds())
	x.wires[0] = netem.New(netem.Config{Delay: b.oneWay, Loss: b.loss, Reorder: b.reorder, ReorderDelay: 10 * time.Millisecond,
		Rate: rate, QueueBytes: max(queue, 20*1500)}, seed)
	x.wires[1] = netem.New(netem.Config{Delay: b.oneWay}, seed)
	for i := range x.hosts {
		cfg := host.Config{TCP: tcp.Config{SendBuffer: buffers, ReceiveBuffer: buffers, CongestionControl: b.algorithm}}
		cfg.TCP.Secret[0], cfg.TCP.Secret[1] = byte(i), byte(seed)
		x.hosts[i] = host.New(cfg)
		link := x.hosts[i].AddLink(host.LinkConfig{Name: "wire", MTU: 1500})
		if err := x.hosts[i].AddAddress(link, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := x.hosts[1].TCP().Listen(wire.Addr{}, 80, 1, "listener")
	if err != nil {
		t.Fatal(err)
	}
	x.connect(t)
	for x.conns[1] == nil {
		x.step()
		x.conns[1] = x.hosts[1].TCP().Accept(l)
	}
	return x
}

func (x *transfer) connect(t *testing.T) {
	a, b := wire.AddrFrom4(10<<24|1), wire.AddrFrom4(10<<24|2)
	en, err := x.hosts[0].Connect(x.seen(), a, 4000, b, 80, "client")
	if err != nil {
		t.Fatal(err)
	}
	x.conns[0] = en
}

// seen is the time as the hosts' clock has it.
func (x *transfer) seen() clock.Time { return x.now - x.now%clock.Time(x.tick) }

// due is when the clock shows what the first of the hosts waits for.
func (x *transfer) due() clock.Time {
	at := min(x.hosts[0].Deadline(), x.hosts[1].Deadline())
	if at == clock.Never {
		return at
	}
	at += clock.Time(x.tick) - 1
	return at - at%clock.Time(x.tick)
}

// step goes to the next thing that happens.
func (x *transfer) step() {
	for i, h := range x.hosts {
		for p, _ := h.Output(x.seen()); p != nil; p, _ = h.Output(x.seen()) {
			x.wires[i].Input(x.now, p)
		}
	}
	x.now = max(x.now, min(x.due(), x.wires[0].Deadline(), x.wires[1].Deadline()))
	for i, h := range x.hosts {
		for p := x.wires[1-i].Output(x.now); p != nil; p = x.wires[1-i].Output(x.now) {
			h.Receive(x.seen(), 0, p)
		}
		if h.Deadline() <= x.seen() {
			h.Advance(x.seen())
		}
		for _, _, ok := h.NextReady(); ok; _, _, ok = h.NextReady() {
		}
	}
}

// run has a program at one end write as much as it may, and one at the other read all,
// for some time.
func (x *transfer) run(d time.Duration) {
	var views []buf.View
	for end := x.now.Add(d); x.now < end; x.step() {
		for x.conns[0].SendSpace() > 0 {
			x.hosts[0].TCP().Send(x.seen(), x.conns[0], buf.MakeView(x.block, 0, x.block.Cap()).Retain())
		}
		views = x.hosts[1].TCP().Take(x.seen(), x.conns[1], 1<<30, views[:0])
		for _, v := range views {
			x.got += v.Len()
			v.Release()
		}
	}
}

func (x *transfer) release() {
	for _, w := range x.wires {
		w.Release()
	}
}

// goodput returns how many Mbit/s a program reads at the other end.
func (b badWire) goodput(t *testing.T, seed uint64) float64 {
	t.Helper()
	goodput, _ := b.measure(t, seed)
	return goodput
}

// measure returns the goodput, and how many segments were sent again that the wire had
// not dropped.
func (b badWire) measure(t *testing.T, seed uint64) (goodput float64, needless int) {
	t.Helper()
	x := b.transfer(t, seed)
	x.run(transferTime)
	dropped := x.wires[0].Counters()
	needless = int(x.conns[0].Info(x.seen()).TotalRetrans) - int(dropped.Lost+dropped.Overflow)
	x.release()
	return float64(x.got) * 8 / transferTime.Seconds() / 1e6, needless
}

// row is the line of a wire in the table: the goodput with each seed.
func (b badWire) row(t *testing.T) string {
	var line strings.Builder
	fmt.Fprintf(&line, "%-6s %5v %6.1f%% %6.1f%%", b.algorithm, 2*b.oneWay, 100*b.loss, 100*b.reorder)
	for seed := range uint64(wireSeeds) {
		fmt.Fprintf(&line, " %6.1f", b.goodput(t, seed+1))
	}
	return line.String()
}

const badWireTable = "testdata/badwires.txt"

// TestBadWires holds what a transfer brings over bad wires against the table that is
// kept, so that a change shows in review. Without -badwires it looks at one path, and
// fails only where that differs; -rewrite keeps what it measures.
func TestBadWires(t *testing.T) {
	kept, _ := os.ReadFile(badWireTable)
	var table strings.Builder
	table.WriteString("# Goodput in Mbit/s of 10 s over 100 Mbit/s, queue of one BDP, buffers of 8 MiB, three seeds.\n")
	table.WriteString("# algorithm, round trip, loss, reordered by 10 ms\n")
	all := *badWires || *rewrite
	for _, algorithm := range []string{"reno", "cubic", "bbr"} {
		for _, oneWay := range []time.Duration{time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond} {
			for _, c := range [][2]float64{{0, 0}, {0.001, 0}, {0.01, 0}, {0.03, 0}, {0, 0.01}} {
				b := badWire{oneWay, c[0], c[1], algorithm, 0, false}
				if !all && (oneWay != 25*time.Millisecond || algorithm != cc.Default || testing.Short()) {
					continue
				}
				line := b.row(t)
				if !strings.Contains(string(kept), line+"\n") && !*rewrite {
					t.Errorf("not in %s (-rewrite accepts it): %s", badWireTable, line)
				}
				table.WriteString(line + "\n")
			}
		}
	}
	if *rewrite {
		if err := os.WriteFile(badWireTable, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCoarseClocks: what the wire has not dropped is not sent again, and a transfer
// takes about as long, when the hosts' clock ticks as slowly as some systems' do, also
// when many round trips go into a tick.
func TestCoarseClocks(t *testing.T) {
	for _, algorithm := range []string{"reno", "cubic"} {
		for _, oneWay := range []time.Duration{time.Millisecond, 25 * time.Millisecond} {
			for _, loss := range []float64{0, 0.01} {
				if testing.Short() && (algorithm != cc.Default || loss == 0) {
					continue
				}
				exact, _ := badWire{oneWay, loss, 0, algorithm, 0, false}.measure(t, 1)
				for _, tick := range []time.Duration{500 * time.Microsecond, 15 * time.Millisecond} {
					got, needless := badWire{oneWay, loss, 0, algorithm, tick, false}.measure(t, 1)
					if needless > 0 || got < 0.9*exact {
						t.Errorf("%s, %v each way, loss %v, tick %v: %.1f Mbit/s, %.1f with an exact clock; %d segments sent again for nothing",
							algorithm, oneWay, loss, tick, got, exact, needless)
					}
				}
			}
		}
	}
}
