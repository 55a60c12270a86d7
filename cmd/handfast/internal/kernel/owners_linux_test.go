package kernel

import (
	"net"
	"os"
	"os/exec"
	"testing"
)

// Everybody who holds a socket is found, with the number of the file.
func TestOwners(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	heir := exec.Command("sleep", "60")
	heir.ExtraFiles = []*os.File{f} // file 3 of the child
	if err := heir.Start(); err != nil {
		t.Skip(err)
	}
	defer heir.Wait()
	defer heir.Process.Kill()
	r, err := Report(true)
	if err != nil {
		t.Fatal(err)
	}
	port, found := uint16(l.Addr().(*net.TCPAddr).Port), map[int]bool{}
	for _, row := range r.Rows {
		if row.Local.Port != port || row.Process == nil {
			continue
		}
		found[row.Process.PID] = true
		for _, s := range row.Sharers {
			found[s.PID] = true
			if s.PID == heir.Process.Pid && *s.FD != 3 {
				t.Errorf("file %d of the heir", *s.FD)
			}
		}
	}
	if !found[os.Getpid()] || !found[heir.Process.Pid] {
		t.Errorf("found %v, not %d and %d", found, os.Getpid(), heir.Process.Pid)
	}
}
