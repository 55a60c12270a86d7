package story

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/internal/sample"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares got with a file of testdata, which -rewrite writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-rewrite accepts it); got:\n%s", name, got)
	}
}

func draw(t *testing.T, l Ladder, steps []Step) []byte {
	t.Helper()
	var b bytes.Buffer
	l.Lanes = []Head{{Title: "client · kernel TCP\n10.77.0.1:43210"}, {Title: "server · Handfast\n10.77.0.2:80"}}
	if l.ASCII {
		l.Lanes = []Head{{Title: "client (kernel TCP)\n10.77.0.1:43210"}, {Title: "server (Handfast)\n10.77.0.2:80"}}
	}
	if err := l.Write(&b, steps); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// watched is the visit with what is known of the peer's states, and a gap.
// steps are the steps of all events of one connection.
func steps(f *Flow, events []tcp.Event) (all []Step) {
	for i := range events {
		all = append(all, f.Step(&events[i]))
	}
	return all
}

func watched() []Step {
	f := Flow{Us: Right, Peer: Left}
	own := steps(&f, sample.Visit().Events)
	peer := func(i int, from, to tcp.State) Step { return Changed(own[i].Time, Left, from, to, "") }
	steps := []Step{peer(0, tcp.Closed, tcp.SynSent)}
	steps = append(steps, own[:3]...)
	steps = append(steps, peer(2, tcp.SynSent, tcp.Established))
	steps = append(steps, own[3:7]...)
	steps = append(steps, Skipped(own[6].Time, "12,345 segments, 512 MiB in 1.0 s"), peer(7, tcp.Established, tcp.FinWait1))
	steps = append(steps, own[7:10]...)
	steps = append(steps, peer(9, tcp.FinWait1, tcp.FinWait2))
	steps = append(steps, own[10:12]...)
	steps = append(steps, peer(11, tcp.FinWait2, tcp.TimeWait))
	return append(steps, own[12:]...)
}

func TestLadder(t *testing.T) {
	f := Flow{Us: Right, Peer: Left}
	bad := steps(&f, sample.Trouble().Events)
	for name, c := range map[string]struct {
		Ladder
		steps []Step
	}{
		"visit.txt":      {Ladder{}, watched()},
		"visit-80.txt":   {Ladder{Width: 80}, watched()},
		"visit-64.txt":   {Ladder{Width: MinWidth}, watched()},
		"visit-40.txt":   {Ladder{Width: 40}, watched()},
		"list-ascii.txt": {Ladder{Width: 1, ASCII: true}, watched()},
		"trouble-40.txt": {Ladder{Width: 40}, bad},
		"ascii.txt":      {Ladder{ASCII: true}, watched()},
		"color.txt":      {Ladder{Color: true}, watched()},
		"trouble.txt":    {Ladder{}, bad},
		"trouble-80.txt": {Ladder{Width: 80}, bad},
		"empty.txt":      {Ladder{}, nil},
	} {
		golden(t, name, draw(t, c.Ladder, c.steps))
	}
}

// Whatever the width, no line is wider, and both lanes stand in one column all
// the way down: nothing overlaps.
func TestLadderColumns(t *testing.T) {
	f := Flow{Us: Right, Peer: Left}
	all := append(steps(&f, sample.Trouble().Events), watched()...)
	for width := MinWidth; width <= 130; width++ {
		lines := strings.Split(strings.TrimSuffix(string(draw(t, Ladder{Width: width, ASCII: true}, all)), "\n"), "\n")
		for i, line := range lines {
			if n := utf8.RuneCountInString(line); n > width {
				t.Fatalf("width %d: line of %d columns: %q", width, n, line)
			}
			if i < 2 {
				continue // titles
			}
			left, right := line[timeWidth+1+stateWidth+1], line[width-stateWidth-2]
			if !strings.ContainsRune(".:#|*@", rune(left)) || !strings.ContainsRune(".:#|*@", rune(right)) {
				t.Fatalf("width %d: no lane in %q", width, line)
			}
		}
	}
}

// Where lanes have no room beside each other there is a list, no wider than what
// it is given, and it says what the ladder says: every word of it.
func TestLadderList(t *testing.T) {
	f := Flow{Us: Right, Peer: Left}
	all := append(steps(&f, sample.Trouble().Events), watched()...)
	words := func(width int) map[string]bool {
		said := map[string]bool{}
		for line := range strings.Lines(string(draw(t, Ladder{Width: width, ASCII: true}, all))) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > max(width, LeastWidth) {
				t.Fatalf("width %d: line of %d columns: %q", width, n, line)
			}
			for _, w := range strings.FieldsFunc(line, func(r rune) bool { return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9') }) {
				said[w] = true
			}
		}
		return said
	}
	ladder := words(MinWidth)
	for width := 1; width < MinWidth; width++ {
		list := words(width)
		for w := range ladder {
			if !list[w] {
				t.Fatalf("width %d: the ladder says %q, the list does not", width, w)
			}
		}
	}
}

// ASCII means ASCII, and without Color there is no escape.
func TestLadderPlain(t *testing.T) {
	all := append(draw(t, Ladder{ASCII: true}, watched()), draw(t, Ladder{Width: 40, ASCII: true}, watched())...)
	for _, b := range all {
		if b != '\n' && (b < ' ' || b > '~') {
			t.Fatalf("byte %#x", b)
		}
	}
}
