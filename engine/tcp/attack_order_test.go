package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// C1, text out of order without end, in any order: what one piece costs is bounded by what
// it may have to move, which is 48 KiB of list, however large the window is; what is kept is
// right, and the segment that is next gets through.
func TestPiecesMoveLittle(t *testing.T) {
	const pieces, most = 8000, 48 << 10
	for _, buffer := range []int{256 << 10, 16 << 20} {
		for _, order := range []string{"rising", "falling", "random", "the ends first"} {
			t.Run(fmt.Sprint(buffer, " ", order), func(t *testing.T) {
				h := serving(t, Config{ReceiveBuffer: buffer}, 5)
				p := h.from(1000, 0xffffff00)
				en := p.handshake("S 0:0(0) <wscale 10,sackOK>", ". 1:1(0) ack 1")
				h.e.SetTrace(nil)
				r, all := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(1, 2)).Perm(pieces)
				for i := range pieces {
					switch order {
					case "rising":
						all[i] = i
					case "falling":
						all[i] = pieces - 1 - i
					case "the ends first":
						all[i] = []int{i / 2, pieces - 1 - i/2}[i%2]
					}
					tiny(p, seq.Num(2+3*all[i]+r.IntN(2)), 1)
					p.drain()
					if n := len(en.in.ooo.parts) * int(unsafe.Sizeof(part{})); n > most {
						t.Fatalf("%d bytes are to be moved for one that comes first, after %d pieces", n, i)
					}
				}
				tiny(p, 1, 1400)
				p.drain()
				if n := int(en.rcv.nxt - en.rcv.irs - 1); n < 1400 {
					t.Fatalf("%d bytes are in order", n)
				}
				at := int64(1)
				for _, v := range h.e.Take(h.now, en, 1<<30, nil) {
					if string(v.Bytes()) != string(patternBytes(at, v.Len())) {
						t.Fatalf("what is read at %d is not what was sent", at)
					}
					at += int64(v.Len())
					h.blocks[v.Block] = true
					v.Release()
				}
				h.e.Abort(h.now, en)
				h.drain()
			})
		}
	}
}
