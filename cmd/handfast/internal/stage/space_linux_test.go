package stage

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A space has a namespace of its own, and the process keeps its: what reads /proc/net sees that of the first thread.
func TestSpace(t *testing.T) {
	const ours, first = "/proc/thread-self/ns/net", "/proc/self/ns/net"
	before := nameOf(t, ours)
	if nameOf(t, first) != before {
		t.Fatal("the first thread is elsewhere already")
	}
	for range 64 { // the first thread gets one of their goroutines now and then
		s, err := NewSpace()
		if err != nil {
			t.Skip(err)
		}
		var inside string
		err = s.Do(func() error {
			if unix.Gettid() == unix.Getpid() {
				t.Error("it is the first thread's")
			}
			inside = nameOf(t, ours)
			return nil
		})
		if err != nil || inside == before || nameOf(t, first) != before {
			t.Fatalf("%v: inside it is %s, and the process's is %s, %s before", err, inside, nameOf(t, first), before)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s.Do(func() error { return nil }) == nil {
			t.Error("a space that was closed does what it is told")
		}
	}
}

func nameOf(t *testing.T, file string) string {
	t.Helper()
	name, err := os.Readlink(file)
	if err != nil {
		t.Error(err)
	}
	return name
}
