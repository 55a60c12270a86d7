package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/story"
)

var (
	graphTitle  = say.Text{"%s to %s", "%s 到 %s"}
	graphStream = [2]say.Text{
		{"What the client sent, and what the server acknowledged", "客户端发送的数据，与服务器的确认"},
		{"What the server sent, and what the client acknowledged", "服务器发送的数据，与客户端的确认"},
	}
	graphMissing = say.Text{"%s segments are left out", "省略 %s 个报文段"}
	graphFooter  = say.Text{"Numbers count from the first byte; times are those at which the capture saw a packet.", "序号从第一个字节算起；时间是抓到数据包的时刻。"}
)

// graph writes the time-sequence graphs of a connection as SVG, to the file of --out or
// to standard output.
func (a *analysis) graph() error {
	c, err := a.one(a.graphed)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	g := graphOf(c, a.stdout.lang)
	g.Theme = story.Theme(slices.Index(themes, a.theme))
	if err := g.Write(&b); err != nil {
		return err
	}
	if a.out.wanted() {
		return os.WriteFile(a.out.path, b.Bytes(), 0o644)
	}
	_, err = a.stdout.Write(b.Bytes())
	return err
}

// graphOf makes a graph of the segments that were kept of a connection.
func graphOf(c *capture.Conn, l story.Lang) *story.Graph {
	g := &story.Graph{Start: c.First, End: c.Last, Lang: l, Summary: why(c, l), Footer: graphFooter[l],
		Title: fmt.Sprintf(graphTitle[l], hostPort(c.Tuple.Local.String(), c.Tuple.LocalPort), hostPort(c.Tuple.Remote.String(), c.Tuple.RemotePort))}
	first, last, skipped := c.Segments()
	all := slices.Concat(first, last)
	for side := range 2 {
		g.Stream(graphStream[side][l])
		addStream(g, all, side, c.Sides[side].SYNs > 0)
		if skipped > 0 {
			g.Missing(first[len(first)-1].Time, last[0].Time, fmt.Sprintf(graphMissing[l], formatCount(skipped)))
		}
	}
	return g
}

var sentKinds = map[capture.SegmentKind]byte{
	capture.FastRepeat: story.SentFast, capture.TimeoutRepeat: story.SentTimeout, capture.SpuriousRepeat: story.SentSpurious,
	capture.OutOfOrder: story.SentOvertaken, capture.KeepAlive: story.SentProbe, capture.WindowProbe: story.SentProbe,
}

// addStream adds what one side sends, and what the other one tells of it. The first byte
// stands at 0, behind the SYN.
func addStream(g *story.Graph, all []capture.Segment, side int, opened bool) {
	syn := int64(0)
	if opened {
		syn = 1
	}
	shut := false
	for i := range all {
		k := &all[i]
		f := k.TCP.Flags
		switch {
		case k.From == side:
			if kind := sentKinds[k.Kind]; k.Length > 0 || kind != story.SentNew || f&(wire.SYN|wire.FIN|wire.RST) != 0 {
				g.Sent(k.Time, k.First-syn, k.End()-syn, kind, f)
			}
		case f.Has(wire.ACK) && !f.Has(wire.RST):
			ack := k.Ack - syn
			g.Told(k.Time, ack, ack+int64(k.Window), k.Window == 0 && !shut, blocksOf(k, ack))
			shut = k.Window == 0
		}
	}
}

// blocksOf are the SACK blocks of a segment whose acknowledgement stands at ack.
func blocksOf(k *capture.Segment, ack int64) (all [][2]int64) {
	o := &k.TCP.Options
	if !o.Has(wire.OptSACK) {
		return nil
	}
	for _, b := range o.SACK[:o.SACKBlocks] {
		all = append(all, [2]int64{ack + int64(b.Left.Diff(k.TCP.Ack)), ack + int64(b.Right.Diff(k.TCP.Ack))})
	}
	return all
}
