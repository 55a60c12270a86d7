package detect_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/alike"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/traces.txt anew")

const (
	tracesFile    = "testdata/traces.txt"
	tracesOfLabel = 40
)

// drawSet draws the traces of one base.
func drawSet(base uint64) (all []trace) {
	for _, label := range labels {
		for i := range uint64(tracesOfLabel) {
			all = append(all, draw(label, base*1000+i))
		}
	}
	return all
}

// readSet reads the labelled set.
func readSet(t *testing.T) (all []trace) {
	text, err := os.ReadFile(tracesFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		tr, err := parseTrace(line)
		if err != nil {
			t.Fatalf("%s: %q: %v", tracesFile, line, err)
		}
		all = append(all, tr)
	}
	return all
}

func writeSet(t *testing.T, all []trace) {
	var b strings.Builder
	b.WriteString("# The labelled traces of TestDetector: go test ./engine/detect -run Labelled -rewrite makes this file anew.\n")
	for _, tr := range all {
		fmt.Fprintln(&b, tr)
	}
	if err := os.WriteFile(tracesFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// judgeAll reports every miss and every false alarm, and logs the figures.
func judgeAll(t *testing.T, name string, all []trace) {
	delays := map[string][]time.Duration{}
	missed, wrong, elevated := map[string]int{}, map[string]int{}, 0
	for _, tr := range all {
		o := tr.play(t)
		if o.missed() {
			missed[tr.Label]++
			t.Errorf("%s: missed: %v\n\t%v", name, tr, &o)
		}
		if o.wrong != detect.Quiet {
			wrong[tr.Label]++
			t.Errorf("%s: false alarm: %v\n\t%v", name, tr, &o)
		}
		if o.elevated {
			elevated++
		}
		delays[tr.Label] = append(delays[tr.Label], o.first)
	}
	for _, label := range labels {
		d := delays[label]
		slices.Sort(d)
		if len(d) == 0 {
			continue
		}
		t.Logf("%s: %-6s %3d traces, %d missed, %d false alarms, verdict after %.2f s in the middle, %.2f s at most", name, label,
			len(d), missed[label], wrong[label], d[len(d)/2].Seconds(), d[len(d)-1].Seconds())
	}
	t.Logf("%s: elevated without a cause in %d of %d", name, elevated, len(all))
}

// TestLabelledTraces: no miss, no false alarm, and the verdict within two
// seconds, on the labelled set.
func TestLabelledTraces(t *testing.T) {
	if *rewrite {
		writeSet(t, drawSet(1))
	}
	all := readSet(t)
	if len(all) != len(labels)*tracesOfLabel {
		t.Fatalf("%d traces", len(all))
	}
	if alike.Raced || testing.Short() { // nothing here is concurrent: make test plays them all without it
		all = some(all, 25)
	}
	judgeAll(t, "labelled", all)
}

// TestLabelsHoldAtEveryThreshold: when the attack mode begins is drawn by a key, and it shifts
// what each of the sampled handshakes meets. The verdict is the same wherever that falls: the
// crowds on lossy paths are the ones that came near a flood, at one threshold of nine.
func TestLabelsHoldAtEveryThreshold(t *testing.T) {
	if alike.Raced {
		t.Skip("nothing here is concurrent")
	}
	const most, thresholds = 2048, 8
	lossy := slices.DeleteFunc(readSet(t), func(tr trace) bool { return tr.Label != "crowd" || tr.Mode != "lossy" })
	if len(lossy) < 3 {
		t.Fatalf("%d crowds on lossy paths", len(lossy))
	}
	if testing.Short() {
		lossy = lossy[:1]
	}
	for i := range thresholds {
		// One or two of the set at each, and always the one that was taken for a flood.
		for _, tr := range append(some(lossy[i%len(lossy):], len(lossy)/2+1), worstCrowd(lossy)) {
			cfg := tcp.Config{AttackEnter: most - i*most/4/thresholds}
			if o := tr.playIn(newWorldWith(t, tr, cfg), tr.after(), nil); o.missed() || o.wrong != detect.Quiet {
				t.Errorf("from %d: %v\n\t%v", cfg.AttackEnter, tr, &o)
			}
		}
	}
}

// worstCrowd is the largest one: of the most handshakes the smallest share is followed.
func worstCrowd(all []trace) trace {
	return slices.MaxFunc(all, func(a, b trace) int { return cmp.Compare(a.Honest*a.Rate, b.Honest*b.Rate) })
}

// TestOtherSeeds: the same on sets that the detector was not tuned for, of which a fifth is
// played. HANDFAST_SEEDS says how many are played whole, HANDFAST_BASE where to
// begin, HANDFAST_QUIET how many seconds a quiet trace lasts, and HANDFAST_LABEL
// which traces to play only.
func TestOtherSeeds(t *testing.T) {
	if testing.Short() || alike.Raced {
		t.Skip("the labelled set only")
	}
	for i := range number("HANDFAST_SEEDS", 1) {
		base := uint64(number("HANDFAST_BASE", 2) + i)
		all := drawSet(base)
		if os.Getenv("HANDFAST_SEEDS") == "" {
			all = some(all, 5)
		}
		if only := os.Getenv("HANDFAST_LABEL"); only != "" {
			all = slices.DeleteFunc(all, func(tr trace) bool { return tr.Label != only })
		}
		judgeAll(t, fmt.Sprintf("base %d", base), all)
	}
}

// some returns each nth trace.
func some(all []trace, n int) (few []trace) {
	for i := 0; i < len(all); i += n {
		few = append(few, all[i])
	}
	return few
}

func number(env string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(env)); err == nil {
		return n
	}
	return otherwise
}
