// Command explore takes every way that two endpoints can take, within the bounds of the
// rungs of package lab/explore, several rungs at the same time. It prints a line for each
// and what all of them have seen, and ends with code 1 when something is wrong, after the
// shortest way there as a ladder. When all rungs are explored it also ends with code 1
// unless each has come to its end, and nearly all rows of the relation of RFC 9293 were seen.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/lab/explore"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// leastSeen is the part of the rows that all rungs together have to see.
const leastSeen = 0.98

func main() {
	states := flag.Int("states", math.MaxInt, "explore no more states of a rung than this")
	only := flag.String("rung", "", "explore only the rungs whose names contain this")
	level := flag.Int("level", 0, "explore only the rungs of this level, 1 to 8; 0: all")
	missing := flag.Bool("missing", false, "print the rows of the relation that were not seen")
	flag.Parse()
	var rungs []*explore.Rung
	for _, r := range explore.Rungs() {
		if strings.Contains(r.Name, *only) && (*level == 0 || r.Level == *level) {
			rungs = append(rungs, r)
		}
	}
	if len(rungs) == 0 {
		fmt.Fprintf(os.Stderr, "no rung of level %d has a name with %q\n", *level, *only)
		os.Exit(2)
	}
	s := sum{begun: time.Now()}
	fmt.Printf("%5s  %-60s %10s %11s %5s %4s %9s\n", "level", "rung", "states", "steps", "depth", "rows", "took")
	s.explore(rungs, *states)
	s.print(*missing)
	whole := len(rungs) == len(explore.Rungs()) && *states == math.MaxInt
	if len(s.wrong) > 0 || whole && (s.incomplete > 0 || s.seen() < leastSeen) {
		os.Exit(1)
	}
}

// sum is what all rungs have come to.
type sum struct {
	begun time.Time

	mu            sync.Mutex
	states, steps int
	incomplete    int
	coverage      oracle.Coverage
	wrong         []string
}

// explore explores rungs, as many at a time as there are processors. Those of the upper
// levels come first: they have the most states.
func (s *sum) explore(rungs []*explore.Rung, states int) {
	slices.SortStableFunc(rungs, func(a, b *explore.Rung) int { return cmp.Compare(b.Level, a.Level) })
	work := make(chan *explore.Rung)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for r := range work {
				begun := time.Now()
				rep := explore.Explore(r, states)
				s.add(r, &rep, time.Since(begun))
			}
		})
	}
	for _, r := range rungs {
		work <- r
	}
	close(work)
	workers.Wait()
}

// add takes what a rung has come to, and prints its line.
func (s *sum) add(r *explore.Rung, rep *explore.Report, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := rep.Relation.Coverage()
	s.coverage.Add(&rows)
	s.states += rep.States
	s.steps += rep.Steps
	said := ""
	if !rep.Complete {
		s.incomplete++
		said = "  not to its end"
	}
	if rep.Usurped > 0 {
		said += fmt.Sprintf("  %d without a FIN", rep.Usurped)
	}
	fmt.Printf("%5d  %-60s %10d %11d %5d %4d %9v%s\n", r.Level, r.Name, rep.States, rep.Steps, rep.Depth, rows.Seen(), took.Round(time.Second/10), said)
	if rep.Err == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v\n", r.Name, rep.Err)
	if err := explore.Draw(&b, r, rep.Path); err != nil {
		fmt.Fprintln(&b, err)
	}
	fmt.Fprintf(&b, "go test ./lab/explore -run TestPlay -v -rung %q -path %q\n", r.Name, rep.Path)
	s.wrong = append(s.wrong, b.String())
}

// seen is the part of the rows that was seen.
func (s *sum) seen() float64 { return float64(s.coverage.Seen()) / float64(s.coverage.Reachable()) }

func (s *sum) print(missing bool) {
	fmt.Printf("%d states and %d steps in %v; %v of the relation of RFC 9293 were seen, %.1f %%\n",
		s.states, s.steps, time.Since(s.begun).Round(time.Second), &s.coverage, 100*s.seen())
	if s.incomplete > 0 {
		fmt.Printf("%d rungs were not explored to their end\n", s.incomplete)
	}
	if missing {
		fmt.Println("not seen:\n  " + strings.Join(s.coverage.Missing(), "\n  "))
	}
	for _, w := range s.wrong {
		fmt.Println("\n" + w)
	}
	if len(s.wrong) == 0 {
		fmt.Println("nothing is wrong")
	}
}
