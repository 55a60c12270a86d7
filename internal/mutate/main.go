// Command mutate asks whether the tests would find the faults that TCP stacks have had, and
// those that this one has had: it makes each of them, one at a time, and runs tests until
// one fails. The faults are in mutants, each as the lines that it replaces and those that
// stand there instead.
//
// The tree is not touched: the compiler is given the changed files by an overlay. Tests of
// the changed package come first, then those of who uses it, those that are likely to see
// most before the others. A fault that hangs is ended by a timeout, which is told apart.
//
//	go run ./internal/mutate            # all
//	go run ./internal/mutate -run seq   # those whose names have seq in them
//	go run ./internal/mutate -list
//
// What killed a fault the last time is in docs/MUTANTS.md, and is tried first.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// leastKilled is the part of the faults that the tests have to find.
const leastKilled = 0.97

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run() error {
	pattern := flag.String("run", "", "only mutants whose name, file or class this regular expression finds")
	list := flag.Bool("list", false, "list the mutants, and do nothing")
	show := flag.Bool("v", false, "show what the failing test says")
	jobs := flag.Int("j", runtime.GOMAXPROCS(0), "mutants at a time")
	reach := flag.Int("reach", 0, "at most so many packages have their tests run for a mutant; 0: all that use what it changes")
	full := flag.Bool("full", true, "run all tests of the changed package, too, if the short ones find nothing")
	quick := flag.Bool("quick", false, "leave out what takes long")
	fresh := flag.Bool("fresh", false, "forget what killed a mutant the last time")
	keep := flag.Bool("keep", false, "write what killed each to docs/MUTANTS.md")
	timeout := flag.Duration("timeout", 30*time.Second, "for how long no test may end; ten times the slowest one if that is more")
	flag.Parse()
	mutants, err := all()
	if err != nil {
		return err
	}
	chosen, err := choose(mutants, *pattern)
	if err != nil || *list {
		printAll(chosen)
		return err
	}
	top, err := repository()
	if err != nil {
		return err
	}
	s := &sweep{top: top, jobs: *jobs, reach: *reach, full: *full && !*quick, quick: *quick, show: *show, timeout: *timeout}
	kept, err := readTable(filepath.Join(top, tableFile))
	if err != nil {
		return err
	}
	if !*fresh {
		s.last = kept.rows
	}
	results, err := s.all(mutants, chosen)
	if err != nil {
		return err
	}
	if *keep {
		if err := kept.keep(filepath.Join(top, tableFile), mutants, results); err != nil {
			return err
		}
	}
	return conclude(results)
}

// choose returns the mutants that a pattern finds.
func choose(mutants []*mutant, pattern string) (chosen []*mutant, err error) {
	p, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	for _, m := range mutants {
		if p.MatchString(m.name) || p.MatchString(m.file) || p.MatchString(m.class) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no mutant has %q in its name, file or class; -list lists them", pattern)
	}
	return chosen, nil
}

func printAll(mutants []*mutant) {
	class := ""
	for _, m := range mutants {
		if m.class != class {
			class = m.class
			fmt.Println(class)
		}
		fmt.Printf("  %-40s %s\n", m.name, m.file)
	}
	fmt.Println(len(mutants), "mutants")
}

// repository returns the top of the tree that we are in.
func repository() (string, error) {
	out, err := exec.Command("go", "env", "GOWORK").Output()
	work := strings.TrimSpace(string(out))
	if err != nil || !strings.HasSuffix(work, "go.work") {
		return "", fmt.Errorf("run it in the repository, with its go.work (%q, %v)", work, err)
	}
	return filepath.Dir(work), nil
}

// conclude tells what came out; an error says that it is not good enough.
func conclude(results []result) error {
	count := map[verdict]int{}
	for _, r := range results {
		count[r.verdict]++
	}
	if n := count[survived]; n > 0 {
		fmt.Println("\nsurvived:")
		for _, r := range results {
			if r.verdict == survived {
				fmt.Printf("  %-40s %s: %s\n", r.mutant.name, r.mutant.file, r.mutant.class)
			}
		}
	}
	killed := count[failed] + count[hung]
	score := float64(killed) / float64(len(results))
	fmt.Printf("\n%d mutants: %d killed (%d by a timeout), %d survived, %d could not be tried: %.1f %%\n",
		len(results), killed, count[hung], count[survived], count[broken], 100*score)
	switch {
	case count[broken] > 0:
		return fmt.Errorf("%d mutants say nothing: see above", count[broken])
	case score < leastKilled:
		return fmt.Errorf("fewer than %.0f %% were killed", 100*leastKilled)
	}
	return nil
}
