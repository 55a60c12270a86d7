package explore_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab/explore"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

var (
	rung = flag.String("rung", "", "of TestPlay: the rung")
	path = flag.String("path", "", "of TestPlay: the way that is drawn")
)

// Each rung as far as a second carries; make explore goes to the end of all.
func TestRungs(t *testing.T) {
	limit := 5_000
	if testing.Short() {
		limit = 500
	}
	var rows oracle.Coverage
	for _, r := range explore.Rungs() {
		t.Run(r.Name, func(t *testing.T) {
			rep := explore.Explore(r, limit)
			c := rep.Relation.Coverage()
			rows.Add(&c)
			if rep.Err != nil {
				t.Fatalf("%v\n-rung %q -path %q\n%s", rep.Err, r.Name, rep.Path, ladder(t, r, rep.Path))
			}
			if rep.States < limit && !rep.Complete {
				t.Errorf("it ends after %d of %d states", rep.States, limit)
			}
		})
	}
	t.Logf("%v of the relation are seen", &rows)
}

// A way that was found is drawn:
//
//	go test ./lab/explore -run TestPlay -v -rung 'both close: 1 lost, 1 early' -path 'call 0, deliver 0, …'
func TestPlay(t *testing.T) {
	if *rung == "" {
		*rung, *path = "both close: 1 lost, 1 early", "call 0, deliver 0, drop 0, pass, deliver 0, call 0, deliver 0, call 1"
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
	var b strings.Builder
	if err := explore.Draw(&b, r, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
