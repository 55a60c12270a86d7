package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// floodReport is what flood prints.
type floodReport struct {
	*floodOptions
	results []*floodResult
	dirty   bool // the live line stands on the terminal
}

func (r *floodReport) printf(format string, args ...any) {
	r.clear()
	fmt.Fprintf(r.stdout.report(), format, args...)
}

// tabular writes a line of a table, which no terminal may break.
func (r *floodReport) tabular(line string) {
	r.clear()
	fmt.Fprintln(r.stdout, line)
}

// clear takes the live line away.
func (r *floodReport) clear() {
	if r.dirty {
		fmt.Fprint(r.stdout, "\r\x1b[K")
		r.dirty = false
	}
}

func (r *floodReport) bold(s string) string {
	if !r.stdout.color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

func (r *floodReport) begin(a *floodArena) {
	rate := "as many as the way takes"
	if r.rate > 0 {
		rate = fmt.Sprintf("%s a second", formatCount(r.rate))
	}
	r.printf("%s\n\n", r.bold("A SYN flood against Handfast, and honest clients on "+a.Client))
	r.printf("  link      %s\n  server    http://%v\n  flood     %s sources, %s, seed %d\n  clients   %d, over %v, each waits %v\n",
		a.Link, r.address(), r.sources, rate, r.seed, r.clients, r.over, r.patience)
}

func (d *defenceOptions) String() string {
	return fmt.Sprintf("--cookies %v --half-open %d --synack-retries %d --attack-mode %s", tcp.CookieMode(d.cookies), d.halfOpen, d.synAckRetries, d.attackMode)
}

func (r *floodReport) beginRound(number int, d *defenceOptions) {
	name := "With these settings: "
	if r.demo {
		name = []string{"1. Without the defence: ", "2. With the defence, as it is by default: "}[number]
	}
	r.printf("\n%s\n\n", r.bold(name+d.String()))
}

// interval is how often the live line is shown.
func (r *floodReport) interval() time.Duration {
	if r.stdout.interactive {
		return 200 * time.Millisecond
	}
	return time.Second
}

// live shows how it stands: on a terminal always on the same line.
func (r *floodReport) live(b *battle) {
	took := time.Since(b.began)
	halfOpen, limit := b.halfOpen()
	answered, failed, waiting := b.clients.state()
	sent := b.pump.sent.Load()
	line := fmt.Sprintf("  %4.1f s  %s SYNs, %s/s  half-open %d/%d  clients: %d answered, %d waiting, %d gave up", took.Seconds(),
		formatCount(sent), formatCount(uint64(float64(sent)/took.Seconds())), halfOpen, limit, answered, waiting, failed)
	if !r.stdout.interactive {
		r.printf("%s\n", line)
		return
	}
	short := fmt.Sprintf("  %4.1f s  queue %d/%d  %d answered, %d wait, %d gave up", took.Seconds(), halfOpen, limit, answered, waiting, failed)
	shortest := fmt.Sprintf("  %4.1f s  %d/%d  %d of %d answered", took.Seconds(), halfOpen, limit, answered, r.clients)
	line = r.stdout.oneLine(line, short, shortest)
	fmt.Fprintf(r.stdout, "\r\x1b[K%s", line)
	r.dirty = true
}

// stopped says that the user has pressed Ctrl-C; of rounds that are over, the
// result is shown.
func (r *floodReport) stopped() error {
	r.printf("  stopped\n")
	if len(r.results) > 0 {
		r.table()
	}
	return exitError(exitInterrupted)
}

// shownLines is how many lines of netstat are shown.
const shownLines = 3

func (r *floodReport) endRound(res *floodResult, netstat []string) {
	r.printf("\n  $ handfast netstat -n -p tcp | grep SYN_RECV      (%d lines)\n", len(netstat))
	for _, line := range netstat[:min(len(netstat), shownLines)] {
		r.tabular("  " + strings.TrimRight(line, "\n"))
	}
	switch {
	case len(netstat) > shownLines:
		r.printf("  …\n")
	case len(netstat) == 0 && res.counters.TCP.SyncookiesSent > 0:
		r.printf("  nothing is kept of a SYN: each is answered with a cookie\n")
	}
	if res.verdict != "" {
		r.printf("\n  $ handfast ss --flood\n  %s\n", res.verdict)
	}
	r.printf("\n  %s\n", r.bold(fmt.Sprintf("%d of %d honest clients had their answer", res.answered, r.clients)))
}

// table compares the rounds.
func (r *floodReport) table() {
	heads := []string{"with these settings"}
	if r.demo {
		heads = []string{"without", "with the defence"}
	}
	r.printf("\n")
	r.row("", func(i int) string { return heads[i] })
	r.row("honest clients answered", r.each(func(f *floodResult) string { return fmt.Sprintf("%d of %d", f.answered, r.clients) }))
	r.row("time to an answer, median", r.each(func(f *floodResult) string { return formatTime(f.median) }))
	r.row("time to an answer, longest", r.each(func(f *floodResult) string { return formatTime(f.longest) }))
	r.row("SYNs of the flood", r.each(func(f *floodResult) string { return formatCount(f.syns) }))
	r.row("a second", r.each(func(f *floodResult) string { return formatCount(uint64(f.rate())) }))
	r.row("half-open entries, most", r.each(func(f *floodResult) string { return fmt.Sprintf("%d/%d", f.halfOpen, f.limit) }))
	r.row("SYNs dropped, queue full", r.each(func(f *floodResult) string { return formatCount(f.counters.TCP.TCPReqQFullDrop) }))
	r.row("cookies sent", r.each(func(f *floodResult) string { return formatCount(f.counters.TCP.SyncookiesSent) }))
	r.row("connections from cookies", r.each(func(f *floodResult) string { return formatCount(f.counters.TCP.SyncookiesRecv) }))
	r.row("heap grown by", r.each(func(f *floodResult) string { return formatSize(max(f.memory, 0)) }))
}

func (r *floodReport) each(cell func(*floodResult) string) func(int) string {
	return func(i int) string { return cell(r.results[i]) }
}

func (r *floodReport) row(name string, cell func(int) string) {
	var b strings.Builder
	fmt.Fprintf(&b, "  %-28s", name)
	for i := range r.results {
		fmt.Fprintf(&b, "%18s", cell(i))
	}
	r.tabular(strings.TrimRight(b.String(), " "))
}

// formatTime writes a time with a sensible unit; 0 is none.
func formatTime(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
