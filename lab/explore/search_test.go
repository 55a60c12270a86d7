package explore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// What is wrong is found, by the shortest way with the least that goes wrong, and that
// way leads there again.
func TestFindsWhatIsWrong(t *testing.T) {
	b := Budget{Drop: 1, Duplicate: 1, Early: 1}
	for _, test := range []struct {
		rung  *Rung
		want  string
		spent Budget
	}{
		{oneListens("somebody is impolite", b, true, []Op{Open, Write, Abort}, []Op{Accept, ReadEnd, Close}), "sees an error (reset)", Budget{}},
		{oneListens("who waits for ever", b, true, []Op{Open, ReadEnd, Close}, []Op{Accept, ReadEnd, Close}), "waits for ever in read to the end", Budget{}},
		{oneListens("one more comes than is accepted", b, true, []Op{Open, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close, Accept}), "waits for ever in accept", Budget{}},
		{givesUpSoon(Budget{Drop: 1}), "sees an error (timed out)", Budget{Drop: 1}},
	} {
		rep := Explore(test.rung, 100_000)
		if rep.Err == nil || !strings.Contains(rep.Err.Error(), test.want) || rep.Budget != test.spent {
			t.Errorf("%s: %v with %v, want %q with %v", test.rung.Name, rep.Err, rep.Budget, test.want, test.spent)
			continue
		}
		p, err := ParsePath(rep.Path.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Tell(test.rung, p); err == nil || err.Error() != rep.Err.Error() {
			t.Errorf("%s: %v, and when it is played again %v", test.rung.Name, rep.Err, err)
		}
	}
}

// givesUpSoon has a client that does not repeat its SYN.
func givesUpSoon(b Budget) *Rung {
	r := oneListens("one SYN and no more", b, true, []Op{Open, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close})
	r.Config.SynRetries = -1
	return r
}

// A chain that comes back to itself is found, one that does not is none.
func TestCircle(t *testing.T) {
	x := newExplorer(Rungs()[0])
	x.states = []state{{}, {fair: 2}, {fair: 3, parent: 1}, {parent: 2}, {fair: 3, parent: 1}}
	if x.checkProgress(); x.report.Err != nil {
		t.Error(x.report.Err)
	}
	x.states[3].fair = 2
	if x.checkProgress(); x.report.Err != errCircle {
		t.Errorf("%v, want %v", x.report.Err, errCircle)
	}
}

// Whatever has happened before: when nothing more goes wrong, a world comes to its end, or back
// to a state that it was in.
func TestEveryWorldEndsOrComesBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, rung := range Rungs() {
		for range 8 {
			x := newExplorer(rung)
			w := newWorld(rung, false)
			for range 40 {
				acts := w.choices(rung)
				if len(acts) == 0 {
					break
				}
				a := acts[0]
				if r.IntN(3) == 0 {
					a = acts[r.IntN(len(acts))]
				}
				w = w.step(x, a)
			}
			endsOrComesBack(t, x, w)
		}
	}
}

// Two ends that probe each other for ever come back too, though what they sent last is older
// each time: a FIN is taken for acknowledged that never arrived, because a packet was changed.
func TestProbesForEver(t *testing.T) {
	for _, rung := range Rungs() {
		if rung.Name != "two segments one way: 1 changed, prompt" {
			continue
		}
		p, err := ParsePath("call 0, deliver 0, deliver 0, call 0, call 0, call 0, deliver 0, call 1, deliver 0, call 1, mutate 0.7, deliver 0, deliver 1, deliver 1, deliver 1, deliver 1, call 1")
		if err != nil {
			t.Fatal(err)
		}
		x := newExplorer(rung)
		w := newWorld(rung, false)
		for _, a := range p {
			w = w.step(x, a)
		}
		if n := endsOrComesBack(t, x, w); n < 20 {
			t.Fatalf("it ends after %d steps", n)
		}
		// It is told apart from a world that goes round without such a reason.
		if !w.usurped() {
			t.Error("no text has the place of a FIN")
		}
		if w.ends[1].read--; w.usurped() {
			t.Error("as much was read as was written")
		}
		return
	}
	t.Fatal("there is no such rung")
}

