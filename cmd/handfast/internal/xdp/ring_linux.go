package xdp

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one that the kernel and we share: one side produces entries, the other consumes them.
// Each number counts on for ever; its low bits are a place. Ours alone we read without ceremony.
type ring[T uint64 | unix.XDPDesc] struct {
	producer, consumer, flags *uint32
	entries                   []T
	mem                       []byte
}

// mapRing maps a ring of size entries, which is a power of two.
func mapRing[T uint64 | unix.XDPDesc](fd int, at int64, o unix.XDPRingOffset, size int) (r ring[T], err error) {
	var entry T
	length := int(o.Desc) + size*int(unsafe.Sizeof(entry))
	r.mem, err = unix.Mmap(fd, at, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return r, err
	}
	word := func(off uint64) *uint32 { return (*uint32)(unsafe.Pointer(&r.mem[off])) }
	r.producer, r.consumer, r.flags = word(o.Producer), word(o.Consumer), word(o.Flags)
	r.entries = unsafe.Slice((*T)(unsafe.Pointer(&r.mem[o.Desc])), size)
	return r, nil
}

func (r *ring[T]) at(n uint32) *T { return &r.entries[n&uint32(len(r.entries)-1)] }

// filled returns how many entries there are to consume.
func (r *ring[T]) filled() uint32 {
	return atomic.LoadUint32(r.producer) - atomic.LoadUint32(r.consumer)
}

// consumed gives n entries back to the producer.
func (r *ring[T]) consumed(n uint32) { atomic.AddUint32(r.consumer, n) }

// produced passes n entries on to the consumer.
func (r *ring[T]) produced(n uint32) { atomic.AddUint32(r.producer, n) }

// sleeps reports whether the kernel waits for a call before it goes on.
func (r *ring[T]) sleeps() bool { return atomic.LoadUint32(r.flags)&unix.XDP_RING_NEED_WAKEUP != 0 }

func (r *ring[T]) unmap() {
	if r.mem != nil {
		unix.Munmap(r.mem)
		*r = ring[T]{}
	}
}
