package bridge_test

import (
	"math/rand/v2"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/bridge"
)

// Frames of any length and content, also cut off within their addresses: each is counted
// once, what is shorter than a header goes nowhere, none comes back to who sent it, and the
// others have what is for them.
func TestMalformedFrames(t *testing.T) {
	b := newBridge(t, bridge.Options{Addresses: 4})
	a, c := plugIn(t, b, 1), plugIn(t, b, 2)
	a.want(t, 1000) // c's first
	counters := b.Counters()
	sum := func() uint64 {
		return counters.Forwarded.Load() + counters.Flooded.Load() + counters.Filtered.Load() + counters.Invalid.Load() + counters.Spoofed.Load()
	}
	before, invalid := sum(), counters.Invalid.Load()
	r := rand.New(rand.NewPCG(1, 1))
	const frames = 5000
	short := uint64(0)
	for i := range frames {
		p := buf.NewPacket()
		for range i % 40 {
			p.Data = append(p.Data, byte(r.Uint32()))
		}
		if len(p.Data) < 14 || p.Data[6]&1 != 0 {
			short++
		}
		if err := a.link.Write(0, []*buf.Packet{p}); err != nil {
			t.Fatal(err)
		}
		for sum() != before+uint64(i)+1 {
			// it is on its way
		}
	}
	if got := counters.Invalid.Load() - invalid; got != short {
		t.Errorf("%d frames are invalid, and %d were", got, short)
	}
	c.send(t, a.address, 7)
	a.want(t, 7) // and nothing of its own before
}
