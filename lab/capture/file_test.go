package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// pcapFile is a file of the older format with two packets.
func pcapFile(order binary.AppendByteOrder, magic uint32, link uint32, packets ...[]byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 65535, link} {
		b = order.AppendUint32(b, v)
	}
	for i, p := range packets {
		for _, v := range []uint32{uint32(100 + i), 7, uint32(len(p)), uint32(len(p) + 1)} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, p...)
	}
	return b
}

// All four kinds of pcap say the same.
func TestPcap(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for magic, unit := range map[uint32]clock.Time{0xa1b2c3d4: 1000, 0xa1b23c4d: 1} {
			r, err := capture.NewReader(bytes.NewReader(pcapFile(order, magic, 101, []byte("one"), []byte("three"))))
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{"one", "three"} {
				p, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if string(p.Data) != want || p.Number != i+1 || p.Time != clock.Time(100+i)*1e9+7*unit || p.Size != len(want)+1 || p.Link != capture.LinkRaw {
					t.Errorf("%v %x: packet %+v", order, magic, p)
				}
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		}
	}
}

// What our own writer writes is read, byte by byte, at its nanosecond.
func TestPcapngIsReadAsWritten(t *testing.T) {
	for _, s := range lab.Scenarios() {
		run := play(t, s.Name)
		r, err := capture.NewReader(bytes.NewReader(captured(t, run)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range run.Packets {
			want := &run.Packets[i]
			p, err := r.Next()
			if err != nil {
				t.Fatalf("%s: packet %d: %v", s.Name, i, err)
			}
			if !bytes.Equal(p.Data, want.Data) || p.Time != want.Time || p.Size != max(want.Size, len(want.Data)) {
				t.Errorf("%s: packet %d differs", s.Name, i)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: at the end: %v", s.Name, err)
		}
	}
}

// block is one of a pcapng file.
func block(order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(len(body) + 12)
	b := order.AppendUint32(order.AppendUint32(nil, kind), n)
	return order.AppendUint32(append(b, body...), n)
}

func words(order binary.AppendByteOrder, v ...uint32) (b []byte) {
	for _, w := range v {
		b = order.AppendUint32(b, w)
	}
	return b
}

// section is a section with one interface whose times are in the given unit, and a packet.
func section(order binary.AppendByteOrder, unit byte, offset uint64, hi, lo uint32) []byte {
	b := block(order, 0x0a0d0d0a, words(order, 0x1a2b3c4d, 0x00010000, 0xffffffff, 0xffffffff))
	options := order.AppendUint16(order.AppendUint16(order.AppendUint16(order.AppendUint16(nil, 101), 0), 0), 0)
	options = append(order.AppendUint16(order.AppendUint16(options, 9), 1), unit, 0, 0, 0)
	options = order.AppendUint64(order.AppendUint16(order.AppendUint16(options, 14), 8), offset)
	b = append(b, block(order, 1, options)...)
	b = append(b, block(order, 5, words(order, 0, 1, 2))...) // statistics, which are passed over
	packet := append(words(order, 0, hi, lo, 5, 9), "hello"...)
	return append(b, block(order, 6, packet)...)
}

// Each unit and byte order gives the same instant, and each section has its own.
func TestPcapngTimes(t *testing.T) {
	const at = clock.Time(1_700_000_000_123_456_000)
	var file []byte
	us, ns := uint64(at)/1000, uint64(at)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		file = append(file, section(order, 6, 0, uint32(us>>32), uint32(us))...)
		file = append(file, section(order, 9, 0, uint32(ns>>32), uint32(ns))...)
		file = append(file, section(order, 6, 1_700_000_000, 0, 123456)...)
		file = append(file, section(order, 12, 1_700_000_000, 123456000000>>32, 123456000000&0xffffffff)...)
		half := uint64(at)/1e9<<20 | 129452
		file = append(file, section(order, 0x80|20, 0, uint32(half>>32), uint32(half))...)
	}
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		p, err := r.Next()
		if err != nil {
			t.Fatal(i, err)
		}
		if d := p.Time - at; string(p.Data) != "hello" || p.Size != 9 || d > 0 || d < -1000 {
			t.Errorf("packet %d: %q of %d bytes, %d ns off", i, p.Data, p.Size, d)
		}
	}
}

// Times that no clock has shown are within bounds, and what follows packets that lie so far
// apart comes to an end.
func TestTimesOfNoClock(t *testing.T) {
	var file []byte
	for _, base := range []uint64{1, 1 << 63, 1<<63 - 1, 9_000_000_000, 0, 1<<64 - 1} {
		file = append(file, section(binary.BigEndian, 9, base, 1<<31, 0)...)
		file = append(file, section(binary.BigEndian, 0, base, 0, 7)...)
	}
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	tr, n := capture.NewTracker(capture.Options{}), 0
	for p, err := r.Next(); err == nil; p, err = r.Next() {
		if n++; p.Time < 0 || p.Time > clock.Never/2 {
			t.Errorf("packet %d: %d", n, p.Time)
		}
		for _, at := range []clock.Time{p.Time, clock.Never, -clock.Never} { // a program may say what it likes
			syn := synFrom(n)
			tr.Packet(&capture.Packet{Number: n, Time: at, Link: capture.LinkRaw, Data: syn, Size: len(syn)})
		}
	}
	tr.Finish()
	if n != 12 {
		t.Errorf("%d packets were read", n)
	}
}

// A file that is no capture, or contradicts itself, gives an error that says so, and one
// that is cut gives all that came before.
func TestBrokenFiles(t *testing.T) {
	for name, file := range map[string][]byte{
		"empty":     nil,
		"text":      []byte("this is no capture at all, just text"),
		"huge":      pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1)[:24],
		"no order":  block(binary.LittleEndian, 0x0a0d0d0a, words(binary.LittleEndian, 1, 2, 3, 4)),
		"interface": block(binary.LittleEndian, 0x0a0d0d0a, words(binary.LittleEndian, 0x1a2b3c4d, 0x00010000, 0, 0)),
	} {
		if name == "huge" {
			file = append(file, words(binary.LittleEndian, 1, 1, 1<<30, 1<<30)...)
		}
		if name == "interface" {
			file = append(file, block(binary.LittleEndian, 6, words(binary.LittleEndian, 3, 0, 0, 0, 0))...)
		}
		r, err := capture.NewReader(bytes.NewReader(file))
		if err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, capture.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := captured(t, play(t, "four-way-close"))
	r, err := capture.NewReader(bytes.NewReader(whole[:len(whole)-10]))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for err == nil {
		if _, err = r.Next(); err == nil {
			n++
		}
	}
	if n != 8 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of a file that is cut %d packets were read: %v", n, err)
	}
}

