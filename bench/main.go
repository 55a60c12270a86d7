// Command bench measures Handfast beside other TCPs, in one interleaved run on
// one machine, and prints one table.
//
// Every case runs in a process of its own, so that processor time and
// allocations belong to it alone, and where it needs devices also in a network
// namespace of its own. Rounds are interleaved: every peer of every row once,
// then all again. Figures are medians with (least..most).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	rows, peers string
	rounds      int
	seconds     float64
	streams     int
	json, list  bool
	profile     string
	child       string
}

// defaultRows take a few minutes.
const defaultRows = "mem1500,mem64k,tun-up,tun-down,crr,pingpong"

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.rows, "rows", defaultRows, "rows to measure, or all")
	fs.StringVar(&o.peers, "peers", "all", "peers to measure")
	fs.IntVar(&o.rounds, "rounds", 3, "how often each case runs")
	fs.Float64Var(&o.seconds, "seconds", 2, "measured seconds of a case")
	fs.IntVar(&o.streams, "streams", 1, "connections of the bulk rows")
	fs.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	fs.BoolVar(&o.list, "list", false, "list rows and peers")
	fs.StringVar(&o.profile, "profile", "", "write profiles of processor time and allocations into this `directory`")
	fs.StringVar(&o.child, "child", "", "one case as JSON; used by bench itself")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 || o.rounds < 1 || o.seconds <= 0 || o.streams < 1 {
		return o, errors.New("bench: rounds, seconds and streams are at least 1, and there are no arguments; see -h")
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
	fmt.Fprintln(w, "rows:")
	for _, r := range rows(1) {
		fmt.Fprintf(w, "  %-13s %s: %s\n", r.name, r.title, strings.Join(r.peers, ", "))
	}
	fmt.Fprintln(w, "peers:")
	for _, p := range peers() {
		fmt.Fprintf(w, "  %-13s %s: %s\n", p.name, p.version(), p.what)
	}
}

// plan is one row with the peers that were asked for.
type plan struct {
	row
	cases []spec
}

// makePlan picks rows and peers by name. An unknown name is an error.
func makePlan(o options) ([]plan, error) {
	all := rows(o.streams)
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.name
	}
	wanted, err := choose(o.rows, names)
	if err != nil {
		return nil, fmt.Errorf("-rows: %w", err)
	}
	var peerNames []string
	for _, p := range peers() {
		peerNames = append(peerNames, p.name)
	}
	allowed, err := choose(o.peers, peerNames)
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
				p.cases = append(p.cases, spec{Row: r.name, Peer: name, Streams: o.streams, Seconds: o.seconds, Profile: o.profile})
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// choose splits a comma-separated list and checks it against what there is.
func choose(list string, from []string) ([]string, error) {
	if list == "all" {
		return from, nil
	}
	picked := strings.Split(list, ",")
	for _, p := range picked {
		if !slices.Contains(from, p) {
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
	progress := newProgress(os.Stderr, plans, o.rounds)
	var results []result
	for round := 1; round <= o.rounds; round++ {
		for _, p := range plans {
			for _, s := range p.cases {
				progress.begin(s, round)
				r := runCase(s)
				r.Round = round
				results = append(results, r)
			}
		}
	}
	progress.end()
	rep := makeReport(o, plans, results, time.Now())
	if o.json {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(rep)
	} else {
		err = rep.print(os.Stdout)
	}
	return errors.Join(err, rep.failure())
}
