package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// traffic writes a capture of connections that go on beside each other: each opens, is
// answered in full segments, each second one of which is acknowledged, and closes.
type traffic struct {
	file  []byte
	order binary.AppendByteOrder
	now   time.Duration
	count int
}

// visit is where one of them stands.
type visit struct {
	client, server [4]byte
	port           uint16
	step           int
	sent, received uint32
}

// newTraffic writes so many connections, of which as many are open at a time, and each
// of which answers with so many segments.
func newTraffic(connections, open, segments int) *traffic {
	t := &traffic{order: binary.LittleEndian}
	t.file = pcapFile(t.order, 0xa1b2c3d4, 1)
	visits := make([]*visit, 0, open)
	next := 0
	for next < connections || len(visits) > 0 {
		for len(visits) < open && next < connections {
			visits = append(visits, &visit{client: [4]byte{10, byte(next >> 16), byte(next >> 8), byte(next)}, server: [4]byte{192, 0, 2, 1},
				port: uint16(1024 + next%60000), sent: uint32(next * 7919), received: uint32(next * 104729)})
			next++
		}
		left := visits[:0]
		for _, v := range visits {
			if t.step(v, segments) {
				left = append(left, v)
			}
		}
		visits = left
	}
	return t
}

// step writes a visit's next packet, and reports whether there are more.
func (t *traffic) step(v *visit, segments int) bool {
	const full = 1448
	at := v.step
	v.step++
	body := segments + (segments+1)/2
	switch {
	case at == 0:
		t.add(v, true, wire.SYN, 0)
		v.sent++
	case at == 1:
		t.add(v, false, wire.SYN|wire.ACK, 0)
		v.received++
	case at == 2:
		t.add(v, true, wire.ACK, 0)
	case at == 3:
		t.add(v, true, wire.ACK|wire.PSH, 200)
	case at < 4+body && (at-4)%3 == 2, at == 4+body:
		t.add(v, true, wire.ACK, 0)
	case at < 4+body:
		t.add(v, false, wire.ACK, full)
	case at == 5+body:
		t.add(v, true, wire.ACK|wire.FIN, 0)
		v.sent++
	case at == 6+body:
		t.add(v, false, wire.ACK|wire.FIN, 0)
		v.received++
	default:
		t.add(v, true, wire.ACK, 0)
		return false
	}
	return true
}

// add writes a segment, with timestamps as most have them.
func (t *traffic) add(v *visit, client bool, f wire.Flags, length int) {
	const size = 14 + 20 + 32
	var p [size]byte
	p[12], p[14], p[22], p[23] = 8, 0x45, 64, 6
	binary.BigEndian.PutUint16(p[16:], uint16(size-14+length))
	b := p[34:]
	first, ack := v.sent, v.received
	if client {
		copy(p[26:], v.client[:])
		copy(p[30:], v.server[:])
		binary.BigEndian.PutUint16(b, v.port)
		binary.BigEndian.PutUint16(b[2:], 443)
		v.sent += uint32(length)
	} else {
		copy(p[26:], v.server[:])
		copy(p[30:], v.client[:])
		binary.BigEndian.PutUint16(b, 443)
		binary.BigEndian.PutUint16(b[2:], v.port)
		first, ack = ack, first
		v.received += uint32(length)
	}
	binary.BigEndian.PutUint32(b[4:], first)
	if f.Has(wire.ACK) {
		binary.BigEndian.PutUint32(b[8:], ack)
	}
	b[12], b[13] = 0x80, byte(f)
	binary.BigEndian.PutUint16(b[14:], 0xffff)
	copy(b[20:], []byte{1, 1, 8, 10})
	t.now += 800 * time.Nanosecond
	for _, w := range []uint32{1_700_000_000 + uint32(t.now/time.Second), uint32(t.now % time.Second / time.Microsecond), uint32(size + length), uint32(size + length)} {
		t.file = t.order.AppendUint32(t.file, w)
	}
	t.file = append(t.file, p[:]...)
	t.file = append(t.file, make([]byte, length)...)
	t.count++
}

// follow follows a file to its end.
func follow(tb testing.TB, file []byte) (t *capture.Tracker, ended int) {
	tb.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		tb.Fatal(err)
	}
	t = capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) {
		ended++
		t.Release(c)
	}})
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			t.Finish()
			return t, ended
		}
		if err != nil {
			tb.Fatal(err)
		}
		t.Packet(p)
	}
}

// What a connection allocates does not grow with its segments, whether they are lost, sent
// again, overtaken or acknowledged by SACK.
func TestSegmentsAllocateNothing(t *testing.T) {
	for _, name := range []string{"sack-recovery", "slow-start-exit", "reordering", "zero-window"} {
		run := play(t, name)
		again := 0
		allocated := testing.AllocsPerRun(1, func() {
			tr := capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) { again += c.Sides[0].Repeats.All() + c.Sides[0].OutOfOrder }})
			p := capture.Packet{Link: capture.LinkRaw}
			for i := range run.Packets {
				p.Number, p.Time, p.Data, p.Size = i+1, run.Packets[i].Time, run.Packets[i].Data, len(run.Packets[i].Data)
				tr.Packet(&p)
			}
			tr.Finish()
		})
		if t.Logf("%s: %v allocations for %d packets, %d lost or overtaken", name, allocated, len(run.Packets), again/2); allocated > 28 {
			t.Errorf("%s: %v allocations", name, allocated)
		}
	}
}

// A packet of a capture of a thousand connections that are open at the same time, read
// and followed.
func BenchmarkPackets(b *testing.B) {
	t := newTraffic(3000, 1000, 30)
	b.ReportAllocs()
	b.SetBytes(int64(len(t.file) / t.count))
	b.ResetTimer()
	for n := 0; n < b.N; n += t.count {
		follow(b, t.file)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

// A SYN of a flood, of which each makes a connection that nothing follows, with as many
// connections open as the command has.
func BenchmarkFlood(b *testing.B) {
	var tr *capture.Tracker
	tr = capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) { tr.Release(c) }})
	b.ReportAllocs()
	p := capture.Packet{Link: capture.LinkRaw, Data: synFrom(0), Size: 40}
	for i := range b.N {
		binary.BigEndian.PutUint32(p.Data[12:], uint32(i)*0x9e3779b1)
		p.Number, p.Time = i+1, p.Time+20_000
		tr.Packet(&p)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}
