package impair_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/impair"
	"github.com/handfast-tcp/handfast/link/pipe"
)

var _ link.Link = (*impair.Link)(nil)

func numbered(n int) *buf.Packet {
	p := buf.NewPacket()
	p.Data = p.ReceiveInto(100)[:100]
	binary.BigEndian.PutUint32(p.Data, uint32(n))
	return p
}

// wrap is impair.New with settings inside their ranges.
func wrap(t *testing.T, l link.Link, o impair.Options) *impair.Link {
	t.Helper()
	bad, err := impair.New(l, o)
	if err != nil {
		t.Fatal(err)
	}
	return bad
}

// A setting outside its range is refused, in either direction, and says which.
func TestRanges(t *testing.T) {
	a, _ := pipe.New(pipe.Options{})
	for _, o := range []impair.Options{{In: netem.Config{Loss: 2}}, {Out: netem.Config{Loss: 2}}} {
		if _, err := impair.New(a, o); err == nil || !strings.Contains(err.Error(), "Config.Loss is 2; it may be 0 to 1") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if err := a.Write(0, []*buf.Packet{numbered(1)}); err != nil {
		t.Errorf("the link below is no longer usable: %v", err)
	}
}

// readAll reads count packets and returns their numbers.
func readAll(t *testing.T, l link.Link, count int) (numbers []int) {
	t.Helper()
	batch := make([]*buf.Packet, 16)
	for len(numbers) < count {
		n, err := l.Read(0, batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range batch[:n] {
			numbers = append(numbers, int(binary.BigEndian.Uint32(p.Data)))
			p.Release()
		}
	}
	return numbers
}

func write(t *testing.T, l link.Link, first, count int) {
	t.Helper()
	for i := range count {
		if err := l.Write(0, []*buf.Packet{numbered(first + i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDelayBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New(pipe.Options{})
		bad := wrap(t, a, impair.Options{
			In:  netem.Config{Delay: 30 * time.Millisecond},
			Out: netem.Config{Delay: 50 * time.Millisecond},
		})
		start := time.Now()
		write(t, bad, 1, 3)
		if got := readAll(t, b, 3); got[0] != 1 || got[2] != 3 {
			t.Errorf("got %v", got)
		}
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("out took %v, want 50ms", took)
		}
		start = time.Now()
		write(t, b, 7, 1)
		readAll(t, bad, 1)
		if took := time.Since(start); took != 30*time.Millisecond {
			t.Errorf("in took %v, want 30ms", took)
		}
		bad.Close()
		b.Close()
	})
}

func TestLossIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New(pipe.Options{})
		bad := wrap(t, a, impair.Options{Out: netem.Config{Loss: 0.2}, Seed: 1})
		write(t, bad, 0, 1000)
		synctest.Wait()
		_, out := bad.Counters()
		if out.Lost < 100 || out.Lost > 300 || out.In != 1000 {
			t.Errorf("%d of %d lost, want about 200 of 1000", out.Lost, out.In)
		}
		readAll(t, b, 1000-int(out.Lost))
		bad.Close()
		b.Close()
	})
}

func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New(pipe.Options{})
		bad := wrap(t, a, impair.Options{})
		bad.SetDown(true)
		write(t, bad, 1, 1)
		bad.SetDown(false)
		write(t, bad, 2, 1)
		if got := readAll(t, b, 1); got[0] != 2 {
			t.Errorf("got %v, want what was written after the partition", got)
		}
		bad.Close()
		b.Close()
	})
}

func TestQueuesBelowBecomeOne(t *testing.T) {
	a, b := pipe.New(pipe.Options{Queues: 3})
	bad := wrap(t, a, impair.Options{})
	if got := bad.Attributes(); got.Queues != 1 || got.MTU != a.Attributes().MTU || got.Name != a.Attributes().Name {
		t.Errorf("got %+v", got)
	}
	for queue := range 3 {
		if err := b.Write(queue, []*buf.Packet{numbered(queue)}); err != nil {
			t.Fatal(err)
		}
	}
	readAll(t, bad, 3)
	bad.Close()
}

func TestCloseEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails when a goroutine is left over
		a, b := pipe.New(pipe.Options{})
		bad := wrap(t, a, impair.Options{In: netem.Config{Delay: time.Hour}, Out: netem.Config{Delay: time.Hour}})
		write(t, bad, 0, 5)
		write(t, b, 0, 5)
		var reader sync.WaitGroup
		reader.Go(func() {
			if _, err := bad.Read(0, make([]*buf.Packet, 1)); !errors.Is(err, link.ErrClosed) {
				t.Errorf("read: %v", err)
			}
		})
		synctest.Wait()
		bad.Close()
		reader.Wait()
		if err := bad.Write(0, []*buf.Packet{numbered(0)}); !errors.Is(err, link.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		if err := bad.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
		b.Close()
	})
}

// broken is a link that fails.
type broken struct{ link.Link }

var errBroken = errors.New("broken")

func (broken) Read(int, []*buf.Packet) (int, error) { return 0, errBroken }

func TestFailureBelowIsPassedOn(t *testing.T) {
	a, _ := pipe.New(pipe.Options{})
	bad := wrap(t, broken{a}, impair.Options{})
	if _, err := bad.Read(0, make([]*buf.Packet, 1)); !errors.Is(err, errBroken) {
		t.Errorf("read: %v", err)
	}
	bad.Close()
}

// On an Ethernet ARP and NDP can be spared what happens to all else; a cut is one for
// them, too.
func TestSpareNeighbours(t *testing.T) {
	frame := func(kind uint16, rest []byte) *buf.Packet {
		p := buf.NewPacket()
		e := wire.Ethernet{Type: kind}
		p.Data = append(e.Append(p.Data), rest...)
		return p
	}
	ip := func(proto, kind uint8) []byte {
		h := wire.IP{Version: 6, Proto: proto, TTL: 255}
		return append(h.Append(nil, 8), kind, 0, 0, 0, 0, 0, 0, 0)
	}
	for _, c := range []struct {
		what   string
		kind   uint16
		rest   []byte
		spared bool
	}{
		{"ARP", wire.EtherTypeARP, make([]byte, 28), true},
		{"a solicitation", wire.EtherTypeIPv6, ip(wire.ProtoICMPv6, wire.ICMPv6NeighbourSolicitation), true},
		{"an advertisement", wire.EtherTypeIPv6, ip(wire.ProtoICMPv6, wire.ICMPv6NeighbourAdvert), true},
		{"a ping", wire.EtherTypeIPv6, ip(wire.ProtoICMPv6, wire.ICMPv6EchoRequest), false},
		{"UDP", wire.EtherTypeIPv6, ip(wire.ProtoUDP, wire.ICMPv6NeighbourAdvert), false},
		{"IPv4", wire.EtherTypeIPv4, make([]byte, 28), false},
		{"half a header", wire.EtherTypeIPv6, make([]byte, 20), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := pipe.New(pipe.Options{Medium: link.Ethernet})
			l := wrap(t, a, impair.Options{In: netem.Config{Loss: 1}, Out: netem.Config{Loss: 1}, SpareNeighbours: true})
			want := uint64(0) // on the wires
			for _, down := range []bool{false, true} {
				l.SetDown(down)
				for _, end := range []link.Link{l, b} {
					if err := end.Write(0, []*buf.Packet{frame(c.kind, c.rest)}); err != nil {
						t.Fatal(err)
					}
				}
				if synctest.Wait(); down || !c.spared {
					want++
				}
				if in, out := l.Counters(); in.In != want || out.In != want {
					t.Errorf("%s, down %v: %d came to the wire in, %d to that out, want %d", c.what, down, in.In, out.In, want)
				}
			}
			if c.spared {
				for _, end := range []link.Link{l, b} {
					batch := make([]*buf.Packet, 2)
					if n, err := end.Read(0, batch); n != 1 || err != nil {
						t.Errorf("%s: %d arrived, %v", c.what, n, err)
					}
				}
			}
			l.Close()
			b.Close()
		})
	}
}
