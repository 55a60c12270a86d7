package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/handfast-tcp/handfast/lab/netem"
)

// matrixDelays, matrixWires and matrixBuffers are what the rows of the matrix of bad
// wires combine.
var (
	matrixDelays = []time.Duration{time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond}
	matrixWires  = []struct {
		name   string
		change func(*netem.Config)
	}{
		{"clean", func(*netem.Config) {}},
		{"loss0.1", func(c *netem.Config) { c.Loss = 0.001 }},
		{"loss1", func(c *netem.Config) { c.Loss = 0.01 }},
		{"loss3", func(c *netem.Config) { c.Loss = 0.03 }},
		{"reorder", func(c *netem.Config) { c.Reorder, c.ReorderDelay = 0.01, 10*time.Millisecond }},
	}
	matrixBuffers = []int{0, 4, 8} // MiB; 0: each stack's default
	matrixPeers   = []string{"handfast", "kernel", "handfast-bbr", "kernel-bbr"}
)

// matrixRows are all wires with all delays and buffers: a quarter of an hour for each
// of the buffers. They are measured only when they are named, as matrix-25ms-* is.
func matrixRows() (all []row) {
	for _, delay := range matrixDelays {
		for _, w := range matrixWires {
			for _, buffers := range matrixBuffers {
				size := "default"
				if buffers > 0 {
					size = fmt.Sprintf("%dM", buffers)
				}
				r := row{
					name: fmt.Sprintf("matrix-%v-%s-%s", delay, w.name, size), title: fmt.Sprintf("%v each way, %s, %s buffers", delay, w.name, size),
					kind: badWire, path: wirePath, streams: 1, seconds: wireSeconds, once: true, named: true, peers: matrixPeers, buffers: buffers << 20,
				}
				r.data, r.back = wireWith(func(c *netem.Config) {
					c.Delay, c.QueueBytes = delay, max(bdp(delay), leastQueue)
					w.change(c)
				})
				all = append(all, r)
			}
		}
	}
	return all
}

// leastQueue is the queue of the shortest wires: a burst fits.
const leastQueue = 64 << 10

// grid prints a line for each row: the main figure of each peer, and of a bad wire the
// median of the pings beside it.
func (rep report) grid(out io.Writer) error {
	fmt.Fprintf(out, "%s, %d cores, %s, %s; other programs kept %s of the cores busy\n", rep.Machine, rep.Cores, rep.Kernel, rep.Go, rep.noise())
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	for i, r := range rep.Rows {
		if i == 0 || rep.Rows[i-1].table() != r.table() {
			cols := columns[r.Kind]
			fmt.Fprintf(w, "%s, %s\t", cols[0].head, cols[1].head)
			for _, p := range r.Peers {
				fmt.Fprintf(w, "%s\t\t", p.Peer)
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\t", r.Name)
		for _, p := range r.Peers {
			cols := columns[r.Kind]
			fmt.Fprintf(w, "%s\t%s\t", p.cell(cols[0].key), p.cell(cols[1].key))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// setBuffers makes the kernel's TCP buffers in this namespace grow to so many
// bytes; 0: it keeps its default.
func setBuffers(bytes int) error {
	if bytes == 0 {
		return nil
	}
	for name, initial := range map[string]int{"tcp_rmem": 131072, "tcp_wmem": 16384} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, fmt.Appendf(nil, "4096 %d %d", initial, bytes), 0); err != nil {
			return fmt.Errorf("set the kernel's buffers: %w", err)
		}
	}
	return nil
}
