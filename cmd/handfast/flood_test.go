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

// The window falls fast, rises slowly, and stays within bounds.
func TestPumpWindow(t *testing.T) {
	w := window{size: 200}
	if w.took(0, true); w.size != 140 {
		t.Error(w.size)
	}
	if w.took(0, false); w.size != 141 {
		t.Error(w.size)
	}
	for full, bound := range map[bool]uint64{true: leastOnWay, false: mostOnWay} {
		for range 2000 {
			w.took(0, full)
		}
		if w.size != bound {
			t.Error(full, w.size)
		}
	}
}

// Of a queue no more is taken than the window, however slow the host is, and whatever honest
// clients send besides; and it takes what the host does.
func TestPumpLeavesRoom(t *testing.T) {
	const queue, honest, ticks = 500, 3, 20_000
	for _, each := range []uint64{1, 50, 200, 5000} { // segments that the host takes in a tick
		var waiting, taken, sent uint64
		now := time.Time{}
		w := newWindow(func() uint64 { return taken }, now)
		for tick := range ticks {
			n := min(waiting, each)
			waiting, taken = waiting-n, taken+n
			now = now.Add(time.Millisecond)
			room := w.room(now)
			if waiting+room+honest > queue {
				t.Fatalf("%d a tick: %d wait, and %d more", each, waiting, room)
			}
			sent += room
			waiting += room
			if each > 1 && tick%40 == 0 { // of 2000 at the least
				waiting += honest
			}
			w.took(room, false)
		}
		if rate := sent / ticks; rate < min(each, mostOnWay)/2 {
			t.Errorf("%d a tick: %d were sent", each, rate)
		}
	}
}

// What a way loses in silence does not stop the flood for good, and a host that only comes late
// does not slow it down.
func TestPumpOverASilentLoss(t *testing.T) {
	var arrived uint64
	now := time.Time{}
	w := newWindow(func() uint64 { return arrived }, now)
	w.took(leastOnWay, false)
	for now = now.Add(time.Millisecond); now.Before(time.Time{}.Add(stillTime)); now = now.Add(time.Millisecond) {
		if room := w.room(now); room > 1 {
			t.Fatal(room)
		}
	}
	if room := w.room(now); room != leastOnWay {
		t.Error(room, "after a silent loss")
	}
	w.took(leastOnWay, false)
	size := w.size
	arrived += leastOnWay
	if room := w.room(now.Add(stillTime / 2)); room != size {
		t.Error(room, size)
	}
}
