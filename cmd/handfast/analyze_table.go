package main

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/story"
)

// analyzeColumn is one of the table's.
type analyzeColumn struct {
	title say.Text
	right bool
	text  func(c *capture.Conn) string
}

var analyzeColumns = []analyzeColumn{
	{say.All("#"), true, func(c *capture.Conn) string { return strconv.Itoa(c.Stream) }},
	{say.Text{"CLIENT", "客户端"}, false, func(c *capture.Conn) string { return hostPort(c.Tuple.Local.String(), c.Tuple.LocalPort) }},
	{say.Text{"SERVER", "服务器"}, false, func(c *capture.Conn) string { return hostPort(c.Tuple.Remote.String(), c.Tuple.RemotePort) }},
	{say.Text{"LASTED", "时长"}, true, func(c *capture.Conn) string { return shortTime(c.Duration()) }},
	{say.Text{"SENT", "发送"}, true, func(c *capture.Conn) string { return formatSize(c.Sides[capture.Client].Bytes) }},
	{say.Text{"RECEIVED", "接收"}, true, func(c *capture.Conn) string { return formatSize(c.Sides[capture.Server].Bytes) }},
	{say.All("RTT"), true, func(c *capture.Conn) string { return rttText(roundTrip(c)) }},
	{say.Text{"AGAIN", "重传"}, true, func(c *capture.Conn) string { return strconv.Itoa(again(c)) }},
	{say.All("STATE"), false, func(c *capture.Conn) string { return c.State() }},
	{say.All("HISTORY"), false, (*capture.Conn).History},
	{say.Text{"END", "结局"}, false, func(c *capture.Conn) string { return string(c.Verdict.Cause) }},
}

// orders are the orders of the table's lines: the largest first, but for the number.
var orders = []struct {
	name  string
	value func(c *capture.Conn) int64
}{
	{"stream", func(c *capture.Conn) int64 { return -int64(c.Stream) }},
	{"bytes", func(c *capture.Conn) int64 { return c.Sides[0].Bytes + c.Sides[1].Bytes }},
	{"duration", func(c *capture.Conn) int64 { return int64(c.Duration()) }},
	{"again", func(c *capture.Conn) int64 { return int64(again(c)) }},
	{"rtt", func(c *capture.Conn) int64 { return int64(roundTrip(c)) }},
}

func analyzeOrders() (names []string) {
	for _, o := range orders {
		names = append(names, o.name)
	}
	return names
}

// orderOf returns what the order of that name goes by.
func orderOf(name string) func(c *capture.Conn) int64 {
	for _, o := range orders {
		if o.name == name {
			return o.value
		}
	}
	return orders[0].value
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func again(c *capture.Conn) int { return c.Sides[0].Repeats.All() + c.Sides[1].Repeats.All() }

// roundTrip is the connection's: from the capture to the server and back, and to the
// client and back.
func roundTrip(c *capture.Conn) time.Duration {
	if d := c.Handshake[0] + c.Handshake[1]; c.Handshake[0] > 0 && c.Handshake[1] > 0 {
		return d
	}
	return c.Sides[0].RTT.Min + c.Sides[1].RTT.Min
}

func rttText(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return shortTime(d)
}

// table prints a line for each connection, and what they are altogether.
func (a *analysis) table() error {
	a.floods()
	conns := a.shown.sorted()
	lang := a.stdout.lang
	rows := [][]string{{}}
	for _, col := range analyzeColumns {
		rows[0] = append(rows[0], col.title[lang])
	}
	for _, c := range conns {
		var row []string
		for _, col := range analyzeColumns {
			row = append(row, col.text(c))
		}
		rows = append(rows, row)
	}
	widths := make([]int, len(analyzeColumns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], story.Columns(cell))
		}
	}
	for n, row := range rows {
		if n == 0 && len(conns) == 0 {
			continue
		}
		if err := a.line(row, widths); err != nil {
			return err
		}
		if n > 0 && a.explain {
			if err := a.sentence(conns[n-1], widths[0]); err != nil {
				return err
			}
		}
	}
	return a.sum()
}

