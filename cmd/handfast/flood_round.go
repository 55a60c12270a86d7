package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/inspect"
)

// warmUp is how long the flood lasts before the first honest client comes.
const warmUp = time.Second

// floodResult is what came of a round.
type floodResult struct {
	answered        int
	waits           waits
	lastFail        error
	syns, lost      uint64
	took            time.Duration
	halfOpen, limit int               // the most that there were
	counters        map[string]uint64 // of TcpExt
	behind          map[string]uint64 // of the kernel behind a guard, which should have nothing to do
	memory          int64             // bytes that the heap has grown by
	verdict         string
	kernel          bool // the server is the kernel's
}

// dropped is how many SYNs found the queue full: of the kernel, which counts fewer kinds, all
// that were dropped.
func (r *floodResult) dropped() uint64 {
	if r.kernel {
		return r.counters["ListenDrops"]
	}
	return r.counters["TCPReqQFullDrop"]
}

func (r *floodResult) rate() float64 { return float64(r.syns) / r.took.Seconds() }

// battle is a round while it goes on.
type battle struct {
	arena   *floodArena
	pump    *pump
	clients *honest
	report  *floodReport
	began   time.Time
	most    int // half-open entries
}

// round floods a fresh server with these settings.
func (o *floodOptions) round(ctx context.Context, r *floodReport, number int, f *floodRound) (*floodResult, error) {
	cfg := handfast.Config{Shards: o.shards}
	if err := f.settings.apply(&cfg); err != nil {
		return nil, err
	}
	defer f.settings.close()
	o.record(&cfg)
	a, err := f.arena(o, cfg)
	if a != nil {
		defer a.Close()
	}
	if err != nil {
		return nil, err
	}
	if a.Server != nil {
		defer openControl(a.Server, "flood", o.stderr)()
		defer o.web.serve(a.Server, "flood", o.stderr)()
	}
	if number == 0 {
		r.begin(a)
	}
	r.beginRound(f)
	b := &battle{arena: a, report: r, began: time.Now(),
		pump:    &pump{to: a.flood, syns: newSynMaker(o.sources, a.target, o.seed), fixed: o.rate, count: o.count, arrived: a.server.arrived},
		clients: &honest{dial: a.Dial, url: "http://" + a.target.String() + "/", count: o.clients, over: o.over, patience: o.patience}}
	return b.fight(ctx, f)
}

// ownArena is a host of ours, and a web server on it.
func ownArena(o *floodOptions, cfg handfast.Config) (*floodArena, error) {
	a, err := o.arena(cfg)
	if err != nil {
		return a, err
	}
	a.target = o.address()
	l, err := a.Server.Listen("tcp", fmt.Sprintf(":%d", tryPort))
	if err != nil {
		return a, err
	}
	a.Later(servePage(l))
	return a, nil
}

// servePage answers what a listener accepts, until stop.
func servePage(l net.Listener) (stop func()) {
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })}
	go web.Serve(l) // ends when the listener is closed
	return func() { web.Close() }
}

// fight lets the flood and the clients loose, and waits until the clients are
// done, and the flood too if it has a count.
func (b *battle) fight(ctx context.Context, f *floodRound) (*floodResult, error) {
	before, counted := heap(), b.arena.server.look().Counters["TcpExt"]
	var behind map[string]uint64
	if f.behind != nil {
		behind = f.behind()
	}
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	flooded := make(chan error, 1)
	go func() { flooded <- b.pump.run(flooding) }()
	served := make(chan struct{})
	go func() { b.serveClients(flooding); close(served) }()
	_, ours := b.arena.server.(ourServer)
	res := &floodResult{kernel: !ours}
	err := b.watch(ctx, flooded, served)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	// The flood still goes on: afterwards the queue would be empty, and the memory free.
	b.finish(res, counted)
	if f.behind != nil {
		res.behind = since(f.behind(), behind)
	}
	res.memory = heap() - before
	stop()
	if err == nil {
		<-served
	}
	return res, err
}

// serveClients sends the honest clients, if any, when the flood has begun.
func (b *battle) serveClients(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(warmUp):
		if b.clients.count > 0 {
			b.clients.run(ctx)
			return
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(b.clients.over):
	}
}

// watch shows how it stands until the end.
func (b *battle) watch(ctx context.Context, flooded chan error, served chan struct{}) error {
	tick := time.NewTicker(b.report.interval())
	defer tick.Stop()
	clientsDone, floodDone := false, false
	for !clientsDone || b.pump.count > 0 && !floodDone {
		select {
		case <-ctx.Done():
			return nil
		case err := <-flooded:
			if err != nil {
				return err
			}
			floodDone, flooded = true, nil
		case <-served:
			clientsDone, served = true, nil
		case <-tick.C:
			b.report.live(b)
		}
	}
	return nil
}

// halfOpen returns the half-open entries, and keeps the most that there were.
func (b *battle) halfOpen() (count, limit int) {
	count, limit = b.arena.server.halfOpen()
	b.most = max(b.most, count)
	return count, limit
}

// finish takes stock while the flood still goes on, as an operator would. Counters count
// from what they were before.
func (b *battle) finish(res *floodResult, before map[string]uint64) {
	_, res.limit = b.halfOpen()
	res.took, res.syns, res.lost = time.Since(b.began), b.pump.sent.Load(), b.pump.lost.Load()
	res.answered, _, _ = b.clients.state()
	res.waits = b.clients.times()
	res.lastFail = b.clients.lastFail
	look := b.arena.server.look()
	res.halfOpen, res.counters = b.most, since(look.Counters["TcpExt"], before)
	if look.Flood != nil {
		res.verdict = look.Flood.Text
	}
	b.report.endRound(res, grepSynRecv(look))
}

// since returns by how much counters have grown.
func since(now, before map[string]uint64) map[string]uint64 {
	grown := map[string]uint64{}
	for name, n := range now {
		grown[name] = n - before[name]
	}
	return grown
}

// grepSynRecv is what "handfast netstat -n -p tcp | grep SYN_RECV" prints.
func grepSynRecv(r *inspect.Report) (lines []string) {
	f, err := inspect.ParseFilter("", inspect.ShowNetstat)
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	if err := inspect.WriteNetstat(&out, f.Apply(r.Rows), inspect.NetstatOptions{}); err != nil {
		return nil
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "SYN_RECV") {
			lines = append(lines, line)
		}
	}
	return lines
}

// heap returns how many bytes of the heap are in use.
func heap() int64 {
	runtime.GC() // garbage is not what a flood costs
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
