package tcp

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// TestGigabytesUnderLoss: ten GiB are exact where every so many super-segments lose one
// of theirs, while sequence numbers wrap twice.
func TestGigabytesUnderLoss(t *testing.T) {
	total := int64(10 << 30)
	if testing.Short() {
		total = 5 << 30
	}
	f := newFreight(t, Config{})
	r := rand.New(rand.NewPCG(1, 2))
	for i := range f.block.Bytes() {
		f.block.Bytes()[i] = byte(r.Uint32())
	}
	size := int64(f.block.Cap())
	for sent, got, next := int64(0), int64(0), int64(1<<20); got < total; {
		for ; sent < total && int64(f.conns[0].SendSpace()) >= size; sent += size {
			f.ends[0].Send(f.now, f.conns[0], buf.MakeView(f.block, 0, int(size)).Retain())
		}
		if got >= next { // about one segment in 3000
			f.lose, next = 1, got+int64(r.IntN(8<<20))
		}
		moved := f.trip(0)
		for _, v := range f.ends[1].Take(f.now, f.conns[1], 1<<30, nil) {
			got += f.exact(got, v.Bytes())
			v.Release()
		}
		if moved+f.trip(1) == 0 && f.advance() == clock.Never {
			t.Fatalf("%d of %d bytes arrived, and nothing more will happen", got, total)
		}
	}
	if n := f.conns[0].Info(f.now).TotalRetrans; n < 1000 || n > 10000 {
		t.Errorf("%d segments sent again", n)
	}
}

// exact wants b to be what the stream has from that place on, whole blocks one after
// the other, and returns how long it is.
func (f *freight) exact(from int64, b []byte) int64 {
	f.Helper()
	for at := 0; at < len(b); {
		want := f.block.Bytes()[(from+int64(at))%int64(f.block.Cap()):]
		n := min(len(want), len(b)-at)
		if !bytes.Equal(b[at:at+n], want[:n]) {
			f.Fatalf("what arrives at %d is not what was sent", from+int64(at))
		}
		at += n
	}
	return int64(len(b))
}

// TestTimestampsWrapUnderLoss: a transfer with losses and late segments is the same, to
// the last segment, whether the millisecond of the clock wraps in it or not.
func TestTimestampsWrapUnderLoss(t *testing.T) {
	const second = clock.Time(time.Second)
	wrap := clock.Time(1<<32) * clock.Time(time.Millisecond)
	for seed := range few(6) {
		var want Info
		for i, begin := range []clock.Time{wrap/2 - wrap/2%second, wrap - wrap%second - second, wrap - wrap%second} {
			got := wrapUnderLoss(t, begin, seed)
			if i == 0 {
				want = got
			}
			if got.TotalRetrans != want.TotalRetrans || got.SegsOut != want.SegsOut || got.BytesAcked != want.BytesAcked || got.RTT != want.RTT {
				t.Errorf("seed %d, from %v: %d segments, %d sent again, %d bytes; want %d, %d, %d", seed, begin,
					got.SegsOut, got.TotalRetrans, got.BytesAcked, want.SegsOut, want.TotalRetrans, want.BytesAcked)
			}
			if want.TotalRetrans == 0 || !want.Timestamps {
				t.Errorf("seed %d: %d sent again, timestamps %v", seed, want.TotalRetrans, want.Timestamps)
			}
		}
	}
}

// wrapUnderLoss sends for three seconds from the given instant on.
func wrapUnderLoss(t *testing.T, begin clock.Time, seed uint64) Info {
	r := rand.New(rand.NewPCG(seed, 9))
	p := newPair(t, Config{SendBuffer: 1 << 20})
	p.now = begin
	p.fate = func(from int, _ *Output) (bool, time.Duration) {
		if from == 1 {
			return false, 0
		}
		late := time.Duration(0)
		if r.IntN(100) == 0 {
			late = time.Duration(r.IntN(20)) * time.Millisecond
		}
		return r.IntN(100) == 0, late
	}
	client, server := p.connect()
	for end := begin.Add(3 * time.Second); p.now < end; p.step(end) {
		for client.SendSpace() > 0 {
			p.write(0, client, make([]byte, 10000))
		}
		p.read(1, server)
	}
	return client.Info(p.now)
}
