package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is all that a run found, as -json prints it.
type report struct {
	Machine  string            `json:"machine"`
	Cores    int               `json:"cores"`
	Kernel   string            `json:"kernel"`
	Go       string            `json:"go"`
	When     time.Time         `json:"when"`
	Rounds   int               `json:"rounds"`
	Window   float64           `json:"window_seconds"`
	Took     float64           `json:"took_seconds"`
	Versions map[string]string `json:"versions"`
	Rows     []rowReport       `json:"rows"`
	Results  []result          `json:"results"`
}

// rowReport is one row: a figure for each peer.
type rowReport struct {
	Name  string       `json:"name"`
	Title string       `json:"title"`
	Kind  kind         `json:"kind"`
	Peers []peerReport `json:"peers"`
	group string
}

// peerReport is one line of the table.
type peerReport struct {
	Peer    string            `json:"peer"`
	Figures map[string]figure `json:"figures,omitempty"`
	Others  float64           `json:"others"` // median of processors busy elsewhere
	Note    string            `json:"note,omitempty"`
	failed  bool
}

// figure is a median with its spread.
type figure struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func makeReport(o options, plans []plan, results []result, begun time.Time) report {
	rep := report{
		Machine: cpuModel(), Cores: runtime.NumCPU(), Kernel: systemVersion(), Go: runtime.Version(),
		When: begun, Rounds: lastRound(results), Window: o.seconds, Took: time.Since(begun).Seconds(), Versions: map[string]string{}, Results: results,
	}
	for _, p := range plans {
		rr := rowReport{Name: p.name, Title: p.title, Kind: p.kind, group: p.group}
		for _, s := range p.cases {
			rr.Peers = append(rr.Peers, condense(s, p.kind, results))
			if pr, err := findPeer(s.Peer); err == nil {
				rep.Versions[s.Peer] = pr.version()
			}
		}
		rep.Rows = append(rep.Rows, rr)
	}
	return rep
}

func lastRound(results []result) (n int) {
	for _, r := range results {
		n = max(n, r.Round)
	}
	return n
}

// condense makes one line of the table out of all rounds of a case.
func condense(s spec, k kind, results []result) peerReport {
	p := peerReport{Peer: s.Peer}
	var good []result
	for _, r := range results {
		switch {
		case r.Row != s.Row || r.Peer != s.Peer:
		case r.Err != "":
			p.Note = fmt.Sprintf("FAILED in round %d: %s", r.Round, r.Err)
		case r.Skipped != "":
			p.Note = "skipped: " + r.Skipped
		default:
			good = append(good, r)
		}
	}
	if len(good) == 0 {
		p.failed = s.Peer == "handfast" && strings.HasPrefix(p.Note, "FAILED")
		return p
	}
	p.Figures = make(map[string]figure)
	for _, c := range columns[k] {
		p.Figures[c.key] = spread(good, c.of)
	}
	p.Others = spread(good, func(r result) float64 { return r.Others }).Median
	return p
}

// spread returns median, least and most of a measure; there is at least one
// result.
func spread(results []result, of func(result) float64) figure {
	v := make([]float64, len(results))
	for i, r := range results {
		v[i] = of(r)
	}
	slices.Sort(v)
	n := len(v)
	return figure{Median: (v[(n-1)/2] + v[n/2]) / 2, Least: v[0], Most: v[n-1]}
}

// noise is how many cores were busy elsewhere, over all measurements.
func (rep report) noise() figure {
	var good []result
	for _, r := range rep.Results {
		if r.CPU > 0 {
			good = append(good, r)
		}
	}
	if len(good) == 0 {
		return figure{}
	}
	return spread(good, func(r result) float64 { return r.Others })
}

// failure is an error when a case of ours failed in every round. When a peer
// fails the table says so.
func (rep report) failure() error {
	for _, r := range rep.Rows {
		for _, p := range r.Peers {
			if p.failed {
				return fmt.Errorf("bench: %s of %s: %s", r.Name, p.Peer, p.Note)
			}
		}
	}
	return nil
}

// print writes the table. Each line compares itself with the first peer.
func (rep report) print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %d cores, %s, %s; %d rounds of %g s in %.0f s, medians (least..most)\n",
		rep.Machine, rep.Cores, rep.Kernel, rep.Go, rep.Rounds, rep.Window, rep.Took)
	for _, name := range sortedKeys(rep.Versions) {
		fmt.Fprintf(w, "  %-12s %s\n", name, rep.Versions[name])
	}
	fmt.Fprintf(w, "noise: other programs kept %s of the cores busy while a case ran\n", rep.noise())
	fmt.Fprintln(w, "CPU is user and system time of the whole process: both ends, and the kernel's share. others: cores busy elsewhere.")
	for _, r := range rep.Rows {
		fmt.Fprintf(w, "\n%s: %s\n", r.Name, r.Title)
		if err := r.print(w); err != nil {
			return err
		}
	}
	return nil
}

func (r rowReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	cols := columns[r.Kind]
	fmt.Fprint(w, "  \t")
	for _, c := range cols {
		fmt.Fprintf(w, "%s\t", c.head)
	}
	fmt.Fprintln(w, "others\tto the first")
	for _, p := range r.Peers {
		fmt.Fprintf(w, "  %s\t", p.Peer)
		for _, c := range cols {
			fmt.Fprintf(w, "%s\t", p.cell(c.key))
		}
		fmt.Fprintf(w, "%.1f\t%s\n", p.Others, r.ratio(p, cols[0].key))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range r.Peers {
		if p.Note != "" {
			fmt.Fprintf(out, "  %s %s\n", p.Peer, p.Note)
		}
	}
	return nil
}

func (p peerReport) cell(key string) string {
	if p.Figures == nil {
		return "-"
	}
	return p.Figures[key].String()
}

// ratio says how p's main figure stands to that of the first peer.
func (r rowReport) ratio(p peerReport, key string) string {
	first := r.Peers[0].Figures[key].Median
	if first == 0 || p.Figures == nil {
		return ""
	}
	return fmt.Sprintf("%.2f x", p.Figures[key].Median/first)
}

func (f figure) String() string {
	if f.Least == f.Most {
		return short(f.Median)
	}
	return fmt.Sprintf("%s (%s..%s)", short(f.Median), short(f.Least), short(f.Most))
}

// short prints three digits or so.
func short(v float64) string {
	switch {
	case v >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func sortedKeys[V any, K cmp.Ordered](m map[K]V) []K {
	var keys []K
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
