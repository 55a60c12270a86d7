package wgnet_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/internal/alike"
	"github.com/handfast-tcp/handfast/internal/testnet"
)

// The examples of wireguard-go's netstack compile with nothing changed but the import, and
// its HTTP client gets its page from its HTTP server.
func TestTheirExamples(t *testing.T) {
	testnet.Need(t)
	upLoopback(t)
	dir := t.TempDir()
	for _, name := range []string{"http_client", "http_server", "ping_client"} {
		build(t, dir, name)
	}
	server := exec.Command(filepath.Join(dir, "http_server"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	var out []byte
	for range 100 { // the server says nothing when it listens
		var err error
		out, err = exec.Command(filepath.Join(dir, "http_client")).CombinedOutput()
		if err == nil && strings.Contains(string(out), "Hello from userspace TCP!") {
			return
		}
	}
	t.Errorf("no page:\n%s", out)
}

// build compiles an example from the module that we are built with.
func build(t *testing.T, dir, name string) {
	t.Helper()
	found, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.zx2c4.com/wireguard").Output()
	if err != nil {
		t.Skipf("there is no Go here that knows the module: %v", err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(found)), "tun", "netstack", "examples", name+".go"))
	if err != nil {
		t.Fatal(err)
	}
	const theirs, ours = `"golang.zx2c4.com/wireguard/tun/netstack"`, `netstack "github.com/handfast-tcp/handfast/wgnet"`
	if !strings.Contains(string(source), theirs) {
		t.Fatalf("%s does not import %s", name, theirs)
	}
	file := filepath.Join(dir, name+".go")
	if err := os.WriteFile(file, []byte(strings.Replace(string(source), theirs, ours, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", alike.Race(), "-o", filepath.Join(dir, name), file).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
