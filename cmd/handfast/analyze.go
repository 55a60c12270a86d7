package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/story"
)

const analyzeHelp = `Reads captures (pcap, pcapng, also packed by gzip or zstd; - is standard input) and tells
of each TCP connection who talked, how much, what was sent again, and why it ended,
with the packets that show it.

  handfast analyze FILE                 a line for each connection
  handfast analyze FILE --explain       and why it ended, in a sentence
  handfast analyze FILE --ladder 3      connection 3 as a ladder, with the states of
                                        both ends, which are inferred
  handfast analyze FILE --graph 3 > 3.svg
                                        what each side sent over time, and what
                                        the other acknowledged: losses, rates
  handfast analyze FILE --follow 3      what it carried; --as hex, --as raw
  handfast analyze -i eth0              what passes there, until Ctrl-C
  handfast analyze FILE --where 'dport = :443'

The numbers in the first column are Wireshark's: tcp.stream == 3. --where takes the
filters of ss, with the client as the local end. --sort takes a column.

The causes: closed, half-closed, refused, unanswered, unreachable,
abandoned-handshake, reset-by-client, reset-by-server, reset-injected,
aborted-unread, timed-out, peer-vanished, stalled-window, black-hole, open-at-end,
cut-by-capture.

A SYN flood is told above the table. Of calm captures nothing is said of floods.`

// none is in place of a connection's number.
const none = -1

type analyzeOptions struct {
	device      string
	lasts       time.Duration
	where, sort string
	ladder      int
	graphed     int
	followed    int
	as, side    string
	explain     bool
	json, zeek  bool
	ascii       bool
	maxOpen     int
	limit       int
	out         outFile
	theme       string
	flows       flowsOut

	filter inspect.Filter
	streams
}

