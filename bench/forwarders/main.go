// Command forwarders measures what programs in a network namespace reach the outside
// by: handfast run, pasta, slirp4netns, and a veth pair as the floor. It needs root,
// Debian's passt and slirp4netns, and a handfast to measure:
//
//	go build -o /tmp/handfast ./cmd/handfast && go run ./bench/forwarders -handfast /tmp/handfast
//
// Rounds are interleaved: every peer of every row once, then all again. Processor time
// is that of all processes: the client, the server and what is between. Figures are
// medians with (least..most).
//
// The rows run-… of bench are these, beside all others.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// serverAddr is outside.
const serverAddr = "198.51.100.7:9000"

type options struct {
	handfast string
	rounds   int
	seconds  float64
	rows     string
	peers    string
	client   string // this process is the client and does this row
	server   bool   // this process is the server
	inside   bool   // this process has its namespace
	json     bool
}

func main() {
	var o options
	flag.StringVar(&o.handfast, "handfast", "handfast", "the `command` to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each case runs")
	flag.Float64Var(&o.seconds, "seconds", 1, "measured seconds of a transfer")
	flag.StringVar(&o.rows, "rows", "", "measure rows whose names begin with this")
	flag.StringVar(&o.peers, "peers", "handfast,pasta,slirp4netns,veth", "peers to measure")
	flag.BoolVar(&o.json, "json", false, "print each figure as it comes, before it is divided by bytes, connections or round trips")
	flag.StringVar(&o.client, "client", "", "be the client of a `row` (used by itself)")
	flag.BoolVar(&o.server, "server", false, "be the server (used by itself)")
	flag.BoolVar(&o.inside, "inside", false, "have a namespace (used by itself)")
	flag.Parse()
	var err error
	switch {
	case o.server:
		err = serve()
	case o.client != "":
		err = o.beClient()
	case o.inside:
		err = o.measure()
	default:
		err = isolate()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "forwarders:", err)
		os.Exit(1)
	}
}

// isolate runs this program in a network and a mount namespace of its own.
func isolate() error {
	cmd := exec.Command("/proc/self/exe", append([]string{"-inside"}, os.Args[1:]...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

// sh runs a command of the shell's.
func sh(text string) error {
	if out, err := exec.Command("sh", "-c", text).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", text, err, out)
	}
	return nil
}

// outside is this namespace: a server on an address of its own, and, since pasta wants
// one, an Ethernet device with a default route.
const outside = `mount -t proc proc /proc
ip link set lo up
ip addr add 198.51.100.7/32 dev lo
ip link add hfout type veth peer name hffar && ip addr add 192.0.2.10/24 dev hfout && ip link set hfout up && ip link set hffar up
ip route add default via 192.0.2.1 dev hfout
sysctl -qw net.ipv4.ip_forward=1`

// measure runs all cases.
func (o *options) measure() error {
	if err := sh(outside); err != nil {
		return err
	}
	t := table{figures: map[string]map[string][]figure{}}
	for round := range o.rounds {
		for _, r := range rows {
			if !strings.HasPrefix(r.name, o.rows) {
				continue
			}
			for name := range strings.SplitSeq(o.peers, ",") {
				f, err := o.run(r, name)
				if err != nil {
					fmt.Fprintf(os.Stderr, "%s, %s: %v\n", r.name, name, err)
					continue
				}
				t.add(r.name, name, f)
				if o.json {
					json.NewEncoder(os.Stdout).Encode(f.raw)
				}
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
	}
	if o.json {
		return nil
	}
	return t.write()
}

// table holds figures by row and peer.
type table struct {
	rows, peers []string
	figures     map[string]map[string][]figure
}

func (t *table) add(row, peer string, f figure) {
	if t.figures[row] == nil {
		t.figures[row] = map[string][]figure{}
		t.rows = append(t.rows, row)
	}
	if !slices.Contains(t.peers, peer) {
		t.peers = append(t.peers, peer)
	}
	t.figures[row][peer] = append(t.figures[row][peer], f)
}

func (t *table) write() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\tpeer\trate\tCPU, all\tCPU, peer alone")
	for _, row := range t.rows {
		for _, peer := range t.peers {
			all := t.figures[row][peer]
			if len(all) == 0 {
				continue
			}
			of := func(get func(figure) float64) string {
				values := make([]float64, len(all))
				for i, f := range all {
					values[i] = get(f)
				}
				slices.Sort(values)
				return fmt.Sprintf("%.3g (%.3g..%.3g)", values[len(values)/2], values[0], values[len(values)-1])
			}
			f := all[0]
			fmt.Fprintf(w, "%s\t%s\t%s %s\t%s %s\t%s\n", row, peer, of(func(f figure) float64 { return f.rate }), f.rateUnit,
				of(func(f figure) float64 { return f.total }), f.cpuUnit, of(func(f figure) float64 { return f.peer }))
		}
	}
	return w.Flush()
}

// cpu is the processor time of a process that was waited for, with its children.
func cpu(s *os.ProcessState) time.Duration { return s.UserTime() + s.SystemTime() }
