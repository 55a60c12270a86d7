package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/link/tun"
)

// netState is what the system's network consists of, as text.
func netState(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "ip -br link; ip -br addr; ip route show table all; ip -6 route show table all; ip rule").CombinedOutput()
	if err != nil {
		t.Skipf("%v: %s", err, out)
	}
	return string(out)
}

// longCommand is one that goes on for a while, and the words by which it says that all
// it makes is there.
type longCommand struct {
	begun string
	args  []string
}

// longCommands are those that make something that outlives a process: devices, and
// sockets in the file system.
func longCommands(t *testing.T) map[string]longCommand {
	return map[string]longCommand{
		"serve":                {"Ctrl-C", []string{"serve", t.TempDir(), "--tun", "hfkill", "--addr", "10.79.0.2/24", "--host-addr", "10.79.0.1/24"}},
		"serve in memory":      {"Ctrl-C", []string{"serve", t.TempDir(), "--link", "memory"}},
		"guard":                {"Ctrl-C", []string{"guard", "--tun", "hfkill", "--addr", "10.79.0.2/24", "--host-addr", "10.79.0.1/24", "--listen", "10.79.0.2:80", "--to", "127.0.0.1:9"}},
		"connect":              {"connecting", []string{"connect", "10.77.1.9:80"}},
		"try":                  {"  server", []string{"try", "--size", "512MiB"}},
		"try in memory":        {"  server", []string{"try", "--size", "512MiB", "--link", "memory"}},
		"flood by a TUN":       {"half-open", []string{"flood", "--link", "tun", "--clients", "5"}},
		"flood by a veth pair": {"half-open", []string{"flood", "--link", "packet", "--clients", "5"}},
		"vm":                   {"Ctrl-C", []string{"vm", "--listen", "tap:hfkill"}},
		"run":                  {"Ctrl-C", []string{"run", "--tun", "hfkill"}},
	}
}

// process is a command at work, the first of a process group, as a shell has it.
type process struct {
	*exec.Cmd
	place string // of its sockets
	lines *bufio.Reader
	told  bytes.Buffer
}

// begin starts a command and waits until it has begun.
func (c *longCommand) begin(t *testing.T) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("/proc/self/exe"), place: t.TempDir()}
	p.Args = append([]string{"handfast"}, c.args...)
	p.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+p.place)
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = p.Stdout
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(untilLimit, func() { p.Process.Kill(); out.Close() })
	t.Cleanup(func() { limit.Stop() })
	p.lines = bufio.NewReader(io.TeeReader(out, &p.told))
	for line := ""; !strings.Contains(line, c.begun); {
		if line, err = p.lines.ReadString('\n'); err != nil {
			t.Fatalf("%v\n%s", err, &p.told)
		}
	}
	return p
}

// end waits until the last process of the command has gone.
func (p *process) end() {
	io.Copy(io.Discard, p.lines) // the last of its processes closes it
	p.Wait()
}

// needDevice skips a test where there are no TUN devices.
func needDevice(t *testing.T) {
	t.Helper()
	d, err := tun.Open(tun.Options{Name: "hfkill"})
	if err != nil {
		t.Skip(err)
	}
	d.Close()
}

// awaitNetState waits until the system's network is as it was.
func awaitNetState(t *testing.T, before string) {
	t.Helper()
	for end := time.Now().Add(untilLimit); netState(t) != before; time.Sleep(untilPause) {
		if time.Now().After(end) {
			t.Fatalf("left behind:\n%s\nof\n%s", netState(t), before)
		}
	}
}

// Whatever command is killed in the middle, no device, address, route or rule is left
// behind, and none of its processes.
func TestKilledLeavesNothing(t *testing.T) {
	needDevice(t)
	before := netState(t)
	for name, c := range longCommands(t) {
		t.Run(name, func(t *testing.T) {
			p := c.begin(t)
			p.Process.Kill()
			p.end()
			awaitNetState(t, before)
		})
	}
}

// Whatever command is ended by Ctrl-C, which a terminal sends to all processes of a
// group, says so by its exit code and leaves nothing behind, sockets neither: it cleans
// up, which a second signal for one Ctrl-C would keep it from.
func TestInterruptedLeavesNothing(t *testing.T) {
	needDevice(t)
	before := netState(t)
	for name, c := range longCommands(t) {
		t.Run(name, func(t *testing.T) {
			p := c.begin(t)
			syscall.Kill(-p.Process.Pid, syscall.SIGINT)
			p.end()
			want := exitInterrupted
			if c.begun == "Ctrl-C" { // that is how these are ended
				want = exitOK
			}
			if code := p.ProcessState.ExitCode(); code != want {
				t.Errorf("exit code %d, not %d:\n%s", code, want, &p.told)
			}
			filepath.WalkDir(p.place, func(path string, e os.DirEntry, err error) error {
				if err != nil || !e.IsDir() {
					t.Errorf("left behind: %s %v", path, err)
				}
				return nil
			})
			awaitNetState(t, before)
		})
	}
}