// endsOrComesBack does what is fair until it must, and returns after how many steps.
func endsOrComesBack(t *testing.T, x *explorer, w *world) int {
	seen := map[uint64]bool{}
	for n := range deepest {
		h := w.print(x.printer)
		acts := w.choices(x.rung)
		if len(acts) == 0 || seen[h] {
			return n
		}
		seen[h] = true
		w = w.step(x, acts[0])
	}
	t.Fatalf("%s: %v", x.rung.Name, errDeep)
	return 0
}

// The fingerprint does not change with where in time and in the number space a world
// is, and does with what decides what comes next.
func TestPrint(t *testing.T) {
	reach := func(r *Rung, later time.Duration, secret byte, p string) (*explorer, *world) {
		x := newExplorer(r)
		w := newWorld(r, false)
		for i, e := range w.ends {
			cfg := r.Config
			cfg.Secret = [16]byte{secret, byte(i)}
			e.tcp = tcp.NewEndpoint(&cfg)
			if r.Listens[i] > 0 {
				e.listener, w.wrong = e.tcp.Listen(address(i), port, 4, nil)
			}
		}
		w.now = w.now.Add(later)
		path, err := ParsePath(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range path {
			w = w.step(x, a)
		}
		if w.wrong != nil {
			t.Fatal(w.wrong)
		}
		return x, w
	}
	play := func(r *Rung, later time.Duration, secret byte, p string) uint64 {
		x, w := reach(r, later, secret, p)
		return w.print(x.printer)
	}
	const way = "call 0, deliver 0, deliver 0, call 0, deliver 0"
	for _, r := range []*Rung{clientCloses(either), segments(loses)} {
		for _, end := range []string{"", ", call 0, pass", ", deliver 0, pass", ", call 1, drop 0, pass"} {
			if a, b := play(r, 0, 1, way+end), play(r, 0, 2, way+end); a != b {
				t.Errorf("%s: %x and %x with other numbers", r.Name, a, b)
			}
			if a, b := play(r, 0, 1, way+end), play(r, time.Hour+256*time.Millisecond, 1, way+end); a != b {
				t.Errorf("%s: %x and %x an hour later, after %q", r.Name, a, b, way+end)
			}
		}
	}
	r := clientCloses(either)
	if a, b := play(r, 0, 1, way), play(r, 0, 1, way+", deliver 0"); a == b {
		t.Errorf("%x, whether a packet has arrived or not", a)
	}
	x, w := reach(aborts(Budget{}), 0, 1, "call 0, deliver 0, deliver 0, deliver 0, call 0, call 0, deliver 0, deliver 0")
	server := w.ends[1]
	if n := server.listener.Waiting(); n != 1 {
		t.Fatalf("%d connections wait to be accepted", n)
	}
	waits := w.print(x.printer)
	if c := server.tcp.Accept(server.listener); c.State() != tcp.Closed {
		t.Fatalf("%v waited to be accepted, and not one that was reset", c.State())
	}
	server.printed = print{}
	if waits == w.print(x.printer) {
		t.Errorf("%x, whether one that was reset waits to be accepted or not", waits)
	}
	forged := stamped(Budget{Mutate: 2})
	const old = "call 0, mutate 0."
	if a, b := play(forged, 0, 1, fmt.Sprint(old, unstamped)), play(forged, 0, 1, fmt.Sprint(old, unstamped+1)); a == b {
		t.Errorf("%x, with an old timestamp and with none", a)
	}
	if a, b := play(forged, 0, 1, fmt.Sprint(old, unstamped)), play(forged, 0, 1, fmt.Sprint(old, unstamped-2)); a == b {
		t.Errorf("%x, with an old timestamp and with the right one", a)
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, s := range []string{"", "jump 1", "deliver", "mutate 1", "call x"} {
		if p, err := ParsePath(s); err == nil {
			t.Errorf("%q is read as %v", s, p)
		}
	}
}
