package buf

import (
	"bytes"
	"sync"
	"testing"
	"unsafe"
)

// Sizes map to the smallest block that holds them.
func TestSizes(t *testing.T) {
	for size, want := range map[int]int{0: TinySize, 1: TinySize, TinySize: TinySize, TinySize + 1: SmallSize, SmallSize: SmallSize, SmallSize + 1: MediumSize,
		MediumSize: MediumSize, MediumSize + 1: LargeSize, LargeSize: LargeSize} {
		b := Get(size)
		if b.Cap() != want {
			t.Errorf("Get(%d) is a block of %d bytes, want %d", size, b.Cap(), want)
		}
		b.Release()
	}
	if s := unsafe.Sizeof(Packet{}); s != 256 && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a packet is %d bytes, not four cache lines", s)
	}
}

// Two places are the same only if they are one offset of one block: also where one
// block ends and another begins.
func TestPlaces(t *testing.T) {
	seen := map[Place]bool{}
	for _, size := range []int{1, TinySize, TinySize + 1, SmallSize, SmallSize + 1, MediumSize, MediumSize + 1, LargeSize} {
		for range 50 {
			b := Get(size)
			defer b.Release()
			for _, off := range []int{0, 1, 8, b.Cap() / 2, b.Cap() - 1, b.Cap()} {
				p := MakeView(b, off, 0).Start()
				if seen[p] {
					t.Fatalf("offset %d of a block of %d bytes is another place too", off, b.Cap())
				}
				if end := MakeView(b, 0, off).End(); end != p {
					t.Errorf("offset %d is %x as a start and %x as an end", off, p, end)
				}
				seen[p] = true
			}
		}
	}
}

// What uses a block after its last reference has gone is stopped where the count
// shows it.
func TestUseAfterRelease(t *testing.T) {
	view := func(b *Block) View { return MakeView(b, 0, 10) }
	for name, use := range map[string]func(b *Block){
		"release":      func(b *Block) { b.Release() },
		"view release": func(b *Block) { view(b).Release() },
		"retain":       func(b *Block) { b.Retain() },
		"view retain":  func(b *Block) { view(b).Retain() },
		"stash": func(b *Block) {
			var s Stash
			p := s.Get()
			p.AddView(view(b))
			s.Put(p)
			s.Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := &Block{mem: make([]byte, SmallSize)} // of no pool, so no other test gets it
			defer func() {
				if recover() == nil {
					t.Error("the misuse was not noticed")
				}
			}()
			use(b)
		})
	}
}

// A view cannot be made to reach beyond its block, nor a part beyond its whole.
func TestViewBounds(t *testing.T) {
	b := Get(SmallSize)
	defer b.Release()
	v := MakeView(b, 10, 20)
	for name, f := range map[string]func(){
		"make":  func() { MakeView(b, SmallSize-5, 6) },
		"slice": func() { MakeView(b, 0, 10).Slice(5, SmallSize+1) },
		"order": func() { v.Slice(6, 5) },
		"grow":  func() { w := v; w.Grow(SmallSize) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: reached beyond", name)
				}
			}()
			f()
		}()
	}
}

// Queues of every length keep their views in order, and an emptied slice comes
// back without what it held.
func TestAppendView(t *testing.T) {
	b := Get(LargeSize)
	defer b.Release()
	for _, n := range []int{1, fewViews, fewViews + 1, manyViews, manyViews + 1, 2 * manyViews} {
		var vs []View
		for i := range n {
			vs = AppendView(vs, MakeView(b, i, 1))
		}
		for i, v := range vs {
			if v != MakeView(b, i, 1) {
				t.Fatalf("view %d of %d is %+v", i, n, v)
			}
		}
		FreeViews(vs)
	}
	vs := AppendView(nil, View{})
	for _, v := range vs[1:cap(vs)] {
		if v.Block != nil {
			t.Error("a short slice still refers to a block")
		}
	}
}

// Shards give each other packets whose views lie in the same blocks. Each reads,
// retains and gives back on its own; the race detector looks on.
func TestShardsShareBlocks(t *testing.T) {
	const shards, rounds = 4, 300
	inbox := [shards]chan *Packet{}
	for i := range inbox {
		inbox[i] = make(chan *Packet, rounds*shards)
	}
	var done sync.WaitGroup
	for me := range inbox {
		done.Go(func() {
			var s Stash
			for round := range rounds {
				b := Get(SmallSize)
				for i := range b.Bytes() {
					b.Bytes()[i] = byte(round)
				}
				for to := range inbox {
					p := s.Get()
					p.Data = append(p.Data, byte(round))
					p.AddView(MakeView(b, to, 100).Retain())
					inbox[to] <- p
				}
				b.Release()
				for range shards {
					p := <-inbox[me]
					if v := p.Views[0].Bytes(); bytes.Count(v, p.Data) != len(v) {
						t.Error("bytes changed under way")
					}
					s.Put(p)
				}
			}
			s.Flush()
		})
	}
	done.Wait()
}

// What one stash has too much of, another one and NewPacket take: each packet
// goes to one of them, and empty.
func TestStashesPassBatches(t *testing.T) {
	var from, to Stash
	var all []*Packet
	for range 5 * batch {
		all = append(all, from.Get())
	}
	for range 3 {
		for _, p := range all {
			p.Data, p.L3 = append(p.Data, 1), 14
			from.Put(p)
		}
		all = all[:0]
		held := map[*Packet]bool{}
		for i := range 5 * batch {
			get := to.Get
			if i%3 == 0 {
				get = NewPacket
			}
			p := get()
			if held[p] || p.Len() != 0 || p.L3 != 0 {
				t.Fatalf("packet %d: held already %v, %d bytes", i, held[p], p.Len())
			}
			held[p] = true
			all = append(all, p)
		}
	}
}

// A copy has all that the packet has, and nothing of it.
func TestCopyOfAPacket(t *testing.T) {
	b := Get(100)
	copy(b.Bytes(), "payload")
	p := NewPacket()
	p.Data = append(p.Data, "headers "...)
	p.AddView(MakeView(b, 0, 7))
	p.L3, p.GSOSize, p.Checksum, p.CsumStart, p.CsumOffset = 14, 3, ChecksumPartial, 34, 16
	c := p.Copy()
	defer c.Release()
	if string(c.Data) != "headers payload" || c.N != 0 || c.L3 != 14 || c.GSOSize != 3 || c.Checksum != ChecksumPartial || c.CsumStart != 34 || c.CsumOffset != 16 {
		t.Errorf("the copy is %q: %+v", c.Data, c)
	}
	copy(b.Bytes(), "PAYLOAD")
	p.Data[0] = 'H'
	p.Release()
	if string(c.Data) != "headers payload" {
		t.Errorf("the copy has become %q", c.Data)
	}
}
