package capture_test

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// What fills a gap was overtaken, or is sent again: its timestamp says when it was sent, and
// where that does not tell, the time that has passed does.
func TestOvertakenOrSentAgain(t *testing.T) {
	for _, c := range []struct {
		name      string
		stamped   bool
		stamp     uint32 // of what fills the gap; 1000 is that of what came before it
		after     time.Duration
		overtaken bool
	}{
		{"older, at once", true, 999, time.Millisecond, true},
		{"older, and far behind", true, 990, 80 * time.Millisecond, true},
		{"the same, at once", true, 1000, time.Millisecond, true},
		{"the same, late", true, 1000, 80 * time.Millisecond, false},
		{"newer, at once", true, 1001, time.Millisecond, false},
		{"newer, by a wrapped clock", true, 1000 + 1<<31 - 1, time.Millisecond, false},
		{"older, by a wrapped clock", true, 1001 + 1<<31, 80 * time.Millisecond, true},
		{"without timestamps, at once", false, 0, time.Millisecond, true},
		{"without timestamps, late", false, 0, 80 * time.Millisecond, false},
	} {
		var again, overtaken int
		tr := capture.NewTracker(capture.Options{Ended: func(x *capture.Conn) {
			again, overtaken = x.Sides[capture.Client].Repeats.All(), x.Sides[capture.Client].OutOfOrder
		}})
		now, number := clock.Time(time.Second), 0
		packet := func(side int, at, ack seq.Num, f wire.Flags, text int, stamp uint32) {
			ip := wire.IP{Version: 4, TTL: 64, Proto: wire.ProtoTCP, Src: addr4(1 + side), Dst: addr4(2 - side)}
			h := wire.TCP{SrcPort: uint16(1000 - 920*side), DstPort: uint16(80 + 920*side), Seq: at, Ack: ack, Flags: f, Window: 65535}
			if c.stamped {
				h.Options.Set, h.Options.TSVal = wire.OptTimestamps, stamp
			}
			b := append(wire.AppendSegment(nil, &ip, &h, text, 0, false), make([]byte, text)...)
			number++
			tr.Packet(&capture.Packet{Number: number, Time: now, Link: capture.LinkRaw, Data: b, Size: len(b)})
			now = now.Add(time.Millisecond)
		}
		packet(0, 100, 0, wire.SYN, 0, 900)
		packet(1, 500, 101, wire.SYN|wire.ACK, 0, 7)
		packet(0, 101, 501, wire.ACK, 0, 901)
		packet(0, 601, 501, wire.ACK, 500, 1000)
		now = now.Add(c.after - time.Millisecond)
		packet(0, 101, 501, wire.ACK, 500, c.stamp)
		tr.Finish()
		if want := map[bool]int{true: 1}[c.overtaken]; overtaken != want || again != 1-want {
			t.Errorf("%s: %d overtaken, %d sent again", c.name, overtaken, again)
		}
	}
}

func addr4(n int) wire.Addr { return wire.AddrFrom4(10<<24 | uint32(n)) }
