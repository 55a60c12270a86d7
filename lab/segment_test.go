package lab

import (
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Numbers of options have 32 bits on every machine.
func TestOptionsOfSegments(t *testing.T) {
	var o wire.Options
	for _, item := range []string{"mss 65535", "wscale 14", "sackOK", "TS val 4000000000 ecr 4294967295"} {
		if err := addOption(&o, strings.Fields(item)); err != nil {
			t.Fatal(err)
		}
	}
	want := wire.Options{Set: wire.OptMSS | wire.OptWindowScale | wire.OptSACKPermitted | wire.OptTimestamps,
		MSS: 65535, WindowScale: 14, TSVal: 4000000000, TSEcr: 4294967295}
	if o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
}
