package host

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// FuzzHost has a host go through anything at all: see ordeal.
func FuzzHost(f *testing.F) {
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 300 {
			t.Skip("long enough")
		}
		runOrdeal(t, ops, testing.Verbose())
	})
}

func runOrdeal(tb testing.TB, ops []byte, verbose bool) *ordeal {
	o := newOrdeal(tb, ops)
	o.verbose = verbose
	o.play()
	o.finish()
	return o
}

// corpus are the inputs that are kept for a fuzz target.
func corpus(tb testing.TB, target string) map[string][]byte {
	files, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
	if err != nil || len(files) == 0 {
		tb.Fatal("no corpus: ", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		_, line, _ := strings.Cut(string(text), "[]byte(")
		ops, err := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(line), ")"))
		if err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = []byte(ops)
	}
	return all
}

// The fuzzer begins where it matters: what is kept for it reaches every state, by an input
// with its name, and most rows of RFC 9293 §3.10.7.
func TestCorpusReachesAll(t *testing.T) {
	var rows oracle.Coverage
	all := corpus(t, "FuzzHost")
	states := map[string]uint16{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		o := runOrdeal(t, all[name], false)
		c := o.relation.Coverage()
		rows.Add(&c)
		states[name] = o.states
	}
	for s := tcp.State(2); s < tcp.State(tcp.NumStates); s++ { // LISTEN and CLOSED are there before the first byte
		if states[s.String()]&(1<<s) == 0 {
			t.Errorf("the input %v does not reach this state", s)
		}
	}
	t.Logf("%d of %d rows; not %q", rows.Seen(), rows.Reachable(), rows.Missing())
	if 100*rows.Seen() < 90*rows.Reachable() {
		t.Errorf("%d of %d rows of the relation are reached", rows.Seen(), rows.Reachable())
	}
}

// What one input of the fuzzer costs: a target that makes less than a thousand of them a
// second finds nothing.
func BenchmarkFuzzHost(b *testing.B) {
	all := corpus(b, "FuzzHost")
	inputs := slices.Collect(maps.Values(all))
	for i := 0; b.Loop(); i++ {
		runOrdeal(b, inputs[i%len(inputs)], false)
	}
}