// Every link type leads to the same packet.
func TestLinkTypes(t *testing.T) {
	packet := []byte{0x45, 0, 0, 20}
	for link, header := range map[capture.LinkType][]byte{
		capture.LinkRaw: nil, capture.LinkRawBSD: nil, capture.LinkRawOld: nil, capture.LinkIPv4: nil,
		capture.LinkNull: {2, 0, 0, 0}, capture.LinkLoop: {0, 0, 0, 2},
		capture.LinkEthernet: append(make([]byte, 12), 8, 0),
		capture.LinkSLL:      append(make([]byte, 14), 8, 0),
		capture.LinkSLL2:     append([]byte{8, 0}, make([]byte, 18)...),
	} {
		got, before := link.IP(append(bytes.Clone(header), packet...))
		if !bytes.Equal(got, packet) || before != len(header) || !link.Known() {
			t.Errorf("link type %d: %x behind %d", link, got, before)
		}
		for n := range len(header) {
			if got, _ := link.IP(header[:n]); got != nil {
				t.Errorf("link type %d cut to %d bytes: %x", link, n, got)
			}
		}
	}
	tagged := append(make([]byte, 12), 0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0)
	if got, before := capture.LinkEthernet.IP(append(tagged, packet...)); !bytes.Equal(got, packet) || before != 22 {
		t.Errorf("behind two tags: %x behind %d", got, before)
	}
	if got, _ := capture.LinkEthernet.IP(append(append(make([]byte, 12), 8, 6), packet...)); got != nil {
		t.Errorf("ARP was taken for IP: %x", got)
	}
}

