package main

import (
	"fmt"
	"io"
)

// markdown writes the table as docs/PERFORMANCE.md has it: one for all rows of
// a kind that come one after the other.
func (rep report) markdown(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %s, %s; %d interleaved rounds of %g s. Other programs kept %s of the cores busy.\n",
		rep.Machine, rep.Cores, rep.Kernel, rep.Go, rep.Rounds, rep.Window, rep.noise())
	for _, name := range sortedKeys(rep.Versions) {
		fmt.Fprintf(w, "- %s: %s\n", name, rep.Versions[name])
	}
	for i, r := range rep.Rows {
		cols := columns[r.Kind]
		if i == 0 || rep.Rows[i-1].table() != r.table() {
			markdownHead(w, cols)
		}
		r.markdown(w, cols)
	}
}

// table names what rows share that stand in one table: their columns.
func (r rowReport) table() string { return columns[r.Kind][0].key }

func markdownHead(w io.Writer, cols []column) {
	fmt.Fprint(w, "\n| row | peer |")
	for _, c := range cols {
		fmt.Fprintf(w, " %s |", c.head)
	}
	fmt.Fprint(w, " to the first |\n|---|---|")
	for range cols {
		fmt.Fprint(w, "---|")
	}
	fmt.Fprintln(w, "---|")
}

func (r rowReport) markdown(w io.Writer, cols []column) {
	for i, p := range r.Peers {
		title, peer, ratio := "", p.Peer, r.ratio(p, cols[0].key)
		if i == 0 {
			title, peer, ratio = r.Title, "**"+p.Peer+"**", ""
		}
		fmt.Fprintf(w, "| %s | %s |", title, peer)
		for _, c := range cols {
			fmt.Fprintf(w, " %s |", p.cell(c.key))
		}
		fmt.Fprintf(w, " %s |\n", ratio)
	}
}
