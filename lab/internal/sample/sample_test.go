package sample

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// What readers of events are tested with must be what the engine could tell: time
// never goes back, and a connection only takes legal moves, to its end.
func TestSamplesAreLegalRuns(t *testing.T) {
	for name, s := range map[string]*Connection{"visit": Visit(), "trouble": Trouble()} {
		state, now := tcp.Listen, s.Events[0].Time
		for i, e := range s.Events {
			if e.Time < now {
				t.Errorf("%s: event %d is earlier than the one before it", name, i)
			}
			now = e.Time
			if e.Kind != tcp.StateChanged {
				if e.State != state {
					t.Errorf("%s: event %d is in %v, the connection in %v", name, i, e.State, state)
				}
				continue
			}
			if e.From != state || !tcp.CanMove(e.From, e.State) {
				t.Errorf("%s: event %d moves from %v to %v because of %v; the connection is in %v", name, i, e.From, e.State, e.Cause, state)
			}
			state = e.State
		}
		if state != tcp.Closed {
			t.Errorf("%s ends in %v", name, state)
		}
	}
}
