package lab

import (
	"fmt"
	"strings"
	"testing"
)

// Every option of a host and every property of a wire refuses what is outside its
// range, with the place and the range. Options are read from the tables that the
// parser reads, so that a new one is tried too.
func TestScenarioRanges(t *testing.T) {
	refuse := func(text string) {
		t.Helper()
		_, err := Load("x.txt", strings.NewReader(text))
		if err == nil || !strings.HasPrefix(err.Error(), "x.txt:") {
			t.Errorf("%q: %v", text, err)
		}
	}
	var h hostLine
	for name := range h.durations() {
		refuse(fmt.Sprintf("host a %s 100000h", name))
		refuse(fmt.Sprintf("host a %s -1s", name))
	}
	for name := range h.numbers() {
		refuse(fmt.Sprintf("host a %s 1073741825", name))
		refuse(fmt.Sprintf("host a %s -2", name))
	}
	for _, property := range []string{
		"delay 2h", "jitter 61m", "reordering-delay 2h", "delay -1s", "loss 1.1", "duplicates -0.1", "reordering NaN", "corruption 2",
		"rate -1", "queue 1073741825", "queue -1", "mtu 67", "mtu 65536",
	} {
		refuse("host a\nhost b\nwire " + property)
	}
	refuse("host a mtu 67")
	refuse("host a mtu 65536")
	refuse("host a mtu 1279 address 2001:db8::1")
}

// The shortest of each time, and what the ends of the ranges are, is taken.
func TestScenarioRangesTake(t *testing.T) {
	var h hostLine
	lines := []string{"mtu 68", "mtu 65535", "mtu 1280 address 2001:db8::1", "mtu 0"}
	for name := range h.durations() {
		lines = append(lines, name+" 0s", name+" 100ms")
	}
	for _, l := range lines {
		if _, err := Load("x.txt", strings.NewReader("host a "+l)); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
}
