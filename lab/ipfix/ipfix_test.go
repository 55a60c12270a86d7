package ipfix

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// read takes a message apart by the templates that it knows, and returns its records.
type reader struct {
	t         *testing.T
	templates map[uint16][]element
	sequence  uint32
}

type values map[element]uint64

func (r *reader) message(m []byte, size int) (all []values) {
	r.t.Helper()
	if len(m) > size || binary.BigEndian.Uint16(m) != 10 || int(binary.BigEndian.Uint16(m[2:])) != len(m) {
		r.t.Fatalf("a message of %d bytes of at most %d: % x", len(m), size, m[:16])
	}
	if s := binary.BigEndian.Uint32(m[8:]); s != r.sequence {
		r.t.Fatalf("sequence number %d, want %d", s, r.sequence)
	}
	for b := m[16:]; len(b) > 0; {
		id, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		set := b[4:n]
		b = b[n:]
		if id == 2 {
			r.readTemplates(set)
			continue
		}
		fields, ok := r.templates[id]
		if !ok {
			r.t.Fatalf("a set of template %d, which did not come", id)
		}
		for len(set) > 0 {
			v := values{}
			for _, f := range fields {
				for _, c := range set[:f.size] {
					v[f] = v[f]<<8 | uint64(c)
				}
				set = set[f.size:]
			}
			all = append(all, v)
		}
	}
	r.sequence += uint32(len(all))
	return all
}

func (r *reader) readTemplates(b []byte) {
	for len(b) > 0 {
		id, n := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		b = b[4:]
		var fields []element
		for range n {
			e := element{id: binary.BigEndian.Uint16(b) &^ enterpriseBit, size: binary.BigEndian.Uint16(b[2:]), reverse: b[0]&0x80 != 0}
			b = b[4:]
			if e.reverse {
				if pen := binary.BigEndian.Uint32(b); pen != reversePEN {
					r.t.Fatalf("enterprise %d", pen)
				}
				b = b[4:]
			}
			fields = append(fields, e)
		}
		r.templates[id] = fields
	}
}

// TestMessages writes random records into messages of random sizes, and reads them back
// by the templates alone.
func TestMessages(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		e := Exporter{Domain: 7, Size: MinSize + r.IntN(2000)}
		in := &reader{t: t, templates: map[uint16][]element{}}
		now := time.Unix(1700000000, 0)
		for range 5 {
			now = now.Add(time.Duration(r.IntN(40)) * time.Second)
			records := make([]Record, r.IntN(50))
			for i := range records {
				records[i] = randomRecord(r, now)
			}
			var got []values
			for _, m := range e.Messages(now, records) {
				got = append(got, in.message(m, e.Size)...)
			}
			if len(got) != len(records) {
				t.Fatalf("%d records of %d", len(got), len(records))
			}
			for i := range records {
				compare(t, &records[i], got[i])
			}
		}
	}
}

func randomRecord(r *rand.Rand, now time.Time) Record {
	addr := func() netip.Addr {
		if r.IntN(3) == 0 {
			return netip.AddrFrom16([16]byte{0xfd, 15: byte(r.Uint32())})
		}
		return netip.AddrFrom4([4]byte{10, 0, 0, byte(r.Uint32())})
	}
	count := func() Count { return Count{r.Uint64(), r.Uint64(), uint16(r.Uint32())} }
	return Record{Source: netip.AddrPortFrom(addr(), uint16(r.Uint32())), Destination: netip.AddrPortFrom(addr(), uint16(r.Uint32())),
		Start: now.Add(-time.Duration(r.Int64N(1e12))), End: now, Forward: count(), Reverse: count(), Reason: EndReason(1 + r.IntN(5))}
}

func compare(t *testing.T, want *Record, v values) {
	t.Helper()
	for e, n := range map[element]uint64{{7, 2, false}: uint64(want.Source.Port()), {11, 2, false}: uint64(want.Destination.Port()), {4, 1, false}: 6,
		{6, 2, false}: uint64(want.Forward.Flags), {6, 2, true}: uint64(want.Reverse.Flags), {1, 8, false}: want.Forward.Octets, {2, 8, false}: want.Forward.Packets,
		{1, 8, true}: want.Reverse.Octets, {2, 8, true}: want.Reverse.Packets, {152, 8, false}: uint64(want.Start.UnixMilli()),
		{153, 8, false}: uint64(want.End.UnixMilli()), {136, 1, false}: uint64(want.Reason), {239, 1, false}: 1} {
		if got, ok := v[e]; !ok || got != n {
			t.Fatalf("element %+v is %d, want %d", e, got, n)
		}
	}
	last := want.Destination.Addr().AsSlice()
	for _, e := range []element{{12, 4, false}, {28, 16, false}} {
		if got, ok := v[e]; ok && byte(got) != last[len(last)-1] {
			t.Fatalf("element %+v ends with %d, want %d", e, byte(got), last[len(last)-1])
		}
	}
}

// Templates come first, and again when they are due.
func TestTemplatesComeAgain(t *testing.T) {
	e := Exporter{}
	now := time.Unix(1700000000, 0)
	for i, want := range []int{1, 0, 0, 1, 0} {
		if got := len(e.Messages(now, nil)); got != want {
			t.Errorf("look %d has %d messages, want %d", i, got, want)
		}
		now = now.Add(DefaultRefresh / 3)
	}
}
