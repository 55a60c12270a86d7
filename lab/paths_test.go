package lab

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
)

var allPaths = flag.Bool("paths", false, "measure all of the tables of paths, not a part")

// snapshot is a table that is kept in the repository, so that a change shows in
// review: docs/PATHS.md says how to read it. Of the lines a test looks at some; with
// -paths at all, and with -rewrite it keeps what it measures.
type snapshot struct {
	t    *testing.T
	file string
	kept string
	text strings.Builder
}

func openSnapshot(t *testing.T, file, head string) *snapshot {
	kept, _ := os.ReadFile(file)
	s := &snapshot{t: t, file: file, kept: string(kept)}
	s.text.WriteString(head)
	return s
}

// line measures a line, if it is one of the few that are always measured, or all are.
func (s *snapshot) line(always bool, measure func() string) {
	if !*allPaths && !*rewrite && (!always || testing.Short()) {
		return
	}
	line := strings.TrimRight(measure(), " ") + "\n"
	if !strings.Contains(s.kept, line) && !*rewrite {
		s.t.Errorf("not in %s (-rewrite accepts it): %s", s.file, line)
	}
	s.text.WriteString(line)
}

func (s *snapshot) close() {
	if !*rewrite {
		return
	}
	if err := os.WriteFile(s.file, []byte(s.text.String()), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

var (
	queues = []float64{0.2, 1, 5}
	// lasting is for how long a transfer is measured, by its round trip.
	lasting = map[time.Duration]time.Duration{
		time.Millisecond: 3 * time.Second, 20 * time.Millisecond: 4 * time.Second,
		100 * time.Millisecond: 15 * time.Second, 300 * time.Millisecond: 30 * time.Second,
	}
	troubles = []struct{ loss, reorder float64 }{{0, 0}, {0.001, 0}, {0.01, 0}, {0, 0.01}, {0.001, 0.01}, {0.01, 0.01}}
)

// TestPaths is one transfer over 100 Mbit/s by congestion control, round trip, queue,
// loss and reordering: what it brings, and how long its packets wait in the queue.
func TestPaths(t *testing.T) {
	s := openSnapshot(t, "testdata/paths.txt", "# One transfer over 100 Mbit/s: goodput in Mbit/s, and how long packets wait in the queue, p50/p95 in ms.\n"+
		"# Lost and reordered (10 ms late), in percent: "+fmt.Sprintf("%-19s|%-19s|%-19s|%-19s|%-19s|%-19s\n", "0 0", " 0.1 0", " 1 0", " 0 1", " 0.1 1", " 1 1")+
		"# control, round trip, queue in bandwidth-delay products\n")
	for _, algorithm := range cc.Names() {
		for _, trip := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond} {
			for _, queue := range queues {
				s.line(algorithm == cc.Default && trip == 20*time.Millisecond && queue == 1, func() string {
					line := fmt.Sprintf("%-6s %5v %3v", algorithm, trip, queue)
					for _, bad := range troubles {
						x := sharedPath{rate: 100e6, trip: trip, queue: queue, loss: bad.loss, reorder: bad.reorder,
							flows: []string{algorithm}, lasting: lasting[trip]}.run(t, 1)
						p50, p95 := x.waiting()
						line += fmt.Sprintf(" |%5.1f %12s", x.goodput(0), fmt.Sprintf("%.1f/%.1f", p50, p95))
					}
					return line
				})
			}
		}
	}
	s.close()
}

// company is who shares a path.
type company struct {
	name   string
	flows  []string
	queues []float64
	seeds  int
}

func companies() (all []company) {
	for _, algorithm := range cc.Names() {
		for _, n := range []int{2, 4, 8, 16} {
			c := company{fmt.Sprintf("%d %s", n, algorithm), nil, []float64{1}, 1}
			for range n {
				c.flows = append(c.flows, algorithm)
			}
			if n == 2 {
				c.queues, c.seeds = queues, 3
			}
			all = append(all, c)
		}
	}
	return append(all, company{"bbr, cubic", []string{"bbr", "cubic"}, queues, 3}, company{"cubic, bbr", []string{"cubic", "bbr"}, queues, 3},
		company{"cubic, reno", []string{"cubic", "reno"}, queues, 3})
}

// TestFairness is how flows share 40 Mbit/s, and tells whether the bounds hold that are set:
// two CUBIC flows share within 10 %; beside CUBIC, BBR gets a quarter to three.
func TestFairness(t *testing.T) {
	s := openSnapshot(t, "testdata/fairness.txt", "# Flows that share 40 Mbit/s, without loss but at the queue, after the first 20 s.\n"+
		"# flows, round trip, queue | all in Mbit/s | Jain's index | least and most of a fair share | wait in the queue, p50/p95 in ms | share of the first, by seed | bound\n")
	for _, trip := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} {
		for _, c := range companies() {
			for _, queue := range c.queues {
				s.line(false, func() string { return c.share(t, trip, queue) })
			}
		}
	}
	s.close()
}

// share measures a line of TestFairness.
func (c company) share(t *testing.T, trip time.Duration, queue float64) string {
	var all, jain, p50, p95 float64
	least, most, first, held := 100.0, 0.0, "", "held"
	for seed := range c.seeds {
		x := sharedPath{rate: 40e6, trip: trip, queue: queue, flows: c.flows, lasting: c.lasting(), from: 20 * time.Second}.run(t, uint64(seed+1))
		sum, squares := 0.0, 0.0
		for i := range c.flows {
			sum += x.goodput(i)
			squares += x.goodput(i) * x.goodput(i)
		}
		for i := range c.flows {
			fair := x.goodput(i) * float64(len(c.flows)) / sum
			least, most = min(least, fair), max(most, fair)
		}
		of := x.goodput(0) / sum
		if !c.inBounds(of) {
			held = "NOT HELD"
		}
		first += fmt.Sprintf(" %.2f", of)
		a, b := x.waiting()
		all, jain, p50, p95 = all+sum, jain+sum*sum/squares/float64(len(c.flows)), p50+a, p95+b
	}
	n := float64(c.seeds)
	if c.seeds == 1 {
		first = ""
	}
	if !c.bounded() {
		held = ""
	}
	return fmt.Sprintf("%-11s %5v %3v | %4.1f | %.3f | %.2f %.2f | %11s |%-15s | %s", c.name, trip, queue, all/n, jain/n, least, most,
		fmt.Sprintf("%.1f/%.1f", p50/n, p95/n), first, held)
}

// lasting is for how long c shares: two flows, whose shares are compared, for longer,
// since what one gains in a round of its window it loses in another.
func (c company) lasting() time.Duration {
	if len(c.flows) == 2 {
		return 140 * time.Second
	}
	return 60 * time.Second
}

// bounded reports whether there is a bound for c: see TestFairness.
func (c company) bounded() bool {
	return c.name == "2 cubic" || strings.Contains(c.name, "bbr, ") || strings.Contains(c.name, ", bbr")
}

func (c company) inBounds(first float64) bool {
	if c.name == "2 cubic" {
		return 0.45 <= first && first <= 0.55
	}
	return 0.25 <= first && first <= 0.75
}
