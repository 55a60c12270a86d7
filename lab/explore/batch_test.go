package explore

import (
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// walk returns the world at the end of a path.
func walk(t *testing.T, r *Rung, way string) (*explorer, *world) {
	t.Helper()
	p, err := ParsePath(way)
	if err != nil {
		t.Fatal(err)
	}
	if p.String() != way {
		t.Errorf("%q is written as %q", way, p)
	}
	x := newExplorer(r)
	w := newWorld(r, false)
	for i, a := range p {
		if !slices.Contains(w.choices(r), a) {
			t.Fatalf("%q: %q is nothing that can happen", way, p[i:])
		}
		if w = w.step(x, a); w.wrong != nil {
			t.Fatalf("%q: %v", way, w.wrong)
		}
	}
	return x, w
}

// What comes in a batch is answered when all of it was taken, and nothing else happens meanwhile.
func TestBatch(t *testing.T) {
	const way = "call 0, deliver 0, deliver 0, call 0, deliver 0, call 0, call 0, call 1, "
	r := oneWay(Budget{Drop: 1, Duplicate: 1, Early: 1, Together: 2})
	acks := func(w *world) (n int) {
		for i := range w.wire {
			if k := &w.wire[i]; k.to == 0 && k.segment.Flags.Has(wire.ACK) {
				n++
			}
		}
		return n
	}
	if _, w := walk(t, r, way+"deliver 0, deliver 0"); acks(w) == 0 {
		t.Fatalf("no ACK of two segments")
	}
	_, open := walk(t, r, way+"together 0")
	if acks(open) != 0 || !open.batch.open || open.left.Together != 1 {
		t.Errorf("%d ACKs while the batch is open (%v), %d are left", acks(open), open.batch.open, open.left.Together)
	}
	for _, a := range open.choices(r) {
		if a.kind == pass || a.kind == drop || a.kind == call && a.at != 1 || a.kind != call && open.wire[a.at].to != 1 {
			t.Errorf("%q happens in the batch", Path{a})
		}
	}
	for _, end := range []string{"together 0, deliver 0", "together 1, deliver 0", "together 0, duplicate 0", "together 0, call 1", "together 0, together 0, call 1", "twice 0, together 0, deliver 0"} {
		if _, w := walk(t, r, way+end); w.batch.open || len(w.batch.steps) > 0 || acks(w) == 0 {
			t.Errorf("%q: the batch is open (%v) with %d segments, and there are %d ACKs", end, w.batch.open, len(w.batch.steps), acks(w))
		}
	}
}

// An open batch has another fingerprint than the world without it, and what is in it makes a difference.
func TestPrintOfBatch(t *testing.T) {
	const way = "call 0, deliver 0, deliver 0, call 0, deliver 0, call 0, call 0, call 1, "
	seen := map[uint64]string{}
	for _, end := range []string{"deliver 0", "deliver 1", "together 0", "together 1", "twice 0", "together 0, together 0", "together 1, together 0"} {
		x, w := walk(t, oneWay(Budget{Duplicate: 1, Together: 2}), way+end)
		h := w.print(x.printer)
		if seen[h] != "" {
			t.Errorf("%q and %q are one state", seen[h], end)
		}
		seen[h] = end
	}
}

// A batch that nothing can follow is none, and costs nothing.
func TestBatchOfOne(t *testing.T) {
	r := clientCloses(Budget{Together: 1})
	if _, w := walk(t, r, "call 0, together 0"); w.batch.open || w.left.Together != 1 || len(w.wire) != 1 {
		t.Errorf("open %v, %d left, %d packets", w.batch.open, w.left.Together, len(w.wire))
	}
}

// What comes together is told.
func TestTellBatch(t *testing.T) {
	r := abortedAgain(Budget{Together: 1})
	p, err := ParsePath("call 0, deliver 0, deliver 0, call 0, call 0, deliver 0, together 0, deliver 0")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Draw(&b, r, p); err != nil {
		t.Fatal(err)
	}
	reset, note, syn := strings.Index(b.String(), "RST arrived"), strings.Index(b.String(), "in one batch with what follows"), strings.LastIndex(b.String(), "SYN arrived")
	if reset < 0 || note < reset || syn < note {
		t.Errorf("RST, note and SYN at %d, %d, %d:\n%s", reset, note, syn, b.String())
	}
}