func (a *analysis) line(row []string, widths []int) error {
	text := ""
	for i, cell := range row {
		switch {
		case analyzeColumns[i].right:
			cell = say.Right(cell, widths[i])
		case i < len(row)-1:
			cell = say.Left(cell, widths[i])
		}
		if i > 0 {
			text += "  "
		}
		text += cell
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}

// sentence says below a line why the connection ended.
func (a *analysis) sentence(c *capture.Conn, indent int) error {
	space := say.Right("", indent+2)
	for _, line := range story.Wrap(why(c, a.stdout.lang), max(a.stdout.columns()-indent-2, 30)) {
		if _, err := fmt.Fprintln(a.stdout, space+line); err != nil {
			return err
		}
	}
	return nil
}

// sum prints what the capture is altogether. It goes to standard error, so that a pipe
// gets the lines alone.
func (a *analysis) sum() error {
	n, t := &a.tracker.Counts, a.stderr
	t.printf(say.Text{"%s packets in %v, %s of them TCP; %s connections", "%s 个包，历时 %v，其中 TCP %s 个；%s 条连接"},
		formatCount(n.Packets), n.Last.Sub(n.First).Round(time.Millisecond), formatCount(n.TCP), formatCount(a.all))
	if shown := len(a.shown.conns); shown != a.all {
		t.printf(say.Text{", %s of them shown", "，显示 %s 条"}, formatCount(shown))
		if shown < a.asked {
			t.printf(say.Text{" (--limit)", "（--limit）"})
		}
	}
	t.printf(say.All("\n"))
	var causes []capture.Cause
	for c := range a.causes {
		causes = append(causes, c)
	}
	slices.SortFunc(causes, func(x, y capture.Cause) int {
		return cmp.Or(a.causes[y]-a.causes[x], cmp.Compare(x, y))
	})
	for i, c := range causes {
		sep := say.All("  %s %s")
		if i == 0 {
			sep = say.All("%s %s")
		}
		t.printf(sep, string(c), formatCount(a.causes[c]))
	}
	if len(causes) > 0 {
		t.printf(say.All("\n"))
	}
	for _, odd := range []struct {
		n    int
		text say.Text
	}{
		{n.Fragments, say.Text{"%s fragments of IP packets are not looked into\n", "%s 个 IP 分片未作分析\n"}},
		{n.Broken, say.Text{"%s TCP segments are cut off or broken within their headers\n", "%s 个 TCP 报文段的首部被截断或损坏\n"}},
		{n.UnknownLink, say.Text{"%s packets are of a link type that is not read\n", "%s 个包的链路类型无法识别\n"}},
		{n.Cut, say.Text{"%s connections were cut, as more than --max-open were open at the same time\n", "%s 条连接被截断，因为同时打开的连接超过 --max-open\n"}},
	} {
		if odd.n > 0 {
			t.printf(odd.text, formatCount(odd.n))
		}
	}
	return nil
}

// connJSON is a connection as an object, with the names of Zeek where it has some.
type connJSON struct {
	Stream       int                `json:"stream"`
	UID          string             `json:"uid"`
	CommunityID  string             `json:"community_id"`
	Time         float64            `json:"ts"`
	Client       string             `json:"client"`
	Server       string             `json:"server"`
	Duration     float64            `json:"duration"`
	State        string             `json:"conn_state"`
	History      string             `json:"history"`
	Completeness int                `json:"completeness"`
	Cause        capture.Cause      `json:"cause"`
	Stage        capture.Stage      `json:"stage"`
	Confidence   capture.Confidence `json:"confidence"`
	By           string             `json:"by"`
	Evidence     []int              `json:"evidence"`
	OneSided     bool               `json:"one_sided,omitempty"`
	Cut          bool               `json:"cut,omitempty"`
	Why          string             `json:"why"`
	Handshake    []float64          `json:"handshake,omitempty"`
	Sides        [2]sideJSON        `json:"sides"`
}

// sideJSON is what one side has sent. Times are in seconds.
type sideJSON struct {
	Name        string             `json:"name"`
	Packets     int64              `json:"packets"`
	IPBytes     int64              `json:"ip_bytes"`
	Bytes       int64              `json:"bytes"`
	Missed      int64              `json:"missed_bytes,omitempty"`
	Fast        int                `json:"fast_retransmits,omitempty"`
	Timeouts    int                `json:"timeouts,omitempty"`
	Spurious    int                `json:"spurious_retransmits,omitempty"`
	OutOfOrder  int                `json:"out_of_order,omitempty"`
	DupAcks     int                `json:"dup_acks,omitempty"`
	DSACKs      int                `json:"dsacks,omitempty"`
	ZeroWindows int                `json:"zero_windows,omitempty"`
	KeepAlives  int                `json:"keep_alives,omitempty"`
	Marked      int                `json:"ce_marks,omitempty"`
	MSS         int                `json:"mss,omitempty"`
	Scale       *int               `json:"window_scale,omitempty"`
	SACK        bool               `json:"sack_permitted,omitempty"`
	Timestamps  bool               `json:"timestamps,omitempty"`
	MaxWindow   int                `json:"max_window"`
	RTT         map[string]float64 `json:"rtt,omitempty"`
	State       string             `json:"state"`
}

func objectOf(c *capture.Conn, l story.Lang) connJSON {
	v := &c.Verdict
	o := connJSON{Stream: c.Stream, UID: c.UID(), CommunityID: c.CommunityID(), Time: c.First.Seconds(), Duration: c.Duration().Seconds(),
		Client: hostPort(c.Tuple.Local.String(), c.Tuple.LocalPort), Server: hostPort(c.Tuple.Remote.String(), c.Tuple.RemotePort),
		State: c.State(), History: c.History(), Completeness: int(c.Completeness), Cause: v.Cause, Stage: v.Stage, Confidence: v.Confidence,
		By: sideNames[v.By], Evidence: v.Evidence, OneSided: v.OneSided, Cut: c.Cut, Why: why(c, l)}
	if c.Handshake[0] > 0 {
		o.Handshake = []float64{c.Handshake[0].Seconds(), c.Handshake[1].Seconds()}
	}
	for i := range c.Sides {
		o.Sides[i] = sideOf(&c.Sides[i], sideNames[i])
	}
	return o
}

func sideOf(s *capture.Side, name string) sideJSON {
	o := sideJSON{Name: name, Packets: s.Packets, IPBytes: s.IPBytes, Bytes: s.Bytes, Missed: s.Missed, Fast: s.Repeats.Fast, Timeouts: s.Repeats.Timeout,
		Spurious: s.Repeats.Spurious, OutOfOrder: s.OutOfOrder, DupAcks: s.DupAcks, DSACKs: s.DSACKs, ZeroWindows: s.ZeroWindows, KeepAlives: s.KeepAlives,
		Marked: s.Marked, MSS: s.Offer.MSS, SACK: s.Offer.SACK, Timestamps: s.Offer.Timestamps, MaxWindow: s.MaxWindow, State: s.State().String()}
	if s.Offer.Scale >= 0 {
		o.Scale = &s.Offer.Scale
	}
	if r := &s.RTT; r.Count > 0 {
		o.RTT = map[string]float64{"min": r.Min.Seconds(), "mean": r.Mean().Seconds(), "p50": r.Percentile(50).Seconds(), "p99": r.Percentile(99).Seconds(), "max": r.Max.Seconds()}
	}
	return o
}
