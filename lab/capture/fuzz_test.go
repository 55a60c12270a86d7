package capture_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// tape is what a fuzzer writes, read as numbers; behind its end they are 0.
type tape []byte

func (t *tape) byte() byte {
	if len(*t) == 0 {
		return 0
	}
	b := (*t)[0]
	*t = (*t)[1:]
	return b
}

func (t *tape) word() uint16 { return uint16(t.byte())<<8 | uint16(t.byte()) }

// streams are both sides of a connection whose text says at which place it stands, and
// what was told of them.
type streams struct {
	t       *testing.T
	tr      *capture.Tracker
	isn     [2]uint32
	sent    [2]int64 // behind the last place that was sent; the SYN stands at 0
	at      [2]int64 // of what is told next
	missing [2]int64
	number  int
	now     clock.Time
}

// textAt is what stands at a place of a side's stream.
func textAt(side int, place int64) byte { return byte(place ^ place>>8 ^ place>>16 ^ int64(side)<<7) }

func (s *streams) told(_ *capture.Conn, from int, data []byte, missing int64) {
	if missing < 0 || missing > 0 && len(data) > 0 || missing == 0 && len(data) == 0 {
		s.t.Fatalf("%d bytes and %d missing are told", len(data), missing)
	}
	s.at[from] += missing
	s.missing[from] += missing
	for i, b := range data {
		if b != textAt(from, s.at[from]) {
			s.t.Fatalf("side %d: byte %d of %d at place %d is %#x", from, i, len(data), s.at[from], b)
		}
		s.at[from]++
	}
}

// send has a side send length bytes at a place, and acknowledge a place of the other's.
func (s *streams) send(side int, place, ack int64, length int, f wire.Flags) {
	ports, addrs := [2]uint16{1000, 80}, [2]uint32{1, 2}
	b := bare(addrs[side], addrs[1-side], ports[side], ports[1-side], s.isn[side]+uint32(place), s.isn[1-side]+uint32(ack), f)
	for i := range length {
		b = append(b, textAt(side, place+int64(i)))
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	s.number++
	s.tr.Packet(&capture.Packet{Number: s.number, Time: s.now, Link: capture.LinkRaw, Data: b, Size: len(b)})
	if !f.Has(wire.RST) && length > 0 {
		s.sent[side] = max(s.sent[side], place+int64(length))
	}
}

// FuzzContents plays a connection of which anything may be missing, come twice or in any
// order. What is told of its text stands where it was sent, once and in order; nothing is
// told that was not sent; and what was not missing is all there is.
func FuzzContents(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 100, 0x10, 0, 0, 0, 1, 0, 100, 0, 50, 0x10, 0, 0, 0, 0})
	f.Add([]byte{1, 255, 255, 255, 0, 1, 0, 100, 0x10, 0, 0, 0, 0, 0, 0, 0, 100, 0x10, 0, 0, 0, 0, 2, 0, 200, 1, 0x11, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		tape := tape(data)
		s := &streams{t: t, at: [2]int64{1, 1}, sent: [2]int64{1, 1}}
		s.tr = capture.NewTracker(capture.Options{Follow: func(int) bool { return true }, Contents: s.told})
		s.isn = [2]uint32{uint32(tape.word())<<16 - 100, uint32(tape.word())<<16 - 50}
		s.send(capture.Client, 0, 0, 0, wire.SYN)
		s.send(capture.Server, 0, 1, 0, wire.SYN|wire.ACK)
		acked := false
		for len(tape) > 0 {
			how := tape.byte()
			side := int(how & 1)
			place, length := 1+int64(tape.word())<<(how>>6), int(tape.word()%1461)
			flags := wire.Flags(tape.byte()) &^ wire.SYN
			ack := 1 + int64(tape.word())
			acked = acked || flags.Has(wire.ACK) && ack > 1
			s.now += clock.Time(how) * 1e5
			s.send(side, place, ack, length, flags)
		}
		s.tr.Finish()
		for side := range s.at {
			if !acked && s.at[side] != s.sent[side] {
				t.Errorf("side %d: %d bytes are told, %d of them missing, of %d", side, s.at[side]-1, s.missing[side], s.sent[side]-1)
			}
		}
	})
}

// FuzzFloods plays SYNs and what answers them, in bursts and by any clock. What is told of
// floods is in order, and within what came.
func FuzzFloods(f *testing.F) {
	flood := []byte{1}
	for range 40 {
		flood = append(flood, 0, 5, 50, 0, 31)
	}
	f.Add(flood)
	f.Add(append(flood, 1, 3, 255, 1, 2, 3, 0, 1, 0, 0, 200, 50, 3, 4))
	f.Fuzz(func(t *testing.T, data []byte) {
		tape := tape(data)
		s := newScene(uint64(tape.byte()))
		const most = 300 // packets: 200 SYNs make a flood
		now, syns := 1_700_000_000*second, 0
		for len(tape) > 0 && s.number < most {
			kind, count, pause := tape.byte(), int(tape.byte()), clock.Time(tape.byte())
			port, sources := uint16(80+tape.byte()%4), uint32(1)<<(tape.byte()&31)
			if kind&0x80 != 0 {
				now -= pause * 1e6 // two interfaces, whose clocks differ
			} else {
				now += pause * 1e6 << (kind >> 2 & 15)
			}
			for range min(count, most-s.number) {
				src, isn := 0x50000000+s.random.Uint32N(sources), s.random.Uint32()
				from := uint16(1024 + s.random.Uint32N(60_000))
				s.packet(now, bare(src, web, from, port, isn, 0, wire.SYN))
				syns++
				switch kind & 3 {
				case 1:
					s.packet(now, bare(web, src, port, from, 7, isn+1, wire.SYN|wire.ACK))
				case 2:
					s.packet(now, bare(web, src, port, from, 7, isn+1, wire.SYN|wire.ACK))
					s.packet(now, bare(src, web, from, port, isn+1, 8, wire.ACK))
				case 3:
					s.packet(now, bare(web, src, port, from, 0, isn+1, wire.RST|wire.ACK))
				}
			}
		}
		s.tr.Finish()
		checkFloods(t, s.tr, syns)
	})
}

func checkFloods(t *testing.T, tr *capture.Tracker, syns int) {
	t.Helper()
	before := capture.Flood{}
	for i, f := range tr.Floods() {
		if f.From > f.To || f.From < before.From || f.From < tr.Counts.First-second || f.To > tr.Counts.Last {
			t.Errorf("flood %d is from %v to %v, the capture from %v to %v", i, f.From, f.To, tr.Counts.First, tr.Counts.Last)
		}
		for _, v := range []float64{f.Rate, f.Sources, f.Unanswered} {
			if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("flood %d: %+v", i, f)
			}
		}
		if f.Unanswered > 1 || f.SYNs <= 0 || f.SYNs > syns || f.Port > 83 {
			t.Errorf("flood %d: %d SYNs of %d, %v unanswered, port %d", i, f.SYNs, syns, f.Unanswered, f.Port)
		}
		before = f
	}
}
