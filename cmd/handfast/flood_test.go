package main

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
)

// A flood's SYNs are good packets for the target, from sources as was asked.
func TestSynMaker(t *testing.T) {
	for _, own := range stage.OurAddrs {
		target := netip.AddrPortFrom(own.Addr(), tryPort)
		for kind, atMost := range map[string]int{"fixed": 1, "few": fewSources, "random": 1000} {
			m := newSynMaker(kind, target, 1)
			sources := map[wire.Addr]bool{}
			for range 1000 {
				src := checkSyn(t, m.next(nil), target)
				sources[src] = true
				for _, network := range append(stage.KernelAddrs[:2:2], stage.OurAddrs...) {
					if network.Contains(src.Netip()) {
						t.Fatalf("%v is in the network of the flood", src)
					}
				}
			}
			if n := len(sources); n > atMost || kind == "random" && n < 990 || kind == "few" && n < fewSources {
				t.Errorf("%v, %s: %d sources", target, kind, n)
			}
		}
	}
}

// checkSyn returns the source of a SYN that a host would take.
func checkSyn(t *testing.T, b []byte, target netip.AddrPort) wire.Addr {
	t.Helper()
	var ip wire.IP
	var h wire.TCP
	if d := wire.ParseIP(b, &ip); d != wire.None || ip.TotalLen != len(b) {
		t.Fatal(d, ip)
	}
	segment := b[ip.HeaderLen:]
	if sum := wire.Checksum(wire.Sum(segment, wire.PseudoSum(ip.Src, ip.Dst, wire.ProtoTCP, len(segment)))); sum != 0 {
		t.Fatalf("checksum is off by %#x", sum)
	}
	if _, d := wire.ParseTCP(segment, &h); d != wire.None {
		t.Fatal(d)
	}
	if ip.Dst.Netip() != target.Addr() || h.DstPort != target.Port() || h.Flags != wire.SYN || !h.Options.Has(wire.OptWindowScale) {
		t.Fatalf("%v %v", ip, &h)
	}
	return ip.Src
}

// The same seed makes the same flood.
func TestSynMakerReplays(t *testing.T) {
	target := netip.AddrPortFrom(stage.OurAddrs[0].Addr(), tryPort)
	a, b, c := newSynMaker("random", target, 7), newSynMaker("random", target, 7), newSynMaker("random", target, 8)
	if x, y, z := string(a.next(nil)), string(b.next(nil)), string(c.next(nil)); x != y || x == z {
		t.Error("the seed does not decide")
	}
}

// The times are those of the clients in the middle, of the one that 99 of 100 were not behind,
// and of the last.
func TestHonestTimes(t *testing.T) {
	for n, want := range map[int]waits{0: {}, 1: {1, 1, 1}, 2: {2, 2, 2}, 99: {50, 99, 99}, 100: {51, 99, 100}, 101: {51, 100, 101}, 1000: {501, 990, 1000}} {
		var c honest
		for i := range n {
			c.took = append(c.took, time.Duration(n-i))
		}
		if got := c.times(); got != want {
			t.Errorf("%d answers: %d, want %d", n, got, want)
		}
	}
}

// The table has each of the times in its own row, in both languages.
func TestFloodTable(t *testing.T) {
	for lang, rows := range map[story.Lang][]string{
		story.English: {"answer, median 7.00 ms", "answer, p99 80 ms", "answer, longest 1.20 s"},
		story.Chinese: {"中位数 7.00 ms", "p99 80 ms", "最长 1.20 s"},
	} {
		var out bytes.Buffer
		o := &floodOptions{clients: 3}
		o.stdout = terminal{Writer: &out, lang: lang}
		r := &floodReport{floodOptions: o, plan: o.plan(), results: []*floodResult{{answered: 3,
			waits: waits{7 * time.Millisecond, 80 * time.Millisecond, 1200 * time.Millisecond}, took: time.Second}}}
		r.table()
		table := strings.Join(strings.Fields(out.String()), " ")
		for _, row := range rows {
			if !strings.Contains(table, row) {
				t.Errorf("no %q:\n%s", row, &out)
			}
		}
	}
}

// narrowWay takes no more than it has room for.
type narrowWay struct {
	room, taken int
	failure     error
}

func (w *narrowWay) inject(n int, _ *synMaker) (int, error) {
	n = min(n, w.room-w.taken)
	w.taken += n
	return n, w.failure
}

func (w *narrowWay) close() {}

// A pump ends at its count, to the packet.
func TestPumpCount(t *testing.T) {
	way := &narrowWay{room: 1 << 20}
	p := pump{to: way, fixed: 1_000_000, count: 1003, arrived: func() uint64 { return uint64(way.taken) }}
	if err := p.run(context.Background()); err != nil || way.taken != 1003 || p.sent.Load() != 1003 || p.lost.Load() != 0 {
		t.Error(err, way.taken, p.sent.Load(), p.lost.Load())
	}
}

// A pump is done when what it has sent has arrived, or no more of it comes.
func TestPumpSettles(t *testing.T) {
	for _, comes := range []uint64{1003, 998} {
		got := uint64(0)
		p := pump{to: &narrowWay{room: 1 << 20}, fixed: 1_000_000, count: 1003, arrived: func() uint64 {
			got = min(got+5, comes)
			return got
		}}
		if err := p.run(context.Background()); err != nil || got != comes {
			t.Errorf("of %d that come, %d had: %v", comes, got, err)
		}
	}
}

// What the way does not take is counted, and a way that is broken ends it.
func TestPumpLoss(t *testing.T) {
	way := &narrowWay{room: 70}
	p := pump{to: way}
	budget := 500.0
	if lost, err := p.spend(&budget); !lost || err != nil || p.sent.Load() != 70 || p.lost.Load() != 58 {
		t.Error(lost, err, p.sent.Load(), p.lost.Load())
	}
	broken := errors.New("broken")
	p = pump{to: &narrowWay{room: 1 << 20, failure: broken}, fixed: 1000}
	if err := p.run(context.Background()); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// The rate falls fast, rises slowly, and stays within bounds.
func TestPumpRate(t *testing.T) {
	if r := nextRate(10_000, true); r != 7000 {
		t.Error(r)
	}
	if r := nextRate(10_000, false); r <= 10_000 || r > 10_100 {
		t.Error(r)
	}
	if lo, hi := nextRate(lowestRate, true), nextRate(topRate, false); lo != lowestRate || hi != topRate {
		t.Error(lo, hi)
	}
}

// When less arrives than was sent, the rate becomes what arrives.
func TestPumpGauge(t *testing.T) {
	var p pump
	p.arrived = func() uint64 { return 2500 }
	p.sent.Store(5000)
	g := gauge{pump: &p}
	start := g.at
	if r := g.limit(start.Add(gaugeTime / 2)); r != topRate {
		t.Error("too early:", r)
	}
	if r := g.limit(start.Add(gaugeTime)); r != 45_000 { // 2500 in 50 ms, less a tenth
		t.Error(r)
	}
	p.sent.Store(5100)
	p.arrived = func() uint64 { return 2599 }
	if r := g.limit(start.Add(2 * gaugeTime)); r != topRate {
		t.Error("hardly any loss:", r)
	}
}
