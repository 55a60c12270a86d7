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

// exchange is a capture that is written packet by packet, 100 ms apart.
type exchange struct {
	tr      *capture.Tracker
	number  int
	verdict capture.Verdict
}

func newExchange() *exchange {
	x := &exchange{}
	x.tr = capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) { x.verdict = c.Verdict }})
	return x
}

func (x *exchange) packet(b []byte) {
	x.number++
	x.tr.Packet(&capture.Packet{Number: x.number, Time: clock.Time(x.number) * 1e8, Link: capture.LinkRaw, Data: b, Size: len(b)})
}

// client sends text behind so many bytes of its stream, and server behind so many of its own.
func (x *exchange) client(at, ack, text int, f wire.Flags) []byte {
	return carrying(bare(1, 2, 1000, 80, 100+uint32(at), 500+uint32(ack), f), text)
}

func (x *exchange) server(at, ack, text int, f wire.Flags) []byte {
	return carrying(bare(2, 1, 80, 1000, 500+uint32(at), 100+uint32(ack), f), text)
}

func carrying(b []byte, text int) []byte {
	b = append(b, make([]byte, text)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// quoted is an ICMP error of a router about a packet.
func quoted(kind, code byte, about []byte) []byte {
	b := append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 9, 9, 9, 9, 0, 0, 0, 1, kind, code, 0, 0, 0, 0, 0, 0}, about[:40]...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func (x *exchange) handshake() {
	x.packet(x.client(0, 0, 0, wire.SYN))
	x.packet(x.server(0, 1, 0, wire.SYN|wire.ACK))
	x.packet(x.client(1, 1, 0, wire.ACK))
}

// What two kernels have shown in namespaces is told of the same packets anywhere.
func TestWhatIsPartlySeen(t *testing.T) {
	const ack = wire.ACK
	for _, c := range []struct {
		name  string
		cause capture.Cause
		by    int
		play  func(x *exchange)
	}{
		{"the SYN-ACK was not captured", capture.OpenAtEnd, capture.Client, func(x *exchange) {
			x.packet(x.client(0, 0, 0, wire.SYN))
			x.packet(x.client(1, 1, 10, ack))
			x.packet(x.server(1, 11, 10, ack))
		}},
		{"only a client that closes first", capture.Closed, capture.Client, func(x *exchange) {
			x.packet(x.client(0, 0, 0, wire.SYN))
			x.packet(x.client(1, 1, 10, ack))
			x.packet(x.client(11, 1, 0, ack|wire.FIN))
			x.packet(x.client(12, 2, 0, ack))
		}},
		{"only a client that closes second", capture.Closed, capture.Server, func(x *exchange) {
			x.packet(x.client(0, 0, 0, wire.SYN))
			x.packet(x.client(1, 2, 0, ack))
			x.packet(x.client(1, 2, 0, ack|wire.FIN))
		}},
		{"a RST that nobody obeys", capture.OpenAtEnd, capture.Client, func(x *exchange) {
			x.handshake()
			x.packet(x.client(1, 1, 10, ack))
			x.packet(x.server(1_000_000, 0, 0, wire.RST))
			x.packet(x.server(1, 11, 10, ack))
			x.packet(x.client(11, 11, 0, ack))
		}},
		{"a RST that nobody obeys, and one of the server", capture.ResetByServer, capture.Server, func(x *exchange) {
			x.handshake()
			x.packet(x.server(1_000_000, 0, 0, wire.RST))
			x.packet(x.server(1, 1, 10, ack))
			x.packet(x.client(1, 11, 0, ack))
			x.packet(x.server(11, 0, 0, wire.RST))
		}},
		{"the server repeats its SYN-ACK, whatever the client says", capture.AbandonedHandshake, capture.Client, func(x *exchange) {
			x.handshake()
			for range 2 {
				x.packet(x.server(0, 1, 0, wire.SYN|wire.ACK))
				x.packet(x.client(1, 1, 0, ack))
			}
		}},
		{"a router knows no way any more", capture.Unreachable, capture.Server, func(x *exchange) {
			x.handshake()
			for range 4 {
				x.packet(x.client(1, 1, 10, ack))
				x.packet(quoted(3, 1, x.client(1, 1, 10, ack)))
			}
		}},
		{"a client gives up before a window that stays shut", capture.StalledWindow, capture.Server, func(x *exchange) {
			x.handshake()
			x.packet(x.client(1, 1, 10, ack))
			shut := x.server(1, 11, 0, ack)
			binary.BigEndian.PutUint16(shut[34:], 0)
			for range 3 {
				x.packet(shut)
				x.packet(x.client(10, 1, 0, ack))
			}
			x.packet(shut)
			x.packet(x.client(11, 1, 0, ack|wire.RST))
		}},
	} {
		x := newExchange()
		c.play(x)
		x.tr.Finish()
		if x.verdict.Cause != c.cause || x.verdict.By != c.by {
			t.Errorf("%s: %s by %d, packets %v", c.name, x.verdict.Cause, x.verdict.By, x.verdict.Evidence)
		}
	}
}
