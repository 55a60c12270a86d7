package kernel

import (
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
)

// Counters alone tell a flood from a crowd: of the one nothing becomes, of the other connections.
func TestToldFlood(t *testing.T) {
	for _, c := range []struct {
		name      string
		completed int // of 100 SYNs
		want      detect.Level
	}{{"flood", 1, detect.Flood}, {"crowd", 100, detect.Quiet}} {
		told := NewTold(Handshakes{SYNs: 7, Completed: 7}, 443)
		n := Handshakes{SYNs: 7, Completed: 7}
		for tick := range 50 {
			n.SYNs += 2000
			n.Completed += 2000 * uint64(c.completed) / 100
			told.Look(clock.Time(tick+1)*clock.Time(lookEvery), n, detect.Defence{Cookies: true})
		}
		if v := told.Verdict(); v.Level != c.want.String() || v.Numbers["syns_per_second"] < 15000 || len(told.waiting) > maxWaiting {
			t.Errorf("%s: %+v, %d wait", c.name, v, len(told.waiting))
		}
		if v := told.Verdict(); c.want == detect.Flood && !strings.Contains(v.Text, "443") {
			t.Errorf("%q does not say for which port", v.Text)
		}
	}
}
