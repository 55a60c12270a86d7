package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// inAnyCase is the memory that a queue takes for its first bytes: slices out of
// pools, and a block or two that are not full yet.
const inAnyCase = 50_000

// However small the segments are that a peer sends, and in whatever order, what
// the queues hold for a program that does not read is at most pinShare times what
// came, views and parts included, and what a queue takes in any case.
func TestTinySegmentsTakeLittle(t *testing.T) {
	const group = 120 // segments, which arrive in an order of their own
	shuffled := rand.New(rand.NewPCG(1, 1)).Perm(group)
	orders := map[string]func(i int) int{
		"in order":  func(i int) int { return i },
		"in pairs":  func(i int) int { return i ^ 1 },
		"odd first": func(i int) int { return 2*(i%(group/2)) + 1 - i/(group/2) },
		"backwards": func(i int) int { return group - 1 - i },
		"in any":    func(i int) int { return shuffled[i] },
	}
	for name, order := range orders {
		for _, size := range []int{1, 64, 511, 2, 10, 63, 100}[:few(7)] {
			t.Run(fmt.Sprintf("%s, %d bytes", name, size), func(t *testing.T) { tinySegments(t, size, group, order) })
		}
	}
}

func tinySegments(t *testing.T, size, group int, order func(int) int) {
	h := serving(t, Config{ReceiveBuffer: 1 << 20}, 5)
	p := h.from(1000, 0)
	en := p.handshake("S 0:0(0) <wscale 7,sackOK>", ". 1:1(0) ack 1")
	h.e.SetTrace(nil)
	h.e.SetReceiveBuffer(h.now, en, 1<<20)
	p.drain()
	for first := 0; first+group*size <= min(1<<20, 100*group*size); first += group * size {
		for i := range group {
			tiny(p, seq.Num(1+first+order(i)*size), size)
			if i%64 == 0 || i == group-1 {
				p.drain()
			}
			if i%10 != 5 {
				continue
			}
			if held, most := en.memory(), pinShare*(first+(i+1)*size)+inAnyCase; held > most {
				t.Fatalf("%d bytes came and take %d of memory", first+(i+1)*size, held)
			}
		}
		if want := first + group*size; en.Buffered() != want {
			t.Fatalf("%d of %d bytes can be read", en.Buffered(), want)
		}
	}
	got := 1
	for _, v := range h.e.Take(h.now, en, 1<<30, nil) {
		if string(v.Bytes()) != string(patternBytes(int64(got), v.Len())) {
			t.Fatalf("what is read at %d is not what was sent", got)
		}
		got += v.Len()
		h.blocks[v.Block] = true
		v.Release()
	}
	h.e.Abort(h.now, en)
	h.drain()
}

// tiny has the n bytes from number from on arrive, in a packet's block.
func tiny(p *testPeer, from seq.Num, n int) {
	b := buf.Get(1500)
	p.blocks[b] = true
	copy(b.Bytes()[40:], patternBytes(int64(from), n))
	s := Segment{TCP: wire.TCP{SrcPort: p.tuple.RemotePort, DstPort: p.tuple.LocalPort, Seq: from + p.peer, Ack: p.own + 1, Flags: wire.ACK, Window: 1000},
		Len: n, Views: []buf.View{buf.MakeView(b, 40, n)}}
	p.drop = p.e.Receive(p.now, p.path, &p.tuple, &s)
	b.Release()
}

// memory is how many bytes the receive queues take.
func (en *Entry) memory() int {
	n := cap(en.in.views) * int(unsafe.Sizeof(buf.View{}))
	if o := en.in.ooo; o != nil {
		n += cap(o.parts) * int(unsafe.Sizeof(part{}))
	}
	seen := map[*buf.Block]bool{}
	en.eachBlock(func(b *buf.Block) {
		if !seen[b] {
			seen[b] = true
			n += b.Cap()
		}
	})
	return n
}

// Who copies what has arrived reads the same as who takes it, for any sizes of segments and of
// calls; and the peer sees the same windows.
func TestReadIsTake(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	var hosts [2]*testHost
	var peers [2]*testPeer
	var entries [2]*Entry
	for i := range hosts {
		hosts[i] = serving(t, Config{ReceiveBuffer: 20000}, 5)
		peers[i] = hosts[i].from(1000, 0)
		entries[i] = peers[i].handshake("S 0:0(0) <mss 1460>", ". 1:1(0) ack 1")
	}
	arrived, read := 1, 1
	for range few(2000) {
		if n := 1 + r.IntN(1400); r.IntN(3) > 0 && arrived-read < 15000 {
			for i := range peers {
				tiny(peers[i], seq.Num(arrived), n)
			}
			arrived += n
		} else {
			n := r.IntN(1 << (2 + r.IntN(13)))
			var taken []byte
			for _, v := range hosts[0].e.Take(hosts[0].now, entries[0], n, nil) {
				taken = append(taken, v.Bytes()...)
				v.Release()
			}
			copied := make([]byte, n)
			copied = copied[:hosts[1].e.Read(hosts[1].now, entries[1], copied)]
			if want := patternBytes(int64(read), min(n, arrived-read)); string(taken) != string(want) || string(copied) != string(want) {
				t.Fatalf("of %d bytes from %d on %d are taken and %d copied, or others", n, read, len(taken), len(copied))
			}
			read += len(taken)
		}
		var sent [2]string
		for i, h := range hosts {
			var out Output
			for h.e.Output(h.now, &out) {
				sent[i] += fmt.Sprintf("%d %v %d;", out.Ack-seq.Num(peers[i].peer), out.Flags, out.Window)
			}
		}
		if sent[0] != sent[1] || entries[0].Buffered() != entries[1].Buffered() || entries[0].memory() != entries[1].memory() {
			t.Fatalf("who takes sends %s and has %d bytes in %d, who copies %s and %d in %d",
				sent[0], entries[0].Buffered(), entries[0].memory(), sent[1], entries[1].Buffered(), entries[1].memory())
		}
	}
	for i, h := range hosts {
		h.e.Abort(h.now, entries[i])
		h.drain()
	}
}

// TestReassemblyHoldsWindow: a segment of any usual size that lies in the window and
// comes out of order is kept, however many they are; small ones that follow each
// other are one part.
func TestReassemblyHoldsWindow(t *testing.T) {
	for _, buffer := range []int{64 << 10, 1 << 20, 4 << 20} {
		for _, size := range []int{512, 536, 1448, 1460} {
			h := serving(t, Config{ReceiveBuffer: buffer}, 5)
			p := h.from(1000, 0)
			en := p.handshake("S 0:0(0) <wscale 10,sackOK>", ". 1:1(0) ack 1")
			h.e.SetTrace(nil)
			for n := 1 + size; n+size <= 1+int(en.rcv.edge.Sub(en.rcv.irs)); n += size {
				if tiny(p, seq.Num(n), size); p.drop != wire.None {
					t.Fatalf("buffer of %d, segments of %d: number %d: %v", buffer, size, n, p.drop)
				}
				p.drain()
			}
			h.e.Abort(h.now, en)
			h.drain()
		}
	}
	h := serving(t, Config{}, 5)
	p := h.from(1000, 0)
	en := p.handshake("S 0:0(0) <wscale 7,sackOK>", ". 1:1(0) ack 1")
	h.e.SetTrace(nil)
	for n := range 1000 {
		tiny(p, seq.Num(10+n), 1)
		p.drain()
	}
	if n := len(en.in.ooo.parts); n != 1 {
		t.Errorf("%d parts for what lies together", n)
	}
	h.e.Abort(h.now, en)
	h.drain()
}
