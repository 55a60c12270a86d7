package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An exploration that finds nothing shows something only if it finds what is there: it
// finds faults that TCP stacks have had, by the shortest way, and draws it.
func TestExplorationFindsFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the explorer")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no Go here to compile with")
	}
	plants := []struct{ mutant, rung, says string }{
		{"fin-not-repeated-in-closing", "both close: 1 lost", "sees an error (reset)"},
		{"outside-unanswered", "the client closes first", "RFC 9293 §3.10.7.4"},
		{"probes-counted-for-ever", "a minute of silence", "sees an error (timed out)"},
		{"batch-syn-meets-closed", "again, after a RST: 1 lost, 1 together", "that came together"},
	}
	var planted []*mutant
	for _, p := range plants {
		for _, m := range mustAll(t) {
			if m.name == p.mutant {
				planted = append(planted, m)
			}
		}
	}
	if len(planted) != len(plants) {
		t.Fatalf("only %d of %d are there", len(planted), len(plants))
	}
	files, alone, err := dispatch(top, planted)
	if err != nil || len(alone) > 0 {
		t.Fatalf("%v, %d have to be compiled alone", err, len(alone))
	}
	whole, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b, err := newBuild(whole, dir, "", files)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "explore")
	compile := exec.Command("go", "build", "-o", program, "./internal/explore")
	compile.Dir, compile.Env = whole, b.environment()
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	explore := func(number int, rung string) (string, error) {
		cmd := exec.Command(program, "-rung", rung, "-states", "10000")
		cmd.Env = append(b.environment(), fmt.Sprint(variable, "=", number))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for i, p := range plants {
		if out, err := explore(0, p.rung); err != nil {
			t.Errorf("without a fault: %v: %s", err, out)
		}
		out, err := explore(i+1, p.rung)
		if err == nil || !strings.Contains(out, p.says) || !strings.Contains(out, "SYN-SENT ●") {
			t.Errorf("%s: %v, and %q with a ladder is wanted: %.3000s", p.mutant, err, p.says, out)
		}
	}
}
