package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/door"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
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
	cmd.Flags().IntVar(&s.pid, "pid", 0, "ask only the handfast with this process number, of all that run")
}

// answer is the answer of one instance, or of the kernel.
type answer struct {
	inspect.Instance
	*inspect.Report
}

// answers asks the kernel, or the one handfast of --pid, or all that run. owners
// says whether to look for the processes that hold the kernel's sockets.
func (s *source) answers(ctx context.Context, owners bool) ([]answer, error) {
	if s.kernel {
		r, err := kernel.Report(owners)
		return []answer{{Report: r}}, err
	}
	asked, err := s.instances()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	// One that hangs must not hide the others, and one that has ended since it was found is
	// no error. Only when nobody answers is it told why.
	var all []answer
	var failed []error
	for _, i := range asked {
		r, err := i.Report(ctx)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, answer{i, r})
	}
	if len(all) == 0 {
		return nil, errors.Join(failed...)
	}
	return all, nil // one may have ended meanwhile
}

// rowsOf returns the rows of all answers, and how many more there would be.
func rowsOf(all []answer) (rows []inspect.Row, omitted int) {
	for _, a := range all {
		rows, omitted = append(rows, a.Rows...), omitted+a.Omitted
	}
	return rows, omitted
}

// each writes what is no table, answer by answer. Where there are several, a line
// before each says whose it is.
func each(w io.Writer, all []answer, write func(answer) error) error {
	for n, a := range all {
		if len(all) > 1 {
			fmt.Fprintf(w, "%s%d/%s:\n", strings.Repeat("\n", min(n, 1)), a.Instance.PID, a.Instance.Name)
		}
		if err := write(a); err != nil {
			return err
		}
	}
	return nil
}

// eachJSON is each with a line of JSON. Where there are several, the line says
// whose it is.
func eachJSON(w io.Writer, all []answer, value func(answer) any) error {
	out := json.NewEncoder(w)
	for _, a := range all {
		v := value(a)
		if len(all) > 1 {
			v = struct {
				PID     int    `json:"pid"`
				Command string `json:"command"`
				Answer  any    `json:"answer"`
			}{a.Instance.PID, a.Instance.Name, v}
		}
		if err := out.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

// instances returns the handfast of --pid, or all that run.
func (s *source) instances() ([]inspect.Instance, error) {
	all, err := inspect.Running()
	switch {
	case err != nil:
		return nil, err
	case s.pid != 0:
		i, err := s.choose(all)
		return []inspect.Instance{i}, err
	case len(all) == 0:
		return nil, say.Errorf(noneRuns, elsewhere(), called())
	}
	return all, nil
}

var noneRuns = say.Text{
	story.English: "no handfast of yours is running%s\n  start one: %s serve, try or flood; or see the kernel: --kernel",
	story.Chinese: "没有 handfast 在运行，或没有属于你的%s\n  启动一个：%s serve、try 或 flood；或查看内核：--kernel",
}

// choose returns the one with --pid.
func (s *source) choose(all []inspect.Instance) (i inspect.Instance, err error) {
	for _, i := range all {
		if i.PID == s.pid {
			return i, nil
		}
	}
	if len(all) == 0 {
		return i, say.Errorf(say.Text{"no handfast with process number %d is running, or it is not yours%s", "没有进程号为 %d 的 handfast 在运行，或者它不属于你%s"}, s.pid, elsewhere())
	}
	return i, say.Errorf(say.Text{"no handfast with process number %d; there are:\n%s", "没有进程号为 %d 的 handfast；正在运行的有：\n%s"}, s.pid, list(all))
}

// elsewhere says where root's would be.
func elsewhere() say.Text {
	if os.Geteuid() != 0 {
		return say.Text{"; one that root has started is seen with sudo", "；由 root 启动的要用 sudo 查看"}
	}
	return say.Text{}
}

func list(all []inspect.Instance) string {
	lines := make([]string, len(all))
	for n, i := range all {
		lines[n] = fmt.Sprintf("  --pid %d   %s", i.PID, i.Name)
	}
	return strings.Join(lines, "\n")
}

var cannotAsk = say.Text{"handfast ss cannot ask this one: %v\n", "handfast ss 无法查询本进程：%v\n"}

// openControl lets ss and netstat ask about h. A host that cannot be asked
// works all the same: the reason goes to stderr.
func openControl(h *handfast.Host, name string, stderr terminal) (stop func()) {
	return openControlWith(h, name, stderr, nil)
}

// openControlWith adds what a command alone has to the metrics.
func openControlWith(h *handfast.Host, name string, stderr terminal, metrics func(io.Writer)) (stop func()) {
	s, err := inspect.Serve(h, name)
	if err != nil {
		stderr.printf(cannotAsk, err)
		return func() {}
	}
	s.AddMetrics(metrics)
	sweepDoors(filepath.Dir(s.Path()))
	d, err := door.Open(doorOf(s.Path()), h)
	if err != nil {
		stderr.printf(say.Text{"handfast connect cannot reach this one: %v\n", "handfast connect 无法访问本进程：%v\n"}, err)
		return func() { s.Close() }
	}
	return func() { d.Close(); s.Close() } // what they say is of no use at the end
}

// sweepDoors removes the doors of programs that were killed: a control socket is
// there before its door and after it, and inspect removes those that are dead.
func sweepDoors(dir string) {
	doors, _ := filepath.Glob(filepath.Join(dir, "*"+doorSuffix)) // the pattern is one
	for _, d := range doors {
		if _, err := os.Lstat(strings.TrimSuffix(d, doorSuffix) + controlSuffix); errors.Is(err, fs.ErrNotExist) {
			os.Remove(d) // one that stays is in nobody's way
		}
	}
}

// serviceNames reads the names of ports, by protocol and number.
func serviceNames(file string) map[string]string {
	names := map[string]string{}
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
		port, proto, _ := strings.Cut(words[1], "/")
		_, err := strconv.ParseUint(port, 10, 16)
		if key := proto + port; err == nil && names[key] == "" {
			names[key] = words[0]
		}
	}
	return names
}

// namer returns what names ports; nil with -n.
func namer(numeric bool) func(proto string, port uint16) string {
	if numeric {
		return nil
	}
	names := serviceNames("/etc/services")
	return func(proto string, port uint16) string { return names[proto+strconv.Itoa(int(port))] }
}

// withoutEphemeral names no port that is chosen when a program names none: as ss
// does, and netstat does not.
func withoutEphemeral(name func(proto string, port uint16) string) func(proto string, port uint16) string {
	if name == nil {
		return nil
	}
	return func(proto string, port uint16) string {
		if port >= handfast.DefaultFirstPort && port <= handfast.DefaultLastPort {
			return ""
		}
		return name(proto, port)
	}
}

// lookupLimit is how long names of hosts may take altogether.
const lookupLimit = 3 * time.Second

// hostNamer returns what names hosts; what is not found in time stays a number.
func hostNamer(ctx context.Context) func(netip.Addr) string {
	end := time.Now().Add(lookupLimit)
	names := map[netip.Addr]string{}
	return func(a netip.Addr) string {
		name, known := names[a]
		if known {
			return name
		}
		ctx, cancel := context.WithDeadline(ctx, end)
		defer cancel()
		found, err := net.DefaultResolver.LookupAddr(ctx, a.Unmap().String())
		if err == nil && len(found) > 0 {
			name = strings.TrimSuffix(found[0], ".")
		}
		names[a] = name
		return name
	}
}
