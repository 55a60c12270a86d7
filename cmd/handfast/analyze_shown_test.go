package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// Of more connections than are held those leave that come last, and what is written for
// programs is written in order as long as they end within so many of each other.
func TestShownAreBounded(t *testing.T) {
	var left []int
	s := shown{most: 3, order: func(c *capture.Conn) int64 { return int64(c.Sides[0].Bytes) }, leave: func(c *capture.Conn) error {
		left = append(left, c.Stream)
		return nil
	}}
	for i, bytes := range []int64{5, 9, 1, 7, 7, 2, 8} {
		c := &capture.Conn{Stream: i}
		c.Sides[0].Bytes = bytes
		if err := s.add(c); err != nil || len(s.conns) > 3 {
			t.Fatal(len(s.conns), err)
		}
	}
	var kept []int
	for _, c := range s.sorted() {
		kept = append(kept, c.Stream)
	}
	if got, want := kept, []int{1, 6, 3}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("kept %v, want %v", got, want)
	}
	if want := []int{2, 0, 5, 4}; len(left) != 4 || left[0] != want[0] || left[1] != want[1] || left[2] != want[2] || left[3] != want[3] {
		t.Errorf("left in the order %v, want %v", left, want)
	}
}

// A table has as many lines as were asked for, those that come first, and says so; for
// programs all are written, in their order.
func TestAnalyzeLimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(file, captureOf(t, resultOf(t, "syn-flood", lab.Options{})), 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, err := analyzed(t, file, "--limit", "2")
	if err != nil || strings.Count(out, "\n") != 3 || !strings.Contains(errs, "2 of them shown (--limit)") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
	out, _, err = analyzed(t, file, "--limit", "2", "--json")
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace([]byte(out)), []byte("\n"))
	if len(lines) != 5 || !bytes.HasPrefix(lines[3], []byte(`{"stream":3,`)) {
		t.Errorf("%d lines, the fourth is %.40s", len(lines), lines[3])
	}
}
