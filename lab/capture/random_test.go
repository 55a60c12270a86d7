package capture_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// randomScenario is a connection in which both programs write, pause and end as it comes,
// over a wire that loses, delays and reorders.
func randomScenario(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 7))
	var b strings.Builder
	fmt.Fprintf(&b, "title: Random\nsummary: Random.\nsee: RFC 9293\n\nhost client\nhost server\nwire delay %dms", 1+r.IntN(60))
	if seed%3 > 0 {
		fmt.Fprintf(&b, " loss 0.%02d", r.IntN(12))
	}
	if seed%4 == 3 {
		fmt.Fprintf(&b, " reordering 0.%02d", r.IntN(10))
	}
	b.WriteString("\n\nserver:\n    listen 80\n    accept\n")
	program(&b, r)
	b.WriteString("\nclient:\n    connect server 80\n")
	program(&b, r)
	return b.String()
}

// program is what one side does once it is connected. Most read to the end.
func program(b *strings.Builder, r *rand.Rand) {
	say := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	for range r.IntN(4) {
		switch r.IntN(4) {
		case 0:
			say("sleep %dms", r.IntN(400))
		default:
			say("write %d", 1+r.IntN(20_000))
		}
	}
	switch r.IntN(8) {
	case 0:
		say("abort")
	case 1:
		say("close") // perhaps with text unread
	case 2:
		say("sleep %dms", r.IntN(2000))
		say("close")
	case 3, 4:
		say("shutdown")
		say("read all")
		say("close")
	default:
		say("read all until 5s")
		say("close")
	}
}

// The ways in which states may differ. A capture shows what is sent, not what is done or
// what arrives.
const (
	unsentFIN = "the program has closed, and the FIN waits behind text"
	crossed   = "the FIN and the ACK of the own one cross: which comes first is not shown where one is lost, or both arrive at once"
	lostLast  = "the last move hangs on a segment that was lost"
)

// differs says which of them it is, or nothing.
func differs(r *lab.Result, tuple wire.Tuple, engine, shown []string) string {
	closed, sent, lost := clock.Never, clock.Never, false
	for i := range r.Events {
		switch e := &r.Events[i]; {
		case e.Class != trace.Engine || e.Tuple != tuple:
		case e.Kind == tcp.StateChanged && e.Cause == tcp.CauseClose:
			closed = min(closed, e.Time)
		case e.Kind == tcp.SegmentSent && e.Segment.Flags.Has(wire.FIN):
			sent = min(sent, e.Time)
		}
	}
	for i := range r.Packets {
		lost = lost || len(r.Packets[i].Arrivals) == 0
	}
	fold := func(moves []string) string {
		text := strings.Join(moves, " ")
		for _, by := range []string{"FIN-WAIT-2", "CLOSING"} {
			text = strings.ReplaceAll(text, "FIN-WAIT-1>"+by+" "+by+">", "FIN-WAIT-1>")
		}
		return text
	}
	n := min(len(engine), len(shown))
	switch {
	case closed < sent:
		return unsentFIN
	case fold(engine) == fold(shown):
		return crossed
	case lost && slices.Equal(engine[:n], shown[:n]) && max(len(engine), len(shown)) <= n+1:
		return lostLast
	}
	return ""
}

// Of a thousand random connections the inferred states are the engines'.
func TestStatesOfRandomRuns(t *testing.T) {
	runs, allowed := 1000, map[string]int{}
	if testing.Short() {
		runs = 40
	}
	for seed := range uint64(runs) {
		s, err := lab.Load("random", strings.NewReader(randomScenario(seed)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Run(lab.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		conns, _ := analyze(t, captured(t, r), capture.Options{})
		got := map[wire.Tuple][]string{}
		for _, c := range conns {
			got[c.Tuple] = append(got[c.Tuple], inferred(c.Sides[capture.Client].Moves)...)
			got[c.Tuple.Reverse()] = append(got[c.Tuple.Reverse()], inferred(c.Sides[capture.Server].Moves)...)
		}
		for tuple, want := range engineStates(r) {
			if slices.Equal(got[tuple], want) {
				continue
			}
			if why := differs(r, tuple, want, got[tuple]); why != "" {
				allowed[why]++
				continue
			}
			t.Errorf("seed %d: %v\n   engine   %v\n   inferred %v", seed, tuple, want, got[tuple])
		}
	}
	t.Logf("%d runs of two ends; allowed to differ: %v", runs, allowed)
	for why, n := range allowed {
		if n > max(runs/20, 3) {
			t.Errorf("%d of %d ends differ: %s", n, 2*runs, why)
		}
	}
}
