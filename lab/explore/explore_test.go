package explore_test

import (
	"flag"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/lab/explore"
	"github.com/handfast-tcp/handfast/lab/oracle"
	"github.com/handfast-tcp/handfast/lab/story"
)

var (
	level = flag.Int("level", 0, "explore this level to its end; 0: a part of each")
	most  = flag.Int("states", math.MaxInt, "with -level: explore no more states of a rung")
	rung  = flag.String("rung", "", "of TestPlay: the rung")
	path  = flag.String("path", "", "of TestPlay: the way that is drawn")
)

// Each rung as far as a second carries, or to its end:
//
//	make explore
//	go test ./lab/explore -run TestRungs -v -level 4
func TestRungs(t *testing.T) {
	var all oracle.Coverage
	for _, r := range explore.Rungs() {
		if *level > 0 && *level < 8 && r.Level != *level {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			limit := 5_000
			if testing.Short() {
				limit = 500
			}
			if *level > 0 {
				limit = *most
			}
			begun := time.Now()
			rep := explore.Explore(r, limit)
			rows := rep.Relation.Coverage()
			all.Add(&rows)
			t.Logf("level %d: %8d states, %9d steps, at most %2d deep, %v of virtual time, %d strays, %d rows of the relation, complete: %v, in %v",
				r.Level, rep.States, rep.Steps, rep.Depth, rep.Longest, rep.Strays, rows.Seen(), rep.Complete, time.Since(begun).Round(time.Second/10))
			if rep.Err != nil {
				t.Fatalf("%v\n-rung %q -path %q\n%s", rep.Err, r.Name, rep.Path, ladder(t, r, rep.Path))
			}
		})
	}
	t.Logf("%d of %d rows of the relation were seen; not: %v", all.Seen(), all.Reachable(), strings.Join(all.Missing(), "; "))
}

// A way that was found is drawn:
//
//	go test ./lab/explore -run TestPlay -v -rung 'both close' -path 'call 0, deliver 0, …'
func TestPlay(t *testing.T) {
	if *rung == "" {
		*rung, *path = "both close", "call 0, deliver 0, drop 0, pass, deliver 0, call 0, deliver 0, call 1"
	}
	p, err := explore.ParsePath(*path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range explore.Rungs() {
		if r.Name == *rung {
			t.Log("\n" + ladder(t, r, p))
			return
		}
	}
	t.Fatalf("there is no rung %q", *rung)
}

func ladder(t *testing.T, r *explore.Rung, p explore.Path) string {
	run, err := explore.Tell(r, p)
	if err != nil {
		t.Log(err)
	}
	told := story.Tell(&run, story.TellOptions{})
	var b strings.Builder
	if err := (story.Ladder{Lanes: told.Lanes, Width: 100}).Write(&b, told.Steps); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
