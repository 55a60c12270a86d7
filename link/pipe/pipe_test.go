package pipe_test

import (
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

var _ link.Link = (*pipe.End)(nil)

// numbered returns a packet of size bytes that carries n.
func numbered(n, size int) *buf.Packet {
	p := buf.NewPacket()
	p.Data = p.ReceiveInto(size)[:size]
	binary.BigEndian.PutUint32(p.Data, uint32(n))
	return p
}

func number(p *buf.Packet) int { return int(binary.BigEndian.Uint32(p.Data)) }

func batchOf(first, count, size int) []*buf.Packet {
	batch := make([]*buf.Packet, count)
	for i := range batch {
		batch[i] = numbered(first+i, size)
	}
	return batch
}

func mustWrite(t *testing.T, l link.Link, batch ...*buf.Packet) {
	t.Helper()
	if err := l.Write(0, batch); err != nil {
		t.Fatal(err)
	}
}

// wantNumbers reads once and checks which packets came.
func wantNumbers(t *testing.T, l link.Link, room int, want ...int) {
	t.Helper()
	batch := make([]*buf.Packet, room)
	n, err := l.Read(0, batch)
	if err != nil || n != len(want) {
		t.Fatalf("read %d packets, error %v; want %d", n, err, len(want))
	}
	for i, p := range batch[:n] {
		if number(p) != want[i] {
			t.Errorf("packet %d is number %d, want %d", i, number(p), want[i])
		}
		p.Release()
	}
}

func TestOrderIsKept(t *testing.T) {
	a, b := pipe.New(pipe.Options{})
	defer a.Close()
	defer b.Close()
	mustWrite(t, a, batchOf(0, 3, 40)...)
	mustWrite(t, a, batchOf(3, 2, 40)...)
	mustWrite(t, b, numbered(100, 40))
	wantNumbers(t, b, 2, 0, 1)
	wantNumbers(t, b, 8, 2, 3, 4)
	wantNumbers(t, a, 8, 100)
}

// Chunks come and go while packets are in them.
func TestOrderIsKeptAcrossGrowth(t *testing.T) {
	a, b := pipe.New(pipe.Options{})
	written, read := 0, 0
	batch := make([]*buf.Packet, 64)
	for written < 4000 {
		mustWrite(t, a, batchOf(written, 50, 20)...)
		written += 50
		n, _ := b.Read(0, batch[:37])
		for _, p := range batch[:n] {
			if number(p) != read {
				t.Fatalf("got number %d, want %d", number(p), read)
			}
			read++
			p.Release()
		}
	}
}

func TestPacketIsPassedByReference(t *testing.T) {
	a, b := pipe.New(pipe.Options{MaxGSO: 65535, ChecksumOffload: true})
	sent := numbered(1, 40)
	payload := buf.MakeView(buf.Get(buf.LargeSize), 0, 60000)
	sent.AddView(payload)
	sent.GSOSize, sent.Checksum, sent.CsumStart, sent.CsumOffset = 1460, buf.ChecksumPartial, 20, 16
	mustWrite(t, a, sent)
	batch := make([]*buf.Packet, 4)
	if n, err := b.Read(0, batch); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	got := batch[0]
	if got != sent || got.Views[0] != payload || got.Checksum != buf.ChecksumPartial || got.GSOSize != 1460 {
		t.Errorf("the packet was changed on its way: %+v", got)
	}
	got.Release()
}

func TestFullQueueDropsTheLast(t *testing.T) {
	a, b := pipe.New(pipe.Options{Queue: 5})
	mustWrite(t, a, batchOf(0, 3, 40)...)
	mustWrite(t, a, batchOf(3, 4, 40)...)
	if got := a.Drops(); got != 2 {
		t.Errorf("%d drops, want 2", got)
	}
	if got := b.Drops(); got != 0 {
		t.Errorf("%d drops the other way, want 0", got)
	}
	wantNumbers(t, b, 16, 0, 1, 2, 3, 4)
	mustWrite(t, a, numbered(7, 40))
	wantNumbers(t, b, 16, 7)
}

func TestLinkRefusesWhatItDoesNotCarry(t *testing.T) {
	partial := func(size, gso int) *buf.Packet {
		p := numbered(9, size)
		p.Checksum, p.GSOSize = buf.ChecksumPartial, uint16(gso)
		return p
	}
	full := func(size, gso int) *buf.Packet {
		p := numbered(9, size)
		p.GSOSize = uint16(gso)
		return p
	}
	plain := pipe.Options{MTU: 1000}
	offload := pipe.Options{MTU: 1000, MaxGSO: 30000, ChecksumOffload: true}
	ethernet := pipe.Options{MTU: 1000, Medium: link.Ethernet}
	for _, c := range []struct {
		name    string
		options pipe.Options
		packet  *buf.Packet
		drops   uint64
	}{
		{"MTU", plain, full(1000, 0), 0},
		{"above MTU", plain, full(1001, 0), 1},
		{"super-segment without offload", plain, full(500, 100), 1},
		{"partial checksum without offload", plain, partial(500, 0), 1},
		{"partial checksum", offload, partial(500, 0), 0},
		{"super-segment", offload, partial(30000, 960), 0},
		{"super-segment above MaxGSO", offload, partial(30001, 960), 1},
		{"above MTU, not a super-segment", offload, partial(1001, 0), 1},
		{"frame of MTU", ethernet, full(1014, 0), 0},
		{"frame above MTU", ethernet, full(1015, 0), 1},
	} {
		a, _ := pipe.New(c.options)
		mustWrite(t, a, c.packet)
		if got := a.Drops(); got != c.drops {
			t.Errorf("%s: %d drops, want %d", c.name, got, c.drops)
		}
	}
}

func TestAttributes(t *testing.T) {
	a, b := pipe.New(pipe.Options{Name: "wire", Medium: link.Ethernet, Queues: 2})
	want := link.Attributes{Name: "wire-a", Medium: link.Ethernet, MTU: 1500, Queues: 2,
		HardwareAddr: link.HardwareAddr{2, 0, 0, 0, 0, 0xa}}
	if got := a.Attributes(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if b.Attributes().HardwareAddr == want.HardwareAddr {
		t.Error("both ends have the same hardware address")
	}
}

func TestCloseEndsReadsThatWait(t *testing.T) {
	a, b := pipe.New(pipe.Options{Queues: 3})
	var readers sync.WaitGroup
	for queue := range 3 {
		readers.Go(func() {
			if _, err := b.Read(queue, make([]*buf.Packet, 1)); !errors.Is(err, link.ErrClosed) {
				t.Errorf("queue %d: %v", queue, err)
			}
		})
	}
	b.Close()
	readers.Wait()
	if err := b.Write(0, batchOf(0, 1, 40)); !errors.Is(err, link.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	mustWrite(t, a, numbered(1, 40))
	if a.Drops() != 1 {
		t.Errorf("%d drops into a closed end, want 1", a.Drops())
	}
	b.Close()
}

func TestWhatWasWrittenBeforeCloseArrives(t *testing.T) {
	a, b := pipe.New(pipe.Options{})
	mustWrite(t, a, numbered(1, 40))
	a.Close()
	wantNumbers(t, b, 4, 1)
}

// Writers and readers of all queues at once, with a close in the middle: run
// it with the race detector.
func TestConcurrentUse(t *testing.T) {
	a, b := pipe.New(pipe.Options{Queues: 2, Queue: 128})
	var all sync.WaitGroup
	for queue := range 2 {
		all.Go(func() {
			for i := 0; a.Write(queue, batchOf(i, 7, 40)) == nil; i += 7 {
			}
		})
		all.Go(func() {
			defer a.Close()
			defer b.Close()
			batch, last := make([]*buf.Packet, 16), -1
			for last < 5000 {
				n, err := b.Read(queue, batch)
				if err != nil {
					return // the other queue was faster
				}
				for _, p := range batch[:n] {
					if number(p) <= last {
						t.Errorf("number %d came after %d", number(p), last)
					}
					last = number(p)
					p.Release()
				}
			}
		})
	}
	all.Wait()
}

// One goroutine writes, one reads; the figure is per packet.
func BenchmarkPipe(b *testing.B) {
	for _, size := range []struct {
		name  string
		batch int
	}{{"batch=1", 1}, {"batch=64", 64}} {
		b.Run(size.name, func(b *testing.B) { benchmark(b, size.batch) })
	}
}

func benchmark(b *testing.B, size int) {
	x, y := pipe.New(pipe.Options{})
	defer x.Close()
	go func() {
		defer y.Close()
		batch := make([]*buf.Packet, 64)
		for n := 0; n < b.N; {
			got, _ := y.Read(0, batch)
			if n += got; y.Write(0, batch[:got]) != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	window, back := make([]*buf.Packet, 0, 1024), make([]*buf.Packet, 1024)
	for len(window) < 4*size {
		window = append(window, numbered(0, 60))
	}
	for n := 0; n < b.N; {
		for i := 0; i < len(window); i += size {
			end := min(i+size, len(window))
			x.Write(0, window[i:end])
		}
		got, err := x.Read(0, back)
		if err != nil {
			return
		}
		n += got
		window = append(window[:0], back[:got]...)
	}
}
