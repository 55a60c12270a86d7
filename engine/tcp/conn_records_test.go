package tcp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// No segment has text from both sides of the end of a record, on whatever wire, in
// super-segments or not, and however often it is sent. All comes, and no record waits for
// what is behind it.
func TestRecords(t *testing.T) {
	for seed := range few(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { recordsOverBadWire(t, seed) })
	}
}

func recordsOverBadWire(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 3))
	p := newPair(t, Config{NoSACK: r.IntN(3) == 0, UserTimeout: 12 * time.Hour})
	if r.IntN(2) == 0 {
		p.path.MaxGSO = 65535
	}
	ends, loss := map[seq.Num]bool{}, r.Float64()*0.2
	longest := 0
	p.fate = func(from int, out *Output) (bool, time.Duration) {
		for n := 1; from == 0 && n < out.Len; n++ {
			if ends[out.Seq.Add(seq.Size(n))] {
				t.Fatalf("%d bytes from %d have an end of a record in them", out.Len, out.Seq)
			}
		}
		if from == 0 {
			longest = max(longest, out.Len)
		}
		return r.Float64() < loss, 0
	}
	client, server := p.connect()
	var sent, got []byte
	p.until("everything read", func() bool {
		for len(sent) < 200_000 && client.SendSpace() > 0 {
			b := bytes.Repeat([]byte{byte(r.Uint32())}, 1+r.IntN(4000))
			sent = append(sent, b...)
			p.write(0, client, b)
			if r.IntN(3) == 0 {
				ends[client.out.end()] = true
				p.ends[0].EndRecord(p.now, client)
				if c := client.Clone(nil); c.options.records == client.options.records {
					t.Fatal("a clone has the same records")
				}
			}
		}
		got = append(got, p.read(1, server)...)
		return len(got) >= 200_000 && len(got) == len(sent)
	})
	if !bytes.Equal(got, sent) {
		t.Error("other bytes came")
	}
	if kept := client.options.records; kept == nil || len(kept.ends) > len(ends) || longest < 1400 {
		t.Errorf("records %v, longest segment %d", kept, longest)
	}
	p.ends[0].SetTOS(p.now, client, 8)
	if client.options.records == nil {
		t.Error("another setting has them forgotten")
	}
}

// An end where nothing is queued is none, and after a FIN there are no records.
func TestRecordOfNothing(t *testing.T) {
	p := newPair(t, Config{})
	client, _ := p.connect()
	p.ends[0].EndRecord(p.now, client)
	p.write(0, client, []byte("abc"))
	p.ends[0].EndRecord(p.now, client)
	p.ends[0].EndRecord(p.now, client)
	if n := len(client.options.records.ends); n != 1 {
		t.Errorf("%d records", n)
	}
	p.ends[0].CloseWrite(p.now, client)
	p.ends[0].EndRecord(p.now, client)
	if n := len(client.options.records.ends); n != 1 {
		t.Errorf("%d records after the FIN", n)
	}
}
