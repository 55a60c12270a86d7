package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
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

// Whatever command is killed in the middle, no device, address, route or rule is left
// behind, and none of its processes.
func TestKilledLeavesNothing(t *testing.T) {
	d, err := tun.Open(tun.Options{Name: "hfkill"})
	if err != nil {
		t.Skip(err)
	}
	d.Close()
	before := netState(t)
	for name, c := range map[string]struct {
		begun string // what it says then
		args  []string
	}{
		"serve":                {"Ctrl-C", []string{"serve", t.TempDir(), "--tun", "hfkill", "--addr", "10.79.0.2/24", "--host-addr", "10.79.0.1/24"}},
		"connect":              {"connecting", []string{"connect", "10.77.1.9:80"}},
		"try":                  {"  server", []string{"try", "--size", "4GiB"}},
		"flood by a TUN":       {"half-open", []string{"flood", "--link", "tun", "--clients", "5"}},
		"flood by a veth pair": {"half-open", []string{"flood", "--link", "packet", "--clients", "5"}},
		"vm":                   {"Ctrl-C", []string{"vm", "--listen", "tap:hfkill"}},
		"run":                  {"Ctrl-C", []string{"run", "--tun", "hfkill"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Args = append([]string{"handfast"}, c.args...)
			cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = cmd.Stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer time.AfterFunc(untilLimit, func() { cmd.Process.Kill(); out.Close() }).Stop()
			var told bytes.Buffer
			lines := bufio.NewReader(io.TeeReader(out, &told))
			for line := ""; !strings.Contains(line, c.begun); {
				if line, err = lines.ReadString('\n'); err != nil {
					t.Fatalf("%v\n%s", err, &told)
				}
			}
			cmd.Process.Kill()
			io.Copy(io.Discard, lines) // the last of its processes closes it
			cmd.Wait()
			for end := time.Now().Add(untilLimit); netState(t) != before; time.Sleep(untilPause) {
				if time.Now().After(end) {
					t.Fatalf("left behind:\n%s\nof\n%s", netState(t), before)
				}
			}
		})
	}
}
