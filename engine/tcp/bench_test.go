package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// established returns a server's connection with all options.
func established(b *testing.B) (*Endpoint, *Entry, wire.Tuple) {
	b.Helper()
	e, l := server(b, Config{})
	tuple := wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: 4000}
	en := honest(b, e, l, clock.Time(time.Hour), tuple, 1000, true)
	drain(e, clock.Time(time.Hour))
	return e, en, tuple
}

// arriving is a segment of the peer's, from number next on.
func arriving(next seq.Num, ack seq.Num, n int, now clock.Time) Segment {
	s := Segment{TCP: wire.TCP{SrcPort: 4000, DstPort: 80, Seq: next, Ack: ack, Flags: wire.ACK | wire.PSH, Window: 8000}}
	s.Options = wire.Options{Set: wire.OptTimestamps, TSVal: 1000 ^ 0x5555 + 2 + now.Milliseconds(), TSEcr: now.Milliseconds()}
	s.Len = n
	return s
}

// BenchmarkReceive takes a full segment in order, hands it to the program, and
// sends the ACK when one is due.
func BenchmarkReceive(b *testing.B) {
	e, en, tuple := established(b)
	now, next := clock.Time(time.Hour), seq.Num(1001)
	block := buf.Get(buf.SmallSize)
	views := []buf.View{buf.MakeView(block, 0, 1448)}
	var out Output
	taken := make([]buf.View, 0, 16)
	b.SetBytes(1448)
	b.ReportAllocs()
	for b.Loop() {
		now += 1000
		s := arriving(next, en.snd.nxt, 1448, now)
		s.Views = views
		if d := e.Receive(now, path1500, &tuple, &s); d != wire.None {
			b.Fatal(d)
		}
		next = next.Add(1448)
		taken = e.Take(now, en, 1<<20, taken[:0])
		for _, v := range taken {
			v.Release()
		}
		for e.Output(now, &out) {
		}
	}
}

// BenchmarkSend queues a full segment, sends it and takes its ACK.
func BenchmarkSend(b *testing.B) {
	e, en, tuple := established(b)
	now := clock.Time(time.Hour)
	var out Output
	b.SetBytes(1448)
	b.ReportAllocs()
	for b.Loop() {
		now += 1000
		e.Send(now, en, buf.MakeView(buf.Get(1448), 0, 1448))
		for e.Output(now, &out) {
			for _, v := range out.Views {
				v.Release()
			}
		}
		s := arriving(1001, en.snd.nxt, 0, now)
		if d := e.Receive(now, path1500, &tuple, &s); d != wire.None {
			b.Fatal(d)
		}
		for e.Output(now, &out) {
		}
	}
}

// BenchmarkAck takes an ACK of one segment of many in flight.
func BenchmarkAck(b *testing.B) {
	e, en, tuple := established(b)
	e.SetSendBuffer(clock.Time(time.Hour), en, 1<<22)
	now := clock.Time(time.Hour)
	var out Output
	b.ReportAllocs()
	for b.Loop() {
		now += 1000
		for en.SendSpace() > 0 {
			e.Send(now, en, buf.MakeView(buf.Get(buf.LargeSize), 0, 64<<10))
		}
		for e.Output(now, &out) {
			for _, v := range out.Views {
				v.Release()
			}
		}
		s := arriving(1001, en.snd.una.Add(1448), 0, now)
		if d := e.Receive(now, path1500, &tuple, &s); d != wire.None {
			b.Fatal(d)
		}
	}
}

// BenchmarkTimer sets a connection's timer again and disarms it.
func BenchmarkTimer(b *testing.B) {
	e, en, _ := established(b)
	now := clock.Time(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		now += 1000
		en.timers.arm(TimerRetransmit, now.Add(time.Second))
		e.schedule(en)
		en.timers.disarm(TimerRetransmit)
		e.schedule(en)
		e.Advance(now)
	}
}

// BenchmarkIdle lets time pass over many connections that have nothing to do.
func BenchmarkIdle(b *testing.B) {
	e, l := server(b, Config{})
	now := clock.Time(time.Hour)
	for i := range 100000 {
		tuple := wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: uint16(i)}
		tuple.Remote = wire.AddrFrom4(10<<24 | uint32(i>>16)<<8 | 1)
		en := honest(b, e, l, now, tuple, seq.Num(i), true)
		e.SetKeepAlive(now, en, KeepAlive{Idle: 2 * time.Hour, Interval: time.Minute, Count: 9})
		drain(e, now)
	}
	b.ReportAllocs()
	for b.Loop() {
		now += 1000
		e.Advance(now)
		e.Deadline()
	}
}
