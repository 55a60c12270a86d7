package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sizes of a chart, in pixels.
const (
	chartWidth  = 720
	chartMargin = 24
	labelWidth  = 104 // of a peer's name
	valueWidth  = 128 // right of the longest bar
	whoWidth    = 190 // the same, for who gets in during a flood
	barHeight   = 16
	barStep     = 24
	panelHead   = 34
	panelGap    = 22
)

// charts are the files that -svg writes: what they are called, and what they
// say.
var charts = []struct{ name, title string }{
	{chartBulk, "Processor time for a gigabyte, both ends and the kernel's share"},
	{chartConnect, "Processor time for a connection, both ends and the kernel's share"},
	{chartLatency, "There and back"},
	{chartMemory, "Memory of a connection"},
	{chartFlood, "Processor time for a spoofed SYN"},
	{chartBuild, "An echo server"},
	{chartWire, "What arrives over a bad wire"},
}

// draw writes a chart for each group of rows that was measured.
func (rep report) draw(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("-svg: %w", err)
	}
	var errs []error
	for _, c := range charts {
		var rows []rowReport
		for _, r := range rep.Rows {
			if r.group == c.name && slices.ContainsFunc(r.Peers, peerReport.measured) {
				rows = append(rows, r)
			}
		}
		if len(rows) > 0 {
			name := filepath.Join(dir, "bench-"+c.name+".svg")
			errs = append(errs, os.WriteFile(name, rep.chart(c.title, rows), 0o644))
		}
	}
	return errors.Join(errs...)
}

func (p peerReport) measured() bool { return p.Figures != nil }

// chartStyle is calm, and follows the reader's choice of light or dark.
const chartStyle = `<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #3d444d }
.title { font-size: 17px; font-weight: 600; fill: #1f2328 }
.head { font-weight: 600; fill: #1f2328 }
.note { font-size: 12px; fill: #59636e }
.ours { font-weight: 600; fill: #1f2328 }
.ground { fill: #ffffff }
.bar { fill: #b7bfc9 }
.bar-ours { fill: #1f7a8c }
@media (prefers-color-scheme: dark) {
text { fill: #b7bfc9 }
.title, .head, .ours { fill: #f0f3f6 }
.note { fill: #9198a1 }
.ground { fill: #0d1117 }
.bar { fill: #4a525c }
.bar-ours { fill: #3fb6c9 }
}
</style>
`

// chart draws one panel of bars for each row, each with a scale of its own.
func (rep report) chart(title string, rows []rowReport) []byte {
	var body bytes.Buffer
	y := chartMargin + 14
	text(&body, "title", chartMargin, y, title)
	y += 20
	better := "Less"
	if columns[rows[0].Kind][0].more {
		better = "More"
	}
	text(&body, "note", chartMargin, y, better+" is better. Medians of one interleaved run, on one machine.")
	for _, r := range rows {
		y += panelGap
		y = r.panel(&body, y)
	}
	y += panelGap
	text(&body, "note", chartMargin, y, fmt.Sprintf("%s, %d cores, %s, %s", rep.Machine, rep.Cores, rep.Kernel, rep.Go))
	height := y + chartMargin - 6
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"%s\">\n",
		chartWidth, height, chartWidth, height, html.EscapeString(title))
	b.WriteString(chartStyle)
	fmt.Fprintf(&b, "<rect class=\"ground\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", chartWidth, height)
	b.Write(body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// panel draws a row from y on and returns where it ends.
func (r rowReport) panel(b *bytes.Buffer, y int) int {
	c := columns[r.Kind][0]
	text(b, "head", chartMargin, y+14, fmt.Sprintf("%s, %s", r.Title, c.head))
	y += panelHead - 8
	room := chartWidth - 2*chartMargin - labelWidth - valueWidth
	if r.Kind == flood {
		room -= whoWidth
	}
	most := 0.0
	for _, p := range r.Peers {
		most = max(most, p.Figures[c.key].Median)
	}
	for _, p := range r.Peers {
		if !p.measured() {
			continue
		}
		v := p.Figures[c.key].Median
		bar, label := "bar", ""
		if strings.HasPrefix(p.Peer, "handfast") {
			bar, label = "bar-ours", "ours"
		}
		long := max(2, v/most*float64(room))
		base := y + barHeight - 3
		text(b, label, chartMargin, base, p.Peer)
		fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n", bar, chartMargin+labelWidth, y, long, barHeight)
		text(b, label, chartMargin+labelWidth+int(long)+8, base, short(v)+times(r.ratio(p, c.key), p.Peer)+whoGotIn(r.Kind, p))
		y += barStep
	}
	return y
}

// times puts how many times as much as ours a figure is in words.
func times(ratio, peer string) string {
	if ratio == "" || peer == "handfast" {
		return ""
	}
	return " (" + ratio + ")"
}

// whoGotIn says what the price of a SYN bought.
func whoGotIn(k kind, p peerReport) string {
	if k != flood {
		return ""
	}
	return fmt.Sprintf(", %.0f of %d honest get in", p.Figures["honest"].Median, floodHonest)
}

func text(b *bytes.Buffer, class string, x, y int, s string) {
	if class != "" {
		class = fmt.Sprintf(" class=%q", class)
	}
	fmt.Fprintf(b, "<text%s x=\"%d\" y=\"%d\">%s</text>\n", class, x, y, html.EscapeString(s))
}
