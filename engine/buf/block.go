// Package buf is the memory that payload lives in: blocks with a reference
// count, views into them, and packets made of views.
//
// A byte that the program writes is copied once, into a block; a byte that it
// reads is copied once, out of one. In between only references move: the send
// queue, the packet under way, the peer's reassembly queue in the same process
// and its receive queue may all hold the same block. Bytes of a block that
// others can see are never written again.
package buf

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// Sizes of the blocks, in bytes. The largest holds one 64 KiB IP packet and
// the headers below it.
const (
	TinySize   = 512
	SmallSize  = 2 << 10
	MediumSize = 16 << 10
	LargeSize  = 72 << 10
)

var sizes = [...]int{TinySize, SmallSize, MediumSize, LargeSize}

var pools [len(sizes)]sync.Pool

// Block is a piece of memory with a reference count. Get returns it with one
// reference; who holds a reference may read what was written before it got it.
type Block struct {
	refs  atomic.Int32
	class uint8
	mem   []byte
}

// Get returns a block of at least size bytes (at most LargeSize) with one
// reference. Its content is undefined.
func Get(size int) *Block {
	class := 0
	for sizes[class] < size {
		class++
	}
	if b, _ := pools[class].Get().(*Block); b != nil {
		b.refs.Store(1)
		return b
	}
	b := &Block{class: uint8(class), mem: make([]byte, sizes[class])}
	b.refs.Store(1)
	return b
}

// Bytes returns the whole block.
func (b *Block) Bytes() []byte { return b.mem }

// Cap returns the size of the block in bytes.
func (b *Block) Cap() int { return len(b.mem) }

// Retain adds a reference to a block that has one.
func (b *Block) Retain() {
	if b.refs.Add(1) <= 1 {
		panic("buf: block retained after its release")
	}
}

// Release gives a reference back. The block is used again after the last one.
func (b *Block) Release() { b.release(1) }

func (b *Block) release(count int32) {
	switch n := b.refs.Add(-count); {
	case n == 0:
		pools[b.class].Put(b)
	case n < 0:
		panic("buf: block released more often than retained")
	}
}

// View is a run of bytes in a block. A view that is stored owns one reference;
// a view that is passed as an argument is borrowed unless the callee says
// otherwise.
type View struct {
	Block *Block
	off   uint32
	len   uint32
}

// MakeView returns the view of b's bytes [off, off+n). It does not retain b.
func MakeView(b *Block, off, n int) View {
	_ = b.mem[off : off+n]
	return View{Block: b, off: uint32(off), len: uint32(n)}
}

// Len returns the length in bytes.
func (v View) Len() int { return int(v.len) }

// Bytes returns the bytes, to be read only.
func (v View) Bytes() []byte { return v.Block.mem[v.off : v.off+v.len] }

// Slice returns the part [from, to) of v, without a reference of its own.
func (v View) Slice(from, to int) View {
	_ = v.Bytes()[from:to]
	return View{Block: v.Block, off: v.off + uint32(from), len: uint32(to - from)}
}

// Retain adds a reference to v's block and returns v.
func (v View) Retain() View {
	v.Block.Retain()
	return v
}

// Release gives v's reference back.
func (v View) Release() { v.Block.Release() }

// Grow makes the view n bytes longer. The caller has just written those bytes
// and is the only one who writes to the block.
func (v *View) Grow(n int) {
	_ = v.Block.mem[v.off : int(v.off+v.len)+n]
	v.len += uint32(n)
}

// Room returns the bytes of the block behind the view.
func (v View) Room() []byte { return v.Block.mem[v.off+v.len:] }

// Place is a place in a block that may be compared with others, long after the
// block has gone. It is one number, because each connection keeps one: the address of
// the Block, a multiple of 8 below 2^50 wherever Go runs, moved up so far that an
// offset fits below it.
type Place uint64

const placeShift = 14

// An offset, LargeSize at most, leaves the address alone: this is negative otherwise.
const _ = uint(8<<placeShift - 1 - LargeSize)

// Start returns where v begins.
func (v View) Start() Place { return v.place(v.off) }

// End returns where v ends.
func (v View) End() Place { return v.place(v.off + v.len) }

func (v View) place(off uint32) Place {
	return Place(uintptr(unsafe.Pointer(v.Block)))<<placeShift + Place(off)
}

// Follows reports whether v begins in the block where u ends.
func (v View) Follows(u View) bool { return v.Block == u.Block && v.off == u.off+u.len }