func newAnalyze() *cobra.Command {
	o := analyzeOptions{ladder: none, graphed: none, followed: none}
	cmd := &cobra.Command{
		Use:   "analyze FILE … | -i INTERFACE",
		Short: "Say what happened to the connections of a capture, and why they ended",
		Long:  analyzeHelp,
		Example: `  handfast analyze trace.pcap
  handfast analyze trace.pcap --sort again --explain
  handfast analyze trace.pcap --ladder 3 --out story.html
  handfast analyze -i eth0 --for 30s --explain
  handfast analyze trace.pcap --ipfix 127.0.0.1:4739
  ssh HOST tcpdump -i eth0 -w - tcp | handfast analyze -
  handfast analyze --zeek trace.pcap | zeek-cut id.orig_h conn_state history`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.streams = streamsOf(cmd)
			if err := o.check(args); err != nil {
				return err
			}
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			if o.device != "" {
				return o.live(ctx)
			}
			return o.run(ctx, args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.device, "interface", "i", "", "capture from this `interface`, or any, until Ctrl-C")
	f.DurationVar(&o.lasts, "for", 0, "with -i: capture for so long")
	f.StringVar(&o.where, "where", "", "show the connections that match this filter of ss")
	f.StringVar(&o.sort, "sort", "stream", "order of the lines: "+strings.Join(analyzeOrders(), ", "))
	f.IntVar(&o.ladder, "ladder", none, "draw the connection of this `number`")
	f.IntVar(&o.graphed, "graph", none, "write the time-sequence graphs of the connection of this `number`, as SVG")
	f.IntVar(&o.followed, "follow", none, "print what the connection of this `number` carried")
	f.StringVar(&o.as, "as", "text", "with --follow: as text, hex or raw")
	f.StringVar(&o.side, "side", "both", "with --follow: what client, server or both sent")
	f.BoolVar(&o.explain, "explain", false, "say why each connection ended; with --ladder add a sentence to each step")
	f.BoolVar(&o.json, "json", false, "print a JSON object for each connection")
	f.BoolVar(&o.zeek, "zeek", false, "print a conn.log as Zeek writes it")
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
	f.IntVar(&o.maxOpen, "max-open", capture.DefaultOpen, "how many connections are followed at the same time; of more the one that is silent the longest is told")
	f.IntVar(&o.limit, "limit", 20_000, "how many lines the table has at most: those that come first in the order")
	o.out.addTo(f)
	f.Lookup("out").Usage = "with --ladder or --graph: write it to this `file`: its ending chooses the form: .svg, of ladders also .html, .json, .txt"
	f.StringVar(&o.theme, "theme", "auto", "colours of a graph: "+strings.Join(themes, ", "))
	o.flows.addTo(f)
	addLang(f)
	return cmd
}

func (o *analyzeOptions) check(args []string) (err error) {
	if o.filter, err = inspect.ParseFilter(o.where, inspect.ShowAll); err != nil {
		return usagef(say.All("--where %s: %s"), o.where, say.Filter(err))
	}
	switch {
	case o.device != "" && len(args) > 0:
		return usagef(say.Text{"a file or -i, not both", "文件与 -i 只能选一个"})
	case o.lasts < 0 || o.lasts > 0 && o.device == "":
		return usagef(say.Text{"--for %v: a time for which -i captures", "--for %v：用 -i 抓包的时长"}, o.lasts)
	case len(args) == 0 && o.device == "":
		return usagef(say.Text{"name a capture file, or - for standard input", "请指定抓包文件，或用 - 表示标准输入"})
	case !slices.Contains(analyzeOrders(), o.sort):
		return usagef(say.Text{"--sort %s: it is one of %s", "--sort %s：可选 %s"}, o.sort, strings.Join(analyzeOrders(), ", "))
	case o.json && o.zeek:
		return usagef(say.Text{"--json or --zeek, not both", "--json 与 --zeek 只能选一个"})
	case o.limit < 1:
		return usagef(say.Text{"--limit %d: at least 1", "--limit %d：至少为 1"}, o.limit)
	case o.maxOpen < 1:
		return usagef(say.Text{"--max-open %d: at least 1", "--max-open %d：至少为 1"}, o.maxOpen)
	}
	return o.checkDrawn()
}

// checkDrawn looks at what belongs to one connection.
func (o *analyzeOptions) checkDrawn() error {
	switch {
	case o.out.wanted() && o.ladder < 0 && o.graphed < 0:
		return usagef(say.Text{"--out writes one connection: say which, with --ladder or --graph", "--out 只写一条连接：请用 --ladder 或 --graph 指定"})
	case o.out.wanted() && o.graphed >= 0 && o.out.form() != ".svg":
		return usagef(say.Text{"--out %s: a graph is .svg", "--out %s：图只能写成 .svg"}, o.out.path)
	case count(o.ladder >= 0, o.graphed >= 0, o.followed >= 0) > 1:
		return usagef(say.Text{"--ladder, --graph or --follow: one of them", "--ladder、--graph 与 --follow 只能选一个"})
	case !slices.Contains(themes, o.theme):
		return usagef(say.Text{"--theme %s: it is one of %s", "--theme %s：可选 %s"}, o.theme, strings.Join(themes, ", "))
	case o.theme != "auto" && o.graphed < 0:
		return usagef(say.Text{"--theme is for graphs: say which connection, with --graph", "--theme 用于图：请用 --graph 指定连接"})
	case !slices.Contains(followForms, o.as):
		return usagef(say.Text{"--as %s: it is one of %s", "--as %s：可选 %s"}, o.as, strings.Join(followForms, ", "))
	case !slices.Contains(followSides, o.side):
		return usagef(say.Text{"--side %s: it is one of %s", "--side %s：可选 %s"}, o.side, strings.Join(followSides, ", "))
	case o.out.wanted() && o.out.form() == ".pcapng":
		return usagef(say.Text{"--out %s: the capture is there already; take .svg, .html, .txt or .json", "--out %s：抓包文件已经有了；请用 .svg、.html、.txt 或 .json"}, o.out.path)
	}
	return o.out.check()
}

// analysis is what the files have told so far.
type analysis struct {
	*analyzeOptions
	tracker *capture.Tracker
	shown   shown
	all     int // connections, shown or not
	asked   int // those of them that were asked for
	causes  map[capture.Cause]int
	begun   bool  // a conn.log
	failed  error // of writing

	follower *follower
	sink     *captureFlows // nil: nobody asked for flows
}

func newAnalysis(ctx context.Context, o *analyzeOptions) (*analysis, error) {
	a := &analysis{analyzeOptions: o, causes: map[capture.Cause]int{}}
	var err error
	if a.sink, err = newCaptureFlows(ctx, &o.flows, o.device != ""); err != nil {
		return nil, err
	}
	a.tracker = capture.NewTracker(capture.Options{MaxOpen: o.maxOpen, Ended: a.ended, Contents: a.carried,
		Follow: func(stream int) bool { return stream == o.followed },
		Keep:   func(stream int) bool { return stream == o.drawn() }, MaxKept: math.MaxInt16})
	a.shown = shown{most: o.limit, order: orderOf(o.sort), leave: a.drop}
	a.follower = &follower{form: o.as, sides: o.side, out: a.stdout}
	if o.json || o.zeek { // all are written; who leaves goes first
		a.shown = shown{most: inOrder, order: func(c *capture.Conn) int64 { return int64(c.Stream) }, leave: a.record}
	}
	return a, nil
}

// drop forgets a connection for which there is no line.
func (a *analysis) drop(c *capture.Conn) error {
	a.tracker.Release(c)
	return nil
}

func (o *analyzeOptions) run(ctx context.Context, files []string) error {
	a, err := newAnalysis(ctx, o)
	if err != nil {
		return err
	}
	var cut error
	for _, name := range files {
		err := a.read(ctx, name)
		if errors.Is(err, io.ErrUnexpectedEOF) { // a file that is being written, or whose writer was killed
			cut = err
			err = nil
		}
		if err != nil {
			return fileError(name, err)
		}
	}
	if err := a.finish(); err != nil {
		return err
	}
	if cut != nil {
		o.stderr.printf(say.Text{"%s; what came before is told\n", "%s；之前的内容已列出\n"}, cut.Error())
	}
	return nil
}

// finish tells what was asked for, when nothing more comes.
func (a *analysis) finish() error {
	a.tracker.Finish()
	a.sink.close(a.stderr)
	if a.failed != nil {
		return a.failed
	}
	return a.tell()
}

// read follows the packets of a file.
func (a *analysis) read(ctx context.Context, name string) error {
	in, err := openCapture(name)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := capture.NewReader(in)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return exitError(130)
		}
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if a.tracker.Packet(p); a.failed != nil {
			return a.failed
		}
	}
}

