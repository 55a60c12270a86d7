package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/story"
)

// floodReport is what flood prints.
type floodReport struct {
	*floodOptions
	plan    []*floodRound
	results []*floodResult
	dirty   bool // the live line stands on the terminal
}

func (r *floodReport) printf(format say.Text, args ...any) {
	r.clear()
	r.stdout.printf(format, args...)
}

// in returns a text in the language of the report.
func (r *floodReport) in(t say.Text) string { return t[r.stdout.lang] }

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

var (
	guardTitle    = say.Text{"A SYN flood against a server on the kernel's TCP, without and behind a guard", "对使用内核 TCP 的服务器的 SYN 泛洪：没有 guard，以及在 guard 后面"}
	floodTitle    = say.Text{"A SYN flood against Handfast, and honest clients on %s", "对 Handfast 的 SYN 泛洪，正常客户端使用%s"}
	floodSettings = say.Text{
		story.English: "  link      %s\n  server    http://%v\n  flood     %s sources, %s, seed %d\n  clients   %d, over %v, each waits %v\n",
		story.Chinese: "  链路    %s\n  服务器  http://%v\n  泛洪    来源 %s，%s，种子 %d\n  客户端  %d 个，在 %v 内到来，每个最多等待 %v\n",
	}
)

func (r *floodReport) begin(a *floodArena) {
	rate := r.in(say.Text{"as many as the link carries", "链路能承受的最大速率"})
	if r.rate > 0 {
		rate = fmt.Sprintf(r.in(say.Text{"%s a second", "每秒 %s 个"}), formatCount(r.rate))
	}
	title := fmt.Sprintf(r.in(floodTitle), r.in(a.Client))
	if r.guard {
		title = r.in(guardTitle)
	}
	r.printf(say.All("%s\n\n"), r.bold(title))
	r.printf(floodSettings, r.in(a.Link), a.target, r.sources, rate, r.seed, r.clients, r.over, r.patience)
}

func (d *defenceOptions) String() string {
	return fmt.Sprintf("--cookies %v --half-open %d --synack-retries %d --attack-mode %s", tcp.CookieMode(d.cookies), d.halfOpen, d.synAckRetries, d.attackMode)
}

func (r *floodReport) beginRound(f *floodRound) {
	r.printf(say.All("\n%s\n\n"), r.bold(r.in(f.title)))
}

// interval is how often the live line is shown.
func (r *floodReport) interval() time.Duration {
	if r.stdout.interactive {
		return 200 * time.Millisecond
	}
	return time.Second
}

// liveLines say how it stands, from the longest to the shortest.
var liveLines = []say.Text{
	{"  %4.1f s  %s SYNs, %s/s  half-open %d/%d  clients: %d answered, %d waiting, %d gave up", "  %4.1f s  SYN %s 个，%s/s  半连接 %d/%d  客户端：%d 个得到应答，%d 个等待，%d 个放弃"},
	{"  %4.1f s  queue %d/%d  %d answered, %d wait, %d gave up", "  %4.1f s  队列 %d/%d  应答 %d，等待 %d，放弃 %d"},
	{"  %4.1f s  %d/%d  %d of %d answered", "  %4.1f s  %d/%d  应答 %d/%d"},
}

// live shows how it stands: on a terminal always on the same line.
func (r *floodReport) live(b *battle) {
	took := time.Since(b.began)
	halfOpen, limit := b.halfOpen()
	answered, failed, waiting := b.clients.state()
	sent := b.pump.sent.Load()
	line := fmt.Sprintf(r.in(liveLines[0]), took.Seconds(),
		formatCount(sent), formatCount(uint64(float64(sent)/took.Seconds())), halfOpen, limit, answered, waiting, failed)
	if !r.stdout.interactive {
		r.printf(say.All("%s\n"), line)
		return
	}
	short := fmt.Sprintf(r.in(liveLines[1]), took.Seconds(), halfOpen, limit, answered, waiting, failed)
	shortest := fmt.Sprintf(r.in(liveLines[2]), took.Seconds(), halfOpen, limit, answered, r.clients)
	line = r.stdout.oneLine(line, short, shortest)
	fmt.Fprintf(r.stdout, "\r\x1b[K%s", line)
	r.dirty = true
}

// stopped says that the user has pressed Ctrl-C; of rounds that are over, the
// result is shown.
func (r *floodReport) stopped(ctx context.Context) error {
	r.printf(say.Text{"  stopped\n", "  已停止\n"})
	if len(r.results) > 0 {
		r.table()
	}
	return interruption(ctx)
}

