package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// firstNumber is the ISN, and the timestamp, of the SYN of a new connection.
func firstNumber(t *testing.T, secret byte, now clock.Time, tuple wire.Tuple) (seq.Num, uint32) {
	t.Helper()
	e := NewEndpoint(&Config{Secret: [16]byte{secret}})
	if _, err := e.Connect(now, Path{MTU: 1500}, tuple, nil); err != nil {
		t.Fatal(err)
	}
	var out Output
	if !e.Output(now, &out) || out.Flags != wire.SYN {
		t.Fatal("no SYN")
	}
	return out.Seq, out.Options.TSVal
}

// RFC 6528 §3: for one four-tuple the numbers follow a clock of 4 µs.
func TestISNClock(t *testing.T) {
	tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 1, RemotePort: 2}
	now := clock.Time(time.Hour)
	first, _ := firstNumber(t, 1, now, tuple)
	for _, d := range []time.Duration{4 * time.Microsecond, time.Millisecond, time.Second, 2 * time.Hour} {
		if n, _ := firstNumber(t, 1, now.Add(d), tuple); n.Sub(first) != seq.Size(d/(4*time.Microsecond)) {
			t.Errorf("after %v the number is %d further", d, n.Sub(first))
		}
	}
}

// Any difference in tuple or secret gives a number, and a timestamp clock
// (RFC 7323 §5.4), that has nothing to do with the other one.
func TestISNsDiffer(t *testing.T) {
	base := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 1, RemotePort: 2}
	others := map[string]wire.Tuple{
		"local port":          {Local: addrA, Remote: addrB, LocalPort: 3, RemotePort: 2},
		"remote port":         {Local: addrA, Remote: addrB, LocalPort: 1, RemotePort: 3},
		"local address":       {Local: addr6A, Remote: addrB, LocalPort: 1, RemotePort: 2},
		"remote address":      {Local: addrA, Remote: addr6A, LocalPort: 1, RemotePort: 2},
		"the other way round": base.Reverse(),
	}
	now := clock.Time(time.Hour)
	first, stamp := firstNumber(t, 1, now, base)
	differ := func(name string, n seq.Num, ts uint32) {
		if near(uint32(n), uint32(first)) || near(ts, stamp) || near(ts-stamp, uint32(n-first)) {
			t.Errorf("%s: numbers %#x and %#x, timestamps %#x and %#x", name, n, first, ts, stamp)
		}
	}
	for name, tuple := range others {
		n, ts := firstNumber(t, 1, now, tuple)
		differ(name, n, ts)
	}
	n, ts := firstNumber(t, 2, now, base)
	differ("secret", n, ts)
}

func near(a, b uint32) bool { return int32(a-b) < 1<<16 && int32(a-b) > -1<<16 }

// Over many ports every bit of the numbers is set about half of the time, and
// so is every bit of the difference of neighbours.
func TestISNBits(t *testing.T) {
	const count = 4096
	var ones, changes [32]int
	var last uint32
	for port := range uint16(count) {
		n, _ := firstNumber(t, 1, 0, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: port, RemotePort: 80})
		for b := range 32 {
			ones[b] += int(uint32(n) >> b & 1)
			changes[b] += int((uint32(n) ^ last) >> b & 1)
		}
		last = uint32(n)
	}
	for b := range 32 { // six standard deviations
		if d := ones[b] - count/2; d*d > 36*count/4 {
			t.Errorf("bit %d is set in %d of %d", b, ones[b], count)
		}
		if d := changes[b] - count/2; d*d > 36*count/4 {
			t.Errorf("bit %d changes %d times in %d", b, changes[b], count)
		}
	}
}
