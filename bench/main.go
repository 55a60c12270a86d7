// Command bench measures Handfast beside other TCPs, in one interleaved run on
// one machine, and prints one table.
//
// Every case runs in a process of its own, so that processor time and
// allocations belong to it alone, and where it needs devices also in a network
// namespace of its own. Rounds are interleaved: every peer of every row once,
// then all again; what hardly varies is measured once. Figures are medians
// with (least..most).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	gopath "path"
	"slices"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	rows, peers string
	rounds      int
	seed        uint64
	seconds     float64
	limit       time.Duration
	quick       bool
	json, list  bool
	markdown    bool
	grid        bool
	svg         string
	profile     string
	child       string
}

// defaultRows and quickRows name what is measured when nothing is said.
const (
	defaultRows = "mem1500,mem64k,tun-up,tun-down,mem1500-8,crr,crr-dial,crr-accept,pingpong,pingpong-tun," +
		"wire,wire-loss,wire-reorder,wire-long,wire-bloat,idle-100k,idle-1M,idle-both-10k,halfopen-100k,timewait-100k,syn,syn-forward,size,build"
	quickRows = "mem1500,mem64k,tun-up,tun-down,crr,pingpong,idle-10k,halfopen-10k,timewait-10k,syn,size"
)

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.rows, "rows", "", "rows to measure, or patterns of them like matrix-25ms-*, or all but the matrix (default: a choice, see -list)")
	fs.StringVar(&o.peers, "peers", "all", "peers to measure")
	fs.IntVar(&o.rounds, "rounds", 5, "how often each case runs at most")
	fs.Float64Var(&o.seconds, "seconds", 0.8, "measured seconds of a case")
	fs.Uint64Var(&o.seed, "seed", 1, "decides what is lost and reordered in the rows wire…")
	fs.DurationVar(&o.limit, "time", 10*time.Minute, "begin no round that would end later than this, and no case")
	fs.BoolVar(&o.quick, "quick", false, "one short round of few rows, without cold builds: about a minute")
	fs.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	fs.BoolVar(&o.markdown, "markdown", false, "print Markdown instead of a table, as docs/PERFORMANCE.md has it")
	fs.BoolVar(&o.grid, "grid", false, "print one line for each row, with the main figures of all peers")
	fs.StringVar(&o.svg, "svg", "", "also draw charts into this `directory`")
	fs.BoolVar(&o.list, "list", false, "list rows and peers")
	fs.StringVar(&o.profile, "profile", "", "write profiles of processor time and allocations into this `directory`")
	fs.StringVar(&o.child, "child", "", "one case as JSON; used by bench itself")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 || o.rounds < 1 || o.seconds <= 0 || o.limit <= 0 {
		return o, errors.New("bench: -rounds must be at least 1, -seconds and -time positive, and arguments are not taken; see -h")
	}
	if o.quick {
		o.rounds, o.seconds = 1, min(o.seconds, 0.3)
	}
	if o.rows == "" {
		o.rows = defaultRows
		if o.quick {
			o.rows = quickRows
		}
	}
	return o, nil
}

func main() {
	o, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
	case o.child != "":
		err = runChild(o.child)
	case o.list:
		printList(os.Stdout)
	default:
		err = runAll(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func printList(w io.Writer) {
	fmt.Fprintln(w, "rows (* by default):")
	chosen := strings.Split(defaultRows, ",")
	for _, r := range rows() {
		mark := " "
		if slices.Contains(chosen, r.name) {
			mark = "*" // measured when nothing is said
		}
		fmt.Fprintf(w, "%s %-28s %s: %s\n", mark, r.name, r.title, strings.Join(r.peers, ", "))
	}
	fmt.Fprintln(w, "peers:")
	for _, p := range peers() {
		fmt.Fprintf(w, "  %-14s %s: %s\n", p.name, p.version(), p.what)
	}
}

// plan is one row with the peers that were asked for.
type plan struct {
	row
	cases []spec
}

// makePlan picks rows and peers by name. An unknown name is an error.
func makePlan(o options) ([]plan, error) {
	all := rows()
	var names, most []string
	for _, r := range all {
		if names = append(names, r.name); !r.named {
			most = append(most, r.name)
		}
	}
	wanted, err := choose(o.rows, names, most)
	if err != nil {
		return nil, fmt.Errorf("-rows: %w", err)
	}
	var peerNames []string
	for _, p := range peers() {
		peerNames = append(peerNames, p.name)
	}
	allowed, err := choose(o.peers, peerNames, peerNames)
	if err != nil {
		return nil, fmt.Errorf("-peers: %w", err)
	}
	var out []plan
	for _, r := range all {
		if !slices.Contains(wanted, r.name) {
			continue
		}
		p := plan{row: r}
		for _, name := range r.peers {
			if slices.Contains(allowed, name) {
				p.cases = append(p.cases, spec{Row: r.name, Peer: name, Seconds: r.window(o), Seed: o.seed, Profile: o.profile})
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// window is how many seconds of a row are measured.
func (r row) window(o options) float64 {
	if o.quick {
		return o.seconds
	}
	return max(o.seconds, r.seconds)
}

// choose splits a comma-separated list of names, and patterns of names, and checks it
// against what there is. All are those of most.
func choose(list string, from, most []string) (picked []string, err error) {
	if list == "all" {
		return most, nil
	}
	for _, p := range strings.Split(list, ",") {
		before := len(picked)
		for _, name := range from {
			if ok, _ := gopath.Match(p, name); ok {
				picked = append(picked, name)
			}
		}
		if len(picked) == before {
			return nil, fmt.Errorf("no %q; there are %s", p, strings.Join(from, ", "))
		}
	}
	return picked, nil
}

// runAll runs the rounds, interleaved, and prints what was found.
func runAll(o options) error {
	plans, err := makePlan(o)
	if err != nil {
		return err
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return fmt.Errorf("-profile: %w", err)
		}
	}
	begun := time.Now()
	results := runRounds(o, plans, begun)
	rep := makeReport(o, plans, results, begun)
	switch {
	case o.json:
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(rep)
	case o.grid:
		err = rep.grid(os.Stdout)
	case o.markdown:
		rep.markdown(os.Stdout)
	default:
		err = rep.print(os.Stdout)
	}
	if o.svg != "" {
		err = errors.Join(err, rep.draw(o.svg))
	}
	return errors.Join(err, rep.failure())
}

// runRounds measures every case of every row, then all again: as many rounds
// as fit into the time. When not even one does, the rest of it is skipped.
func runRounds(o options, plans []plan, begun time.Time) (results []result) {
	progress := newProgress(os.Stderr, plans, o.rounds, o.limit)
	defer progress.end()
	var repeated time.Duration // what a round takes of cases that come again
	for round := 1; round <= o.rounds; round++ {
		if round > 1 && time.Since(begun)+repeated > o.limit {
			return results
		}
		repeated = 0
		for _, p := range plans {
			if p.once && round > 1 {
				continue
			}
			for _, s := range p.cases {
				progress.begin(s, round)
				from := time.Now()
				r := result{Row: s.Row, Peer: s.Peer, Skipped: "no time left, see -time"}
				if from.Sub(begun) < o.limit {
					r = runCase(s)
				}
				r.Round = round
				results = append(results, r)
				if !p.once {
					repeated += time.Since(from)
				}
			}
		}
	}
	return results
}
