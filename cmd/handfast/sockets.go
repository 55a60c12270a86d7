package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/inspect"
)

// askLimit is how long an answer may take.
const askLimit = 10 * time.Second

// source is where ss and netstat get what they show.
type source struct {
	kernel bool
	pid    int
}

func (s *source) addTo(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.kernel, "kernel", false, "show this machine's kernel instead of a running handfast (sock_diag, /proc/net)")
	cmd.Flags().IntVar(&s.pid, "pid", 0, "ask the handfast with this process number")
}

// report asks the kernel, or the one handfast that runs, or the one of --pid.
func (s *source) report(ctx context.Context) (*inspect.Report, error) {
	if s.kernel {
		return kernelReport()
	}
	i, err := s.instance()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return i.Report(ctx)
}

func (s *source) instance() (i inspect.Instance, err error) {
	all, err := inspect.Running()
	if err != nil {
		return i, err
	}
	if s.pid != 0 {
		return s.choose(all)
	}
	switch len(all) {
	case 0:
		return i, errors.New("no handfast is running, or none of yours" + elsewhere() +
			"\n  start one: handfast serve, handfast try, handfast flood; or see the kernel: --kernel")
	case 1:
		return all[0], nil
	}
	return i, fmt.Errorf("%d are running; choose one with --pid:\n%s", len(all), list(all))
}

// choose returns the one with --pid.
func (s *source) choose(all []inspect.Instance) (i inspect.Instance, err error) {
	for _, i := range all {
		if i.PID == s.pid {
			return i, nil
		}
	}
	if len(all) == 0 {
		return i, fmt.Errorf("no handfast with process number %d is running, or it is not yours%s", s.pid, elsewhere())
	}
	return i, fmt.Errorf("no handfast with process number %d; there are:\n%s", s.pid, list(all))
}

// elsewhere says where root's would be.
func elsewhere() string {
	if os.Geteuid() != 0 {
		return "; one that root has started is seen with sudo"
	}
	return ""
}

func list(all []inspect.Instance) string {
	lines := make([]string, len(all))
	for n, i := range all {
		lines[n] = fmt.Sprintf("  --pid %d   %s", i.PID, i.Name)
	}
	return strings.Join(lines, "\n")
}

// openControl lets ss and netstat ask about h. A host that cannot be asked
// works all the same: the reason goes to stderr.
func openControl(h *handfast.Host, name string, stderr terminal) (stop func()) {
	s, err := inspect.Serve(h, name)
	if err != nil {
		fmt.Fprintf(stderr, "handfast ss cannot ask this one: %v\n", err)
		return func() {}
	}
	return func() { s.Close() } // what it says is of no use at the end
}

// serviceNames reads the names of TCP ports.
func serviceNames(file string) map[uint16]string {
	names := map[uint16]string{}
	f, err := os.Open(file)
	if err != nil {
		return names
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		port, isTCP := strings.CutSuffix(words[1], "/tcp")
		n, err := strconv.ParseUint(port, 10, 16)
		if _, known := names[uint16(n)]; isTCP && err == nil && !known {
			names[uint16(n)] = words[0]
		}
	}
	return names
}

// namer returns what names ports; nil with -n.
func namer(numeric bool) func(uint16) string {
	if numeric {
		return nil
	}
	names := serviceNames("/etc/services")
	return func(port uint16) string { return names[port] }
}
