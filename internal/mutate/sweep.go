package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// verdict is what became of a mutant.
type verdict int

const (
	survived verdict = iota // no test failed
	failed                  // a test failed
	hung                    // a test did not come to an end
	broken                  // it does not compile, or a test fails without it
)

// result says what became of a mutant, and which test it was.
type result struct {
	mutant  *mutant
	verdict verdict
	pkg     string // folder of the test's package
	test    string
	long    bool   // it was needed without -short
	said    string // by the test, or the compiler
	took    time.Duration
	quick   []string // tests that took little time
	slowest time.Duration
}

// sweep tries mutants.
type sweep struct {
	top     string
	jobs    int
	reach   int
	full    bool
	quick   bool
	show    bool
	timeout time.Duration
	last    map[string]row // what killed them the last time
	users   map[string][]string

	dir    string
	common *build // with all mutants in it that change one function
	alone  map[*mutant]bool
	number map[*mutant]int

	mu     sync.Mutex
	found  map[attempt]map[string]int // how many mutants a test has killed
	done   int
	normal map[attempt]*baseline
}

// baseline is what tests do without any mutant.
type baseline struct {
	once sync.Once
	result
}

// all tries some of the mutants, a few at a time.
func (s *sweep) all(mutants, chosen []*mutant) (results []result, err error) {
	if s.users, err = users(s.top); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "mutate"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(s.dir)
	files, alone, err := dispatch(s.top, mutants)
	if err != nil {
		return nil, err
	}
	s.alone, s.number = alone, map[*mutant]int{}
	s.normal, s.found = map[attempt]*baseline{}, map[attempt]map[string]int{}
	for i, m := range mutants {
		s.number[m] = i + 1
	}
	if s.common, err = newBuild(s.top, filepath.Join(s.dir, "all"), "", files); err != nil {
		return nil, err
	}
	results = make([]result, len(chosen))
	slots := make(chan bool, s.jobs)
	var running sync.WaitGroup
	for i, m := range chosen {
		slots <- true
		running.Go(func() {
			began := time.Now()
			r := s.one(m)
			r.mutant, r.took = m, time.Since(began)
			results[i] = r
			s.tell(&r, len(chosen))
			<-slots
		})
	}
	running.Wait()
	return results, nil
}

// tell prints a line about a mutant that was tried.
func (s *sweep) tell(r *result, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	what := ""
	switch r.verdict {
	case survived:
		what = "SURVIVED"
	case failed:
		what = "killed by " + r.test + " in " + r.pkg
	case hung:
		what = "killed by a timeout in " + r.test + " in " + r.pkg
	case broken:
		what = "CANNOT BE TRIED: " + r.said
	}
	fmt.Printf("%3d/%d %6.1fs %-40s %s\n", s.done, all, r.took.Seconds(), r.mutant.name, what)
	if s.show && r.verdict == failed {
		fmt.Println(r.said)
	}
}

// one tries a mutant.
func (s *sweep) one(m *mutant) result {
	b, number := s.common, s.number[m]
	if s.alone[m] {
		lines, err := m.source(s.top)
		if err == nil {
			lines, err = m.apply(lines)
		}
		if err == nil {
			b, err = newBuild(s.top, filepath.Join(s.dir, m.name), m.arch, map[string]string{m.file: strings.Join(lines, "\n")})
		}
		if err != nil {
			return result{verdict: broken, said: err.Error()}
		}
		defer os.RemoveAll(b.dir)
	}
	for _, a := range s.attempts(m) {
		if r := s.try(a, b, number); r.verdict != survived {
			return r
		}
	}
	return result{}
}

// try makes an attempt: the quick tests first, which are most, and find most. A test that fails has
// to fail once more, alone: else it is one that fails now and then, and says nothing.
func (s *sweep) try(a attempt, b *build, number int) result {
	n, err := s.without(a)
	if err != nil {
		return result{verdict: broken, said: err.Error()}
	}
	limit := max(s.timeout, 10*n.slowest)
	if a.test != "" {
		return a.run(b, number, limit, selection{only: named([]string{a.test})})
	}
	var done []string // what has been run, and what failed by chance
	parts := [][]string{s.best(a), n.quick, nil}
	if s.quick {
		parts = parts[:2]
	}
	for _, part := range parts {
		for {
			which, limit := selection{without: named(done)}, limit
			if part != nil {
				which.only, limit = named(part), s.timeout
			}
			r := a.run(b, number, limit, which)
			if r.verdict == survived {
				break
			}
			if r.verdict != failed || a.run(b, number, limit, selection{only: named([]string{r.test})}).verdict == failed {
				s.note(a, r.test)
				return r
			}
			done = append(done, r.test)
		}
		done = append(done, part...)
	}
	return result{}
}

// fewBest is how many tests are run before all others: those that have found most so far.
const fewBest = 12

func (s *sweep) note(a attempt, test string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found[a] == nil {
		s.found[a] = map[string]int{}
	}
	s.found[a][test]++
}

// best returns the tests that have found most.
func (s *sweep) best(a attempt) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.SortedFunc(maps.Keys(s.found[a]), func(x, y string) int { return s.found[a][y] - s.found[a][x] })
	return append([]string{"none"}, all[:min(len(all), fewBest)]...)
}

// attempts are what is tried, in order: first what killed it the last time, then all
// tests that it may concern, and at the end the long ones of its own package.
func (s *sweep) attempts(m *mutant) (all []attempt) {
	if k, ok := s.last[m.name]; ok && k.test != "" {
		all = append(all, attempt{k.pkg, k.test, !k.long})
	}
	packages := s.users[m.pkg()]
	if s.reach > 0 {
		packages = packages[:min(s.reach, len(packages))]
	}
	for _, p := range packages {
		all = append(all, attempt{pkg: p, short: true})
	}
	if s.full {
		all = append(all, attempt{pkg: m.pkg()})
	}
	return all
}

// without makes an attempt without any mutant, once. Its error says that the tests fail
// then, too.
func (s *sweep) without(a attempt) (*baseline, error) {
	s.mu.Lock()
	n := s.normal[a]
	if n == nil {
		n = &baseline{}
		s.normal[a] = n
	}
	s.mu.Unlock()
	n.once.Do(func() {
		which := selection{}
		if a.test != "" {
			which.only = named([]string{a.test})
		}
		began := time.Now()
		n.result = a.run(s.common, 0, time.Hour, which)
		n.took = time.Since(began)
		if a.test == "" {
			fmt.Printf("%19s tests of %s take %.1f s\n", "", a.pkg, n.took.Seconds())
		}
	})
	if n.verdict != survived {
		return nil, fmt.Errorf("without a mutant %s fails in %s: %.2000s", n.test, a.pkg, n.said)
	}
	return n, nil
}