// ended takes a connection that is over.
func (a *analysis) ended(c *capture.Conn) {
	a.all++
	if !a.shows(c) {
		a.tracker.Release(c)
		return
	}
	a.asked++
	a.causes[c.Verdict.Cause]++
	if a.sink != nil {
		a.sink.add(c)
	}
	if err := a.shown.add(c); err != nil {
		a.failed = err
	}
}

// drawn is the number of the connection that is drawn or followed, or none.
func (o *analyzeOptions) drawn() int { return max(o.ladder, o.graphed, o.followed) }

// shows reports whether a connection was asked for.
func (a *analysis) shows(c *capture.Conn) bool {
	if n := a.drawn(); n >= 0 {
		return c.Stream == n
	}
	if a.where == "" {
		return true
	}
	row := inspect.Row{Proto: "tcp", State: inspect.State(c.Sides[capture.Client].State()),
		Local: endpointOf(c.Tuple.Local.Netip(), c.Tuple.LocalPort), Remote: endpointOf(c.Tuple.Remote.Netip(), c.Tuple.RemotePort)}
	return a.filter.Match(&row)
}

func endpointOf(a netip.Addr, port uint16) inspect.Endpoint {
	return inspect.Endpoint{Addr: a, Port: port}
}

// tell prints what was asked for.
func (a *analysis) tell() error {
	switch {
	case a.ladder >= 0:
		return a.draw()
	case a.graphed >= 0:
		return a.graph()
	case a.followed >= 0:
		return a.follow()
	case a.zeek || a.json:
		return a.records()
	}
	return a.table()
}

// one returns the only connection that was asked for.
func (a *analysis) one(number int) (*capture.Conn, error) {
	if a.asked == 0 {
		return nil, say.Errorf(say.Text{"there is no connection %d: the capture has %d, from 0 on", "没有第 %d 条连接：抓包共有 %d 条，从 0 开始编号"}, number, a.all)
	}
	return a.shown.conns[0], nil
}

// records writes the connections that are left, in their order.
func (a *analysis) records() error {
	if err := a.header(); err != nil {
		return err
	}
	all := a.shown.sorted()
	for i := range all { // the first is the last that would have left
		if err := a.record(all[len(all)-1-i]); err != nil {
			return err
		}
	}
	if a.json {
		return a.floodObjects()
	}
	return nil
}

// header begins a conn.log, once.
func (a *analysis) header() error {
	if !a.zeek || a.begun {
		return nil
	}
	a.begun = true
	return capture.WriteZeekHeader(a.stdout)
}

// record writes a connection for programs.
func (a *analysis) record(c *capture.Conn) error {
	defer a.tracker.Release(c)
	if !a.zeek {
		return json.NewEncoder(a.stdout).Encode(objectOf(c, a.stdout.lang))
	}
	if err := a.header(); err != nil {
		return err
	}
	return c.WriteZeek(a.stdout)
}

// draw draws a connection, or writes it to a file.
func (a *analysis) draw() error {
	c, err := a.one(a.ladder)
	if err != nil {
		return err
	}
	r := &drawnConn{a, c}
	title := fmt.Sprintf("%s > %s: %s", hostPort(c.Tuple.Local.String(), c.Tuple.LocalPort), hostPort(c.Tuple.Remote.String(), c.Tuple.RemotePort), c.Verdict.Cause)
	if a.out.wanted() {
		return a.out.write(r, title)
	}
	t := r.Tell(story.TellOptions{Lang: a.stdout.lang, Explain: a.explain})
	ladder := story.Ladder{Lanes: t.Lanes, Width: a.stdout.columns(), ASCII: a.ascii, Color: a.stdout.color}
	if err := ladder.Write(a.stdout, t.Steps); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "\n%s\n\n", strings.Join(story.Legend(t.Steps, a.stdout.lang, a.ascii, a.stdout.columns()), "\n")); err != nil {
		return err
	}
	if _, _, skipped := c.Segments(); skipped > 0 {
		a.stdout.printf(say.Text{"%s segments in the middle are left out\n", "中间 %s 个报文段未画出\n"}, formatCount(skipped))
	}
	_, err = fmt.Fprintln(a.stdout, strings.Join(story.Wrap(why(c, a.stdout.lang), a.stdout.columns()), "\n"))
	return err
}

// openCapture opens a file, - for standard input, and unpacks it.
func openCapture(name string) (io.ReadCloser, error) {
	if name == "-" {
		return unpack(os.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return unpack(f)
}
