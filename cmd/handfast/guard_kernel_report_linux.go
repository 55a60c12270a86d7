package main

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/inspect"
)

// countersAsked is how often the detector hears of the programs' counters: at least once in each of
// its ticks.
const countersAsked = 100 * time.Millisecond

// watchedSYNs are what the detector sees of the programs' work.
type watchedSYNs struct {
	mu    sync.Mutex
	told  *kernel.Told
	began time.Time
	sent  uint64 // cookies, at the last look
}

// look tells the detector what was counted.
func (g *kernelGuard) look() error {
	c, err := g.armed.Counters()
	if err != nil {
		return err
	}
	attack, _, err := g.armed.Attack()
	if err != nil {
		return err
	}
	f := &g.flood
	f.mu.Lock()
	defer f.mu.Unlock()
	n := kernel.Handshakes{SYNs: c.SYNs, Completed: kernel.Counters()["Tcp"]["PassiveOpens"], Failed: c.Failed}
	if f.told == nil {
		port := uint16(0)
		if len(g.listen) == 1 {
			port = g.listen[0].Port()
		}
		f.told, f.began = kernel.NewTold(n, port), time.Now()
	}
	f.told.Look(clock.Time(time.Since(f.began))+1, n, detect.Defence{Cookies: g.always() || c.Sent > f.sent, Attack: attack})
	f.sent = c.Sent
	return nil
}

// openReports lets ss and Prometheus ask about the guard.
func (g *kernelGuard) openReports() (stop func(), err error) {
	if err := g.look(); err != nil {
		return nil, err
	}
	silence, err := g.verdicts.publish("guard", g.flood.verdict, g.stderr)
	if err != nil {
		return nil, err
	}
	stopMetrics, err := g.openMetrics(func(w io.Writer) {
		g.collect().WriteMetrics(w) // a failure is the client's to see
		g.writeMetrics(w)
	})
	if err != nil {
		silence()
		return nil, err
	}
	s, err := inspect.ServeReports("guard", g.collect)
	if err != nil {
		g.stderr.printf(cannotAsk, err)
		return func() { stopMetrics(); silence() }, nil
	}
	s.AddMetrics(g.writeMetrics)
	return func() { s.Close(); stopMetrics(); silence() }, nil // what it says is of no use at the end
}

// collect tells of the listeners that are guarded, and what is done for them.
func (g *kernelGuard) collect() *inspect.Report {
	r, err := kernel.Guarded(g.listen)
	if err != nil {
		r = &inspect.Report{Header: inspect.Header{Defence: &inspect.Defence{}}}
	}
	r.Source, r.Name, r.PID, r.Program, r.Time = "handfast", "guard", os.Getpid(), filepath.Base(os.Args[0]), time.Now()
	c, _ := g.armed.Counters() // what cannot be read is 0
	r.Counters = map[string]map[string]uint64{"TcpExt": {"SyncookiesSent": c.Sent, "SyncookiesRecv": c.Received, "SyncookiesFailed": c.Failed}}
	d := r.Defence
	d.Cookies, d.SendingCookies = g.defence.cookies.String(), g.always()
	if !g.always() {
		d.Attack, d.Attacks, _ = g.armed.Attack()
		d.SendingCookies = d.Attack
		for i := range r.Rows { // each has its own threshold: the lowest
			if half := max(1, r.Rows[i].Queue.Limit/2); d.AttackEnter == 0 || half < d.AttackEnter {
				d.AttackEnter, d.AttackLeave = half, half
			}
		}
	}
	r.Flood = g.flood.verdict()
	return r
}

// verdict is what the detector says.
func (f *watchedSYNs) verdict() *inspect.Flood {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told.Verdict()
}

// writeMetrics writes in Prometheus' text format what these programs alone count.
func (g *kernelGuard) writeMetrics(w io.Writer) {
	g.defence.writeMetrics(w)
	g.verdicts.writeMetrics(w)
	c, err := g.armed.Counters()
	if err != nil {
		return
	}
	for _, m := range []struct {
		name, help string
		value      uint64
	}{
		{"syns", "SYNs for what is guarded.", c.SYNs},
		{"syns_passed", "SYNs left to the kernel, as there was no attack.", c.Left},
		{"syns_multipath", "SYNs left to the kernel, as their listener has Multipath TCP.", c.MPTCP},
		{"cookies_sent", "SYNs answered by a cookie.", c.Sent},
		{"cookies_accepted", "Connections from cookies.", c.Received},
		{"cookies_bad", "ACKs without a good cookie that were dropped.", c.Failed},
		{"cookies_refused", "Good cookies that the kernel did not take.", c.Refused},
	} {
		writeFamily(w, "handfast_guard_kernel_"+m.name+"_total", "counter", m.help, m.value)
	}
}