// Whatever a file holds, it is read to an end, nothing panics, and what is told of a
// connection keeps within what was read.
func FuzzCapture(f *testing.F) {
	for _, name := range []string{"four-way-close", "fast-retransmit", "old-duplicate-syn", "path-mtu", "zero-window"} {
		s, err := lab.Find(name)
		if err != nil {
			f.Fatal(err)
		}
		r, err := s.Run(lab.Options{Seed: 1})
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := trace.WriteCapture(&b, "", &r.Run); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add(pcapFile(binary.BigEndian, 0xa1b23c4d, 1, append(make([]byte, 12), 8, 0, 0x45)))
	f.Add(section(binary.BigEndian, 0x80|63, 1<<63, 1<<31, 0))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := capture.NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		told := 0
		tr := capture.NewTracker(capture.Options{MaxOpen: 4, MaxKept: 8, Keep: func(int) bool { return true }, Ended: func(c *capture.Conn) {
			told++
			run := c.Run([2]string{"client", "server"})
			if first, last, _ := c.Segments(); len(first)+len(last) > 8 || len(run.Packets) != len(first)+len(last) {
				t.Errorf("%d segments of %d and %d kept are in the run", len(run.Packets), len(first), len(last))
			}
			c.State()
			c.CommunityID()
			if err := c.WriteZeek(io.Discard); err != nil || c.Verdict.Cause == "" {
				t.Errorf("cause %q, %v", c.Verdict.Cause, err)
			}
			for i := range c.Sides {
				if s := &c.Sides[i]; s.Payload < 0 || s.Packets > int64(len(file)) {
					t.Errorf("side %d: %+v", i, s)
				}
			}
		}})
		for {
			p, err := r.Next()
			if err != nil {
				break
			}
			tr.Packet(p)
		}
		tr.Finish()
		if told > tr.Counts.TCP {
			t.Errorf("%d connections of %d segments", told, tr.Counts.TCP)
		}
	})
}

// What a tunnel of IP in IP carries is followed; the connections are those within.
func TestTunnels(t *testing.T) {
	run := play(t, "four-way-close")
	v4 := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	v6 := append([]byte{0x60, 0, 0, 0, 0, 0, 4, 64}, make([]byte, 32)...)
	for name, outer := range map[string][][]byte{"4in4": {v4}, "4in6": {v6}, "4in4in6": {v6, v4}, "too deep": {v4, v4, v4, v4}} {
		var all []*capture.Conn
		tr := capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) { all = append(all, c) }})
		for i := range run.Packets {
			p := bytes.Clone(run.Packets[i].Data)
			for j := range outer {
				h := bytes.Clone(outer[len(outer)-1-j])
				if h[0] == 0x45 {
					binary.BigEndian.PutUint16(h[2:], uint16(20+len(p)))
				} else {
					binary.BigEndian.PutUint16(h[4:], uint16(len(p)))
				}
				p = append(h, p...)
			}
			tr.Packet(&capture.Packet{Number: i + 1, Time: run.Packets[i].Time, Link: capture.LinkRaw, Data: p, Size: len(p)})
		}
		tr.Finish()
		if name == "too deep" {
			if len(all) != 0 || tr.Counts.Other != len(run.Packets) {
				t.Errorf("%s: %d connections, %d packets are something else", name, len(all), tr.Counts.Other)
			}
			continue
		}
		want, _ := analyze(t, captured(t, run), capture.Options{})
		if len(all) != 1 || all[0].Tuple != want[0].Tuple || all[0].History() != want[0].History() || all[0].Sides[0].Payload != want[0].Sides[0].Payload {
			t.Errorf("%s: %d connections: %+v", name, len(all), all)
		}
	}
}
