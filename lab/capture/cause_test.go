package capture_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// shut is a connection whose server shuts its window while text of the client is out. The
// client repeats that, so often, and each time the server answers, or does not.
func shut(window uint16, repeats int, answers bool, last clock.Time) (verdict capture.Verdict) {
	tr := capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) {
		verdict = c.Verdict
		verdict.Evidence = slices.Clone(verdict.Evidence)
	}})
	now, number := clock.Time(1e9), 0
	packet := func(b []byte) {
		number++
		tr.Packet(&capture.Packet{Number: number, Time: now, Link: capture.LinkRaw, Data: b, Size: len(b)})
		now += 1e6
	}
	text := func(at uint32) {
		b := append(bare(1, 2, 1000, 80, 101+at, 501, wire.ACK), make([]byte, 400)...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		packet(b)
	}
	answer := func(ack uint32, window uint16) {
		b := bare(2, 1, 80, 1000, 501, 101+ack, wire.ACK)
		binary.BigEndian.PutUint16(b[34:], window)
		packet(b)
	}
	packet(bare(1, 2, 1000, 80, 100, 0, wire.SYN))
	packet(bare(2, 1, 80, 1000, 500, 101, wire.SYN|wire.ACK))
	packet(bare(1, 2, 1000, 80, 101, 501, wire.ACK))
	text(0)
	text(400)
	answer(400, window)
	for i := range repeats {
		now += clock.Time(200e6) << i
		text(400)
		if answers {
			answer(400, window)
		}
	}
	now += last
	p := &capture.Packet{Number: number + 1, Time: now, Link: capture.LinkRaw} // something else that was captured
	tr.Packet(p)
	tr.Finish()
	return verdict
}

// A window that stays shut is the cause when the sender repeats what was out in place of
// probes, as Linux does, and is answered: whether the capture goes on or not. Without
// answers it is silence.
func TestWindowThatStaysShut(t *testing.T) {
	for _, c := range []struct {
		name    string
		window  uint16
		repeats int
		answers bool
		last    clock.Time
		cause   capture.Cause
		proof   []int
	}{
		{"one repeat", 0, 1, true, 0, capture.StalledWindow, []int{8, 7}},
		{"ends soon", 0, 2, true, 0, capture.StalledWindow, []int{10, 9}},
		{"goes on", 0, 4, true, 5e9, capture.StalledWindow, []int{14, 13}},
		{"no answers", 0, 4, false, 5e9, capture.TimedOut, []int{7, 10}},
		{"open window", 1000, 2, true, 0, capture.OpenAtEnd, []int{10}},
		{"open window, goes on", 1000, 4, true, 5e9, capture.TimedOut, []int{7, 13}},
	} {
		v := shut(c.window, c.repeats, c.answers, c.last)
		if v.Cause != c.cause || !slices.Equal(v.Evidence, c.proof) || c.cause != capture.OpenAtEnd && v.By != capture.Server {
			t.Errorf("%s: %s by %d, packets %v; want %s, %v", c.name, v.Cause, v.By, v.Evidence, c.cause, c.proof)
		}
	}
}
