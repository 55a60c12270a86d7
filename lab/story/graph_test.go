package story

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// graphOf is of a stream over a bad wire, of so many segments.
func graphOf(n int, seed uint64) *Graph {
	r := rand.New(rand.NewPCG(seed, 3))
	g := &Graph{Title: "10.0.0.1:40000 to 10.0.0.2:9000", Summary: "Both sides have closed, the client first.", Footer: "Numbers count from the first byte."}
	g.Stream("What the client sent, and what the server acknowledged")
	now, next, acked := clock.Time(0), int64(0), int64(0)
	g.Sent(now, -1, 0, SentNew, wire.SYN)
	for range n {
		now = now.Add(time.Duration(r.IntN(3_000_000)))
		kind := []byte{SentNew, SentFast, SentTimeout, SentSpurious, SentOvertaken, SentProbe}[max(0, r.IntN(40)-34)]
		from := next
		if kind != SentNew {
			from = max(acked, next-int64(r.IntN(9))*1448)
		}
		g.Sent(now, from, from+1448, kind, wire.ACK)
		next = max(next, from+1448)
		edge, shut, blocks := int64(60_000), false, [][2]int64(nil)
		if r.IntN(3) > 0 {
			acked = max(acked, next-20_000)
		} else if next > acked {
			blocks = append(blocks, [2]int64{acked + (next-acked)/2, next})
		}
		if r.IntN(30) == 0 {
			edge, shut = 0, true
		}
		g.Told(now.Add(time.Millisecond), acked, acked+edge, shut, blocks)
	}
	g.Sent(now, next, next+1, SentNew, wire.FIN)
	g.End = now.Add(2 * time.Millisecond)
	if n > 100 {
		all := g.streams[0].sent
		g.Missing(all[n/3].time, all[n/2].time, "12,345 segments are left out")
	}
	g.Stream("What the server sent, and what the client acknowledged")
	return g
}

// No text of a graph covers another, none leaves the picture, its SVG is whole, and the
// same graph is the same bytes.
func TestGraphLayout(t *testing.T) {
	for seed := range uint64(4) {
		for _, n := range []int{0, 1, 5, 40, 400} {
			g := graphOf(n, seed)
			g.Lang, g.Theme = Lang(seed%2), Theme(seed%4)
			d := g.draw()
			checkBoxes(t, g.Title, d.boxes, graphWidth, d.height)
			var a, b bytes.Buffer
			if err := errors.Join(g.Write(&a), g.Write(&b)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Errorf("%d segments: two graphs differ", n)
			}
			dec := xml.NewDecoder(&a)
			for {
				if _, err := dec.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%d segments: %v", n, err)
				}
			}
			if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
				t.Errorf("%d segments: not a number", n)
			}
		}
	}
}

// What is said in the legend is what is drawn.
func TestGraphSigns(t *testing.T) {
	g := graphOf(400, 1)
	d := g.draw()
	for s := range numSigns {
		if !d.used[s] {
			t.Errorf("nothing of what %q stands for is drawn", graphSigns[s].meaning[0])
		}
		if graphSigns[s].meaning[0] == "" || graphSigns[s].meaning[1] == "" {
			t.Errorf("sign %d has no meaning", s)
		}
	}
	g.streams[0].told = nil
	if d := g.draw(); d.used[signAck] || d.used[signEdge] || d.used[signSACK] {
		t.Error("what nobody told is drawn")
	}
}

// However long a stream is, its picture has a bound.
func TestGraphIsBounded(t *testing.T) {
	var small, large bytes.Buffer
	a, b := graphOf(20_000, 1), graphOf(100_000, 1)
	if err := errors.Join(a.Write(&small), b.Write(&large)); err != nil {
		t.Fatal(err)
	}
	if large.Len() > 2<<20 {
		t.Errorf("%d bytes for 20,000 segments, %d for 100,000", small.Len(), large.Len())
	}
}

// Ticks are at round values, a few of them, and lie on their axis.
func TestTicksAreRound(t *testing.T) {
	for _, units := range [][]unitName{byteUnits, timeUnits} {
		for most := 3.0; most < 1e17; most *= 1.37 {
			a := axis{most: most, to: 1000}
			ticks := a.ticks(10, units)
			if len(ticks) < 3 || len(ticks) > 11 {
				t.Errorf("an axis to %g has %d ticks", most, len(ticks))
			}
			for i, k := range ticks {
				if k.value < 0 || k.value > most*1.0001 || len(k.name) > 12 {
					t.Errorf("an axis to %g has a tick %q at %g", most, k.name, k.value)
				}
				if i > 1 && math.Abs(k.value-2*ticks[i-1].value+ticks[i-2].value) > 1e-6*most {
					t.Errorf("an axis to %g: the ticks are not even", most)
				}
			}
		}
	}
}