// shownLines is how many lines of netstat are shown.
const shownLines = 3

func (r *floodReport) endRound(res *floodResult, netstat []string) {
	r.printf(say.Text{"\n  $ handfast netstat -n -p tcp | grep SYN_RECV      (%d lines)\n", "\n  $ handfast netstat -n -p tcp | grep SYN_RECV      （%d 行）\n"}, len(netstat))
	for _, line := range netstat[:min(len(netstat), shownLines)] {
		r.tabular("  " + strings.TrimRight(line, "\n"))
	}
	switch {
	case len(netstat) > shownLines:
		r.printf(say.All("  …\n"))
	case len(netstat) == 0 && res.counters["SyncookiesSent"] > 0:
		r.printf(say.Text{"  nothing is kept of a SYN: each is answered with a cookie\n", "  不为 SYN 保存任何内容：每个都以 cookie 应答\n"})
	}
	if res.verdict != "" {
		r.printf(say.Text{"\n  $ handfast ss --flood\n  %s\n", "\n  $ handfast ss --flood --lang zh\n  %s\n"}, say.Verdict(res.verdict, r.stdout.lang))
	}
	r.printf(say.All("\n  %s\n"), r.bold(fmt.Sprintf(r.in(say.Text{"%d of %d honest clients had their answer", "%d/%d 个正常客户端得到了应答"}), res.answered, r.clients)))
}

// table compares the rounds.
func (r *floodReport) table() {
	r.printf(say.All("\n"))
	r.row(say.Text{}, func(i int) string { return r.in(r.plan[i].head) })
	r.row(say.Text{"honest clients answered", "得到应答的正常客户端"}, r.each(func(f *floodResult) string {
		return fmt.Sprintf(r.in(say.Text{"%d of %d", "%d/%d"}), f.answered, r.clients)
	}))
	r.row(say.Text{"time to an answer, median", "得到应答的时间，中位数"}, r.each(func(f *floodResult) string { return formatTime(f.waits.median) }))
	r.row(say.Text{"time to an answer, p99", "得到应答的时间，p99"}, r.each(func(f *floodResult) string { return formatTime(f.waits.p99) }))
	r.row(say.Text{"time to an answer, longest", "得到应答的时间，最长"}, r.each(func(f *floodResult) string { return formatTime(f.waits.longest) }))
	r.row(say.Text{"SYNs of the flood", "泛洪的 SYN 数"}, r.each(func(f *floodResult) string { return formatCount(f.syns) }))
	r.row(say.Text{"a second", "每秒"}, r.each(func(f *floodResult) string { return formatCount(uint64(f.rate())) }))
	r.row(say.Text{"half-open entries, most", "半连接条目，最多"}, r.each(func(f *floodResult) string { return fmt.Sprintf("%d/%d", f.halfOpen, f.limit) }))
	r.row(say.Text{"SYNs dropped, queue full", "因队列已满丢弃的 SYN"}, r.each(func(f *floodResult) string { return formatCount(f.dropped()) }))
	r.row(say.Text{"cookies sent", "发出的 cookie"}, r.each(func(f *floodResult) string { return formatCount(f.counters["SyncookiesSent"]) }))
	r.row(say.Text{"connections from cookies", "由 cookie 建立的连接"}, r.each(func(f *floodResult) string { return formatCount(f.counters["SyncookiesRecv"]) }))
	if last := r.results[len(r.results)-1]; last.behind != nil {
		r.row(say.Text{"cookies of its own kernel", "服务器内核自己的 cookie"}, r.each(func(f *floodResult) string { return formatCount(f.own("SyncookiesSent")) }))
		r.row(say.Text{"dropped by its kernel", "服务器内核丢弃"}, r.each(func(f *floodResult) string { return formatCount(f.own("ListenDrops")) }))
	}
	r.row(say.Text{"heap grown by", "堆内存增长"}, r.each(func(f *floodResult) string { return formatSize(max(f.memory, 0)) }))
}

func (r *floodReport) each(cell func(*floodResult) string) func(int) string {
	return func(i int) string { return cell(r.results[i]) }
}

func (r *floodReport) row(name say.Text, cell func(int) string) {
	var b strings.Builder
	b.WriteString("  " + say.Left(r.in(name), 28))
	for i := range r.results {
		b.WriteString(say.Right(cell(i), 18))
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
