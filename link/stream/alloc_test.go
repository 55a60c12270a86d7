//go:build !race

package stream_test

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// Frames cost no memory, once blocks and packets are there.
func TestNoAllocationPerFrame(t *testing.T) {
	for _, k := range kinds {
		machine, ours := pair(t, k.network, k.framing)
		batch := make([]*buf.Packet, 16)
		block := buf.Get(1500)
		round := func() {
			for i := range batch {
				batch[i] = buf.NewPacket()
				batch[i].Data = batch[i].Data[:14]
				block.Retain()
				batch[i].AddView(buf.MakeView(block, 0, 1500))
			}
			machine.Write(0, batch)
			for got := 0; got < len(batch); {
				n, err := ours.Read(0, batch[got:])
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range batch[got : got+n] {
					p.Release()
				}
				got += n
			}
		}
		// The garbage collector may empty the pools once in a while.
		if n := testing.AllocsPerRun(100, round); n >= float64(len(batch))/2 {
			t.Errorf("%s %v: %v allocations for %d frames", k.network, k.framing, n, len(batch))
		}
	}
}
