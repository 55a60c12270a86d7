package story

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// The figure has an arrow for each move of the engine's table, and no other.
func TestRoutesFollowMoves(t *testing.T) {
	drawn := map[move]int{}
	for i := range routes {
		drawn[routes[i].move]++
	}
	for from := range tcp.State(tcp.NumStates) {
		for to := range tcp.State(tcp.NumStates) {
			want := 0
			if tcp.CanMove(from, to) {
				want = 1
			}
			if got := drawn[move{from, to}]; got != want {
				t.Errorf("%v to %v: %d arrows, want %d", from, to, got, want)
			}
		}
	}
}

// An arrow runs along the grid, from the border of one box to that of another.
func TestRoutesMeetBoxes(t *testing.T) {
	for i := range routes {
		r := &routes[i]
		for j := 1; j < len(r.points); j++ {
			if a, b := r.points[j-1], r.points[j]; (a.col == b.col) == (a.row == b.row) {
				t.Errorf("%v to %v: the part from %v to %v is not straight", r.from, r.to, a, b)
			}
		}
		last := r.points[len(r.points)-1]
		if !onBorder(r.points[0], boxAt[r.from]) {
			t.Errorf("%v to %v does not begin at its box", r.from, r.to)
		}
		if !r.stub && !onBorder(last, boxAt[r.to]) && (r.to != tcp.Closed || !onBorder(last, closedAgain)) {
			t.Errorf("%v to %v does not end at its box", r.from, r.to)
		}
	}
}

func onBorder(p, middle cellAt) bool {
	dx, dy := p.col-middle.col, p.row-middle.row
	dx, dy = max(dx, -dx), max(dy, -dy)
	return dx == boxCols/2 && dy <= boxRows/2 || dy == boxRows/2 && dx <= boxCols/2
}

func diagrams() map[string]Diagram {
	d := func(name string, steps []Step) Diagram {
		return Diagram{Title: name, Summary: "The eleven states of a connection, RFC 9293 §3.3.2.",
			Paths: []Path{PathOf("client", Left, steps), PathOf("server", Right, steps)}}
	}
	reset := newPlay().open().becomes(Left, tcp.Closed, tcp.CauseAbort).becomes(Right, tcp.Closed, tcp.CauseReset).steps
	return map[string]Diagram{
		"states-plain": {Title: "The state diagram of TCP", Summary: "The eleven states of a connection, RFC 9293 §3.3.2."},
		"states-close": d("three-way-handshake, four-way-close", short()),
		"states-both":  d("simultaneous open, simultaneous close", simultaneous()),
		"states-reset": d("a reset", reset),
	}
}

func TestDiagramLayout(t *testing.T) {
	for name, d := range diagrams() {
		c, height := d.draw(pictureWidth)
		checkBoxes(t, name, c.boxes, pictureWidth, height)
		for _, theme := range []Theme{Auto, Light, Dark} {
			d.Theme = theme
			var b bytes.Buffer
			if err := d.Write(&b); err != nil {
				t.Fatal(err)
			}
			if err := wellFormed(b.String()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			look(t, name+[]string{"-auto", "", "-dark"}[theme], b.Bytes())
		}
	}
}

// look keeps a picture for those who want to look at it.
func look(t *testing.T, name string, svg []byte) {
	t.Helper()
	dir := os.Getenv("HANDFAST_PICTURES")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".svg"), svg, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The figure names every state, fits 100 columns, and is ASCII when asked.
func TestFigure(t *testing.T) {
	for name, f := range map[string]Figure{
		"figure.txt":       {},
		"figure-ascii.txt": {ASCII: true},
		"figure-lit.txt":   {Lit: []tcp.State{tcp.SynReceived}, Color: true},
	} {
		var b bytes.Buffer
		if err := f.Write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
		for line := range bytes.Lines(b.Bytes()) {
			if n := columns(string(bytes.TrimSpace(line))); !f.Color && n > DefaultWidth {
				t.Errorf("%s: a line of %v columns", name, n)
			}
			if f.ASCII && bytes.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
				t.Errorf("%s: %q is not ASCII", name, line)
			}
		}
		for s := range tcp.State(tcp.NumStates) {
			if !bytes.Contains(b.Bytes(), []byte(s.String())) {
				t.Errorf("%s: no %v", name, s)
			}
		}
	}
}
