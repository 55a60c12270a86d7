package capture_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// Whatever order the segments of a stream are captured in, however they overlap and which
// are missing, its contents come in order, once, and what is missing is told with its
// length. What is held has a bound.
func TestContents(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 9))
		text := make([]byte, 1+r.IntN(20_000))
		for i := range text {
			text[i] = byte(r.Uint32())
		}
		isn := uint32(r.Uint32())
		lost, shuffled := seed%3 == 0, seed%2 == 0
		var got []byte
		missing := int64(0)
		tr := capture.NewTracker(capture.Options{Follow: func(int) bool { return true }, Contents: func(c *capture.Conn, from int, data []byte, gap int64) {
			if from != capture.Client {
				t.Fatalf("seed %d: the server sent nothing", seed)
			}
			got = append(append(got, data...), make([]byte, gap)...)
			for i := int64(0); i < gap; i++ {
				text[int64(len(got))-gap+i] = 0
			}
			missing += gap
		}})
		carry(tr, r, text, isn, lost, shuffled)
		if !bytes.Equal(got, text) || !lost && missing > 0 {
			t.Fatalf("seed %d: %d bytes, %d of them missing, want %d", seed, len(got), missing, len(text))
		}
	}
}

// carry plays a connection that carries a text from its client. Some segments are lost to
// the capture, though not the last, and the server acknowledges all at the end.
func carry(tr *capture.Tracker, r *rand.Rand, text []byte, isn uint32, lost, shuffled bool) {
	number := 0
	packet := func(b []byte) {
		number++
		tr.Packet(&capture.Packet{Number: number, Time: clock.Time(number) * 1e6, Link: capture.LinkRaw, Data: b, Size: len(b)})
	}
	packet(bare(1, 2, 1000, 80, isn, 0, wire.SYN))
	packet(bare(2, 1, 80, 1000, 7, isn+1, wire.SYN|wire.ACK))
	var all [][]byte
	for at := 0; at < len(text); {
		n := min(1+r.IntN(1448), len(text)-at)
		from := max(0, at-r.IntN(2)*r.IntN(500))
		b := append(bare(1, 2, 1000, 80, isn+1+uint32(from), 8, wire.ACK), text[from:at+n]...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		at += n
		if lost && at < len(text) && r.IntN(8) == 0 {
			continue
		}
		all = append(all, b)
		if r.IntN(10) == 0 {
			all = append(all, b) // sent again
		}
	}
	if shuffled {
		for i := range all { // only a little: within four segments
			j := min(len(all)-1, i+r.IntN(4))
			all[i], all[j] = all[j], all[i]
		}
	}
	for _, b := range all {
		packet(b)
	}
	packet(bare(2, 1, 80, 1000, 8, isn+1+uint32(len(text)), wire.ACK))
	packet(bare(1, 2, 1000, 80, isn+1+uint32(len(text)), 8, wire.ACK|wire.FIN))
	tr.Finish()
}
