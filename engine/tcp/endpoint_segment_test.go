package tcp

import (
	"bytes"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A host parses every packet into the same Segment. What was cut off the front
// of one that overlaps is no matter of the next one.
func TestSegmentIsUsedAgain(t *testing.T) {
	p := newPair(t, Config{})
	client, server := p.connect()
	b := buf.Get(100)
	for i := range b.Bytes()[:100] {
		b.Bytes()[i] = byte(i)
	}
	var s Segment
	arrive := func(from, to int) {
		s.TCP = wire.TCP{SrcPort: 40000, DstPort: 80, Seq: client.snd.nxt.Add(seq.Size(from)), Ack: server.snd.nxt,
			Flags: wire.ACK, Window: 1000, Options: wire.Options{Set: wire.OptTimestamps, TSVal: client.ts.value(p.now), TSEcr: server.ts.value(p.now)}}
		s.Len, s.Views = to-from, []buf.View{buf.MakeView(b, from, to-from)}
		tuple := server.Tuple()
		if d := p.ends[1].Receive(p.now, p.path, &tuple, &s); d != wire.None {
			t.Fatalf("%d to %d: %v", from, to, d)
		}
	}
	arrive(0, 40)
	arrive(30, 60)
	arrive(60, 100)
	if got := p.read(1, server); !bytes.Equal(got, b.Bytes()[:100]) {
		t.Errorf("came out as % d", got)
	}
}
