package tcp

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// many is n times HANDFAST_MANY, which is 1 where it is not set, and a quarter with
// -short: what CI has a part of.
func many(n int) int {
	times, err := strconv.Atoi(os.Getenv("HANDFAST_MANY"))
	if err != nil || times < 1 {
		times = 1
	}
	if alike.Raced { // it is for other things
		return n / 20
	}
	return times * int(few(uint64(n)))
}

// crowded opens n connections to e, with the window of their last ACK.
func crowded(t *testing.T, e *Endpoint, l *Listener, now clock.Time, n int, window uint16) []*Entry {
	all := make([]*Entry, n)
	for i := range all {
		name := numbered(false, i)
		syn := synSegment(name, 100, true)
		e.Receive(now, path1500, &name, &syn)
		synAck, _ := drain(e, now)
		ack := ackOf(name, 100, synAck.TCP)
		ack.Window = window
		e.Receive(now, path1500, &name, &ack)
		if all[i] = e.Accept(l); all[i] == nil {
			t.Fatalf("connection %d does not open", i)
		}
		drain(e, now)
	}
	return all
}

// empty closes all connections, half of them by a reset, has the peers do the same, and
// lets TIME-WAIT pass. It holds that nothing is left of them, in a table or in a queue.
func empty(t *testing.T, e *Endpoint, now clock.Time, all []*Entry) {
	t.Helper()
	for i, en := range all {
		if i%2 == 0 {
			e.Abort(now, en)
			drain(e, now)
			continue
		}
		e.Close(now, en)
		drain(e, now)
		name := en.tuple
		fin := Segment{TCP: wire.TCP{SrcPort: name.RemotePort, DstPort: name.LocalPort, Seq: en.rcv.nxt, Ack: en.snd.nxt, Flags: wire.ACK | wire.FIN, Window: 500}}
		fin.Options.Set, fin.Options.TSVal = wire.OptTimestamps, en.ts.recent+1
		e.Receive(now, path1500, &name, &fin)
		drain(e, now)
	}
	clear(all)
	for e.Deadline() != clock.Never {
		now = max(now, e.Deadline())
		e.Advance(now)
		drain(e, now)
	}
	used, _, _ := e.BufferMemory()
	if e.Len() != 0 || e.due.len() != 0 || used != 0 {
		t.Errorf("%d connections, %d deadlines and %d bytes of text are left", e.Len(), e.due.len(), used)
	}
}

// bytesIn returns how many bytes live objects take.
func bytesIn() int64 {
	runtime.GC()
	runtime.GC() // what pools hold outlives the first one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// allocations returns how many f makes. What is counted is the process's, and others may
// make some meanwhile: timers of the tests, and the garbage collector, which also empties
// pools. So it sleeps, and of several runs the least is f's own.
func allocations(f func()) float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := math.Inf(1)
	for range allocationRuns / 2 {
		least = min(least, testing.AllocsPerRun(1, f)) // which runs it once more before
	}
	return least
}

// allocationRuns is how often allocations runs it.
const allocationRuns = 8

// A hundred thousand idle connections, or a million with HANDFAST_MANY=10, are less than
// a kilobyte each. An hour of keep-alive takes nothing more, and when all have closed it
// is as it was before.
func TestIdleConnections(t *testing.T) {
	e, l := server(t, Config{MaxTimeWait: MaxEntries})
	now, before := clock.Time(time.Hour), bytesIn()
	all := crowded(t, e, l, now, many(100_000), 500)
	took := bytesIn() - before
	if each := took / int64(len(all)); each > 1024 {
		t.Errorf("each of %d takes %d bytes", len(all), each)
	} else {
		t.Logf("each of %d takes %d bytes", len(all), each)
	}
	for _, en := range all {
		e.SetKeepAlive(now, en, KeepAlive{Idle: 2 * time.Hour, Interval: time.Minute, Count: 9})
	}
	drain(e, now)
	now = now.Add(time.Hour)
	e.Advance(now)
	if _, n := drain(e, now); n != 0 {
		t.Errorf("%d segments of idle connections", n)
	}
	if more := bytesIn() - before - took; more > int64(len(all))*64 {
		t.Errorf("keep-alive takes %d bytes more", more)
	}
	empty(t, e, now, all)
	if left := bytesIn() - before; left > 1<<20 {
		t.Errorf("%d bytes are left", left)
	}
	runtime.KeepAlive(e)
}

// A hundred thousand peers that never open their windows hold what was written to them
// and no more, however long they are probed; each probe is one segment, and they come
// less and less often. When the program lets go of them they end.
func TestZeroWindowPeers(t *testing.T) {
	e, l := server(t, Config{MaxTimeWait: MaxEntries})
	now, before := clock.Time(time.Hour), bytesIn()
	all := crowded(t, e, l, now, many(100_000), 0)
	for _, en := range all {
		e.SendCopy(now, en, make([]byte, 100))
		drain(e, now)
	}
	var took [2]int64
	for minute := range took {
		probes := 0
		for end := now.Add(time.Minute); e.Deadline() < end; {
			now = max(now, e.Deadline())
			e.Advance(now)
			_, n := drain(e, now)
			probes += n
		}
		if most := 9 * len(all) >> (2 * minute); probes < len(all)/2 || probes > most {
			t.Errorf("%d probes in minute %d", probes, minute)
		}
		took[minute] = bytesIn() - before
	}
	t.Logf("each of %d takes %d bytes", len(all), took[1]/int64(len(all)))
	if each := took[1] / int64(len(all)); each > 2048 || took[1] > took[0]+1<<20 {
		t.Errorf("each of %d takes %d bytes, which were %d", len(all), each, took[0]/int64(len(all)))
	}
	empty(t, e, now, all)
	if left := bytesIn() - before; left > 1<<20 {
		t.Errorf("%d bytes are left", left)
	}
	runtime.KeepAlive(e)
}
