package main

import (
	"bytes"
	"context"
	"fmt"
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
	settings        defenceOptions
	answered        int
	median, longest time.Duration
	lastFail        error
	syns, lost      uint64
	took            time.Duration
	halfOpen, limit int // the most that there were
	counters        handfast.Counters
	memory          int64 // bytes that the heap has grown by
	verdict         string
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

// round floods a fresh host with these settings.
func (o *floodOptions) round(ctx context.Context, r *floodReport, number int, d defenceOptions) (*floodResult, error) {
	var cfg handfast.Config
	if err := d.apply(&cfg); err != nil {
		return nil, err
	}
	o.record(&cfg)
	a, err := o.arena(cfg)
	if a != nil {
		defer a.Close()
	}
	if err != nil {
		return nil, err
	}
	l, err := a.Server.Listen("tcp", fmt.Sprintf(":%d", tryPort))
	if err != nil {
		return nil, err
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })}
	go web.Serve(l) // ends when the listener is closed
	defer web.Close()
	defer openControl(a.Server, "flood", o.stderr)()
	if number == 0 {
		r.begin(a)
	}
	r.beginRound(number, &d)
	b := &battle{arena: a, report: r, began: time.Now(),
		pump: &pump{to: a.flood, syns: newSynMaker(o.sources, o.address(), o.seed), fixed: o.rate, count: o.count,
			arrived: func() uint64 { return a.Server.Counters().TcpInSegs }},
		clients: &honest{dial: a.Dial, url: "http://" + o.address().String() + "/", count: o.clients, over: o.over, patience: o.patience}}
	return b.fight(ctx, d)
}

// fight lets the flood and the clients loose, and waits until the clients are
// done, and the flood too if it has a count.
func (b *battle) fight(ctx context.Context, d defenceOptions) (*floodResult, error) {
	before := heap()
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	flooded := make(chan error, 1)
	go func() { flooded <- b.pump.run(flooding) }()
	served := make(chan struct{})
	go func() { b.serveClients(flooding); close(served) }()
	res := &floodResult{settings: d}
	err := b.watch(ctx, flooded, served)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	// The flood still goes on: afterwards the queue would be empty, and the memory free.
	b.finish(res)
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
	d := b.arena.Server.Defence()
	b.most = max(b.most, d.HalfOpen)
	return d.HalfOpen, d.MaxHalfOpen
}

// finish takes stock while the flood still goes on, as an operator would.
func (b *battle) finish(res *floodResult) {
	_, res.limit = b.halfOpen()
	res.took, res.syns, res.lost = time.Since(b.began), b.pump.sent.Load(), b.pump.lost.Load()
	res.answered, _, _ = b.clients.state()
	res.median, res.longest = b.clients.times()
	res.lastFail = b.clients.lastFail
	res.halfOpen, res.counters = b.most, b.arena.Server.Counters()
	look := inspect.Collect(b.arena.Server, "flood", 0)
	if look.Flood != nil {
		res.verdict = look.Flood.Text
	}
	b.report.endRound(res, grepSynRecv(look))
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
