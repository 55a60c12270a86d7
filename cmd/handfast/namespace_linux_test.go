package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without any right.
const nobody = 65534

// An ordinary user sees the kernel take part, too, wherever such a user may
// make a namespace; and in every other place the trial in memory.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	binary := publicCopy(t)
	want := "a server on Handfast"
	if mayIsolate() {
		want = "A client on the kernel's TCP"
	}
	cmd := exec.Command(binary, "try", "--size", "1MiB")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = asNobody()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) || strings.Count(string(out), "SHA-256 equal") != 2 {
		t.Errorf("%v, want %q in\n%s", err, want, out)
	}
}

func asNobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// mayIsolate reports whether nobody may make namespaces here.
func mayIsolate() bool {
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--net", "true")
	cmd.SysProcAttr = asNobody()
	return cmd.Run() == nil
}

// publicCopy copies this test program to where everybody may run it as
// handfast.
func publicCopy(t *testing.T) string {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	dir, err := os.MkdirTemp("", "handfast")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "handfast")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, self); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}
