package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/wire"
)

// waitKey is a four-tuple in as few bytes as its family needs.
type waitKey interface {
	comparable
	tuple() wire.Tuple
}

type (
	waitKey4 struct {
		local, remote         uint32
		localPort, remotePort uint16
	}
	waitKey6 wire.Tuple
)

func (k waitKey4) tuple() wire.Tuple {
	return wire.Tuple{Local: wire.AddrFrom4(k.local), Remote: wire.AddrFrom4(k.remote), LocalPort: k.localPort, RemotePort: k.remotePort}
}

func (k waitKey6) tuple() wire.Tuple { return wire.Tuple(k) }

func key4(t *wire.Tuple) waitKey4 {
	return waitKey4{t.Local.As4(), t.Remote.As4(), t.LocalPort, t.RemotePort}
}

// waitEntry is a connection in TIME-WAIT: 56 bytes for IPv4.
type waitEntry[K waitKey] struct {
	key K
	timeWait
	next, prev uint32 // neighbours in the order of their deadlines, plus one; next is also the list of free ones
}

// chunkEntries is how many entries are made at once.
const chunkEntries = 1024

// waitTable holds the connections in TIME-WAIT of one family. They are in
// order of their deadlines, since all wait equally long, and the index is an
// open hash table of their numbers.
type waitTable[K waitKey] struct {
	chunks      [][]waitEntry[K]
	index       []uint32 // number plus one; 0 is free
	count       int
	first, last uint32 // the one that ends first, and last; plus one
	free        uint32
	flowOf      func(*wire.Tuple) flow
}

func (t *waitTable[K]) at(n uint32) *waitEntry[K] {
	return &t.chunks[(n-1)/chunkEntries][(n-1)%chunkEntries]
}

// find returns the place of k in the index, and its entry; nil if there is none.
func (t *waitTable[K]) find(f flow, k K) (i int, e *waitEntry[K]) {
	if t.count == 0 {
		return 0, nil
	}
	for i = int(f.slot) & (len(t.index) - 1); t.index[i] != 0; i = (i + 1) & (len(t.index) - 1) {
		if e := t.at(t.index[i]); e.key == k {
			return i, e
		}
	}
	return i, nil
}

// add makes an entry, the last of all in the order of deadlines.
func (t *waitTable[K]) add(f flow, k K, w timeWait) {
	if 4*(t.count+1) > 3*len(t.index) {
		t.reindex(max(2*len(t.index), 64))
	}
	n := t.take()
	*t.at(n) = waitEntry[K]{key: k, timeWait: w}
	t.append(n)
	t.enter(f, n)
	t.count++
}

// take returns the number of a free entry.
func (t *waitTable[K]) take() uint32 {
	if t.free == 0 {
		from := uint32(len(t.chunks) * chunkEntries)
		t.chunks = append(t.chunks, make([]waitEntry[K], chunkEntries))
		for n := from + chunkEntries; n > from; n-- {
			t.at(n).next = t.free
			t.free = n
		}
	}
	n := t.free
	t.free = t.at(n).next
	return n
}

func (t *waitTable[K]) enter(f flow, n uint32) {
	i := int(f.slot) & (len(t.index) - 1)
	for t.index[i] != 0 {
		i = (i + 1) & (len(t.index) - 1)
	}
	t.index[i] = n
}

func (t *waitTable[K]) reindex(size int) {
	t.index = make([]uint32, size)
	for n := t.first; n != 0; n = t.at(n).next {
		tuple := t.at(n).key.tuple()
		t.enter(t.flowOf(&tuple), n)
	}
}

// restart makes the entry at a place of the index the last in the order of
// deadlines.
func (t *waitTable[K]) restart(i int) {
	n := t.index[i]
	t.unlink(n)
	t.append(n)
}

func (t *waitTable[K]) append(n uint32) {
	e := t.at(n)
	e.next, e.prev = 0, t.last
	if t.last == 0 {
		t.first = n
	} else {
		t.at(t.last).next = n
	}
	t.last = n
}

func (t *waitTable[K]) unlink(n uint32) {
	e := t.at(n)
	if e.prev == 0 {
		t.first = e.next
	} else {
		t.at(e.prev).next = e.next
	}
	if e.next == 0 {
		t.last = e.prev
	} else {
		t.at(e.next).prev = e.prev
	}
}

// remove forgets the entry at a place of the index.
func (t *waitTable[K]) remove(i int) {
	n := t.index[i]
	t.unlink(n)
	*t.at(n) = waitEntry[K]{next: t.free}
	t.free = n
	t.count--
	t.leave(i)
	if t.count == 0 {
		*t = waitTable[K]{flowOf: t.flowOf} // a burst is over: its memory goes back
	}
}

// leave frees a place of the index and moves up what was put behind it only
// because it was taken.
func (t *waitTable[K]) leave(hole int) {
	mask := len(t.index) - 1
	for i := (hole + 1) & mask; t.index[i] != 0; i = (i + 1) & mask {
		tuple := t.at(t.index[i]).key.tuple()
		home := int(t.flowOf(&tuple).slot) & mask
		if (i-home)&mask >= (i-hole)&mask {
			t.index[hole] = t.index[i]
			hole = i
		}
	}
	t.index[hole] = 0
}

// due returns when the first wait ends.
func (t *waitTable[K]) due() clock.Time {
	if t.first == 0 {
		return clock.Never
	}
	return t.at(t.first).ends.time()
}

// removeFirst takes out the entry whose wait ends first and returns it.
func (t *waitTable[K]) removeFirst() (wire.Tuple, timeWait) {
	e := t.at(t.first)
	tuple, w := e.key.tuple(), e.timeWait
	i, _ := t.find(t.flowOf(&tuple), e.key)
	t.remove(i)
	return tuple, w
}

func (t *waitTable[K]) all(yield func(wire.Tuple, *timeWait) bool) bool {
	for n := t.first; n != 0; n = t.at(n).next {
		if e := t.at(n); !yield(e.key.tuple(), &e.timeWait) {
			return false
		}
	}
	return true
}
