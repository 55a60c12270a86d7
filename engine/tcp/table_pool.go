package tcp

import "github.com/handfast-tcp/handfast/engine/wire"

// key4 and key6 are a four-tuple in as few bytes as its family needs.
type (
	key4 struct {
		local, remote         uint32
		localPort, remotePort uint16
	}
	key6 struct {
		local, remote         [4]uint32
		localPort, remotePort uint16
	}
)

func key4Of(t *wire.Tuple) key4 {
	return key4{t.Local.As4(), t.Remote.As4(), t.LocalPort, t.RemotePort}
}

func (k *key4) tuple() wire.Tuple {
	return wire.Tuple{Local: wire.AddrFrom4(k.local), Remote: wire.AddrFrom4(k.remote), LocalPort: k.localPort, RemotePort: k.remotePort}
}

func key6Of(t *wire.Tuple) key6 {
	return key6{quarters(t.Local), quarters(t.Remote), t.LocalPort, t.RemotePort}
}

func (k *key6) tuple() wire.Tuple {
	return wire.Tuple{Local: whole(k.local), Remote: whole(k.remote), LocalPort: k.localPort, RemotePort: k.remotePort}
}

// quarters and whole convert an address that needs no alignment of eight bytes, which would
// make 40 bytes of the 36 of a key.
func quarters(a wire.Addr) [4]uint32 {
	hi, lo := a.Words()
	return [4]uint32{uint32(hi >> 32), uint32(hi), uint32(lo >> 32), uint32(lo)}
}

func whole(q [4]uint32) wire.Addr {
	return wire.AddrFromWords(uint64(q[0])<<32|uint64(q[1]), uint64(q[2])<<32|uint64(q[3]))
}

// ref names an entry of a compactTable: twice its number in the pool of its
// family, counted from one, plus one for IPv6. 0 names none.
type ref uint32

func (r ref) is4() bool { return r&1 == 0 }

// links are an entry's neighbours.
type links struct {
	chain      ref // the next in its bucket
	next, prev ref // in its queue
}

// compactEntry is a connection in compact form, with its name and its places.
// It has no pointer, so the garbage collector never looks at one.
type compactEntry[K, V any] struct {
	key K
	links
	value V
}

func (e *compactEntry[K, V]) set(k K, v *V) { e.key, e.value = k, *v }

// chunkLen is how many entries are made at once: few, so that little is made
// for nothing. 64 entries of 48, 64, 76 or 84 bytes are sizes of Go's memory
// allocator, which rounds others up.
const chunkLen = 64

// compactPool holds the entries of one family, with numbers from 1 to used.
type compactPool[K, V any] struct {
	chunks []*[chunkLen]compactEntry[K, V]
	used   uint32
}

func (p *compactPool[K, V]) at(r ref) *compactEntry[K, V] {
	n := r>>1 - 1
	return &p.chunks[n/chunkLen][n%chunkLen]
}

// add makes an entry and returns its number.
func (p *compactPool[K, V]) add(k K, v *V) ref {
	if int(p.used/chunkLen) == len(p.chunks) {
		p.chunks = append(p.chunks, new([chunkLen]compactEntry[K, V]))
	}
	p.used++
	p.at(ref(p.used<<1)).set(k, v)
	return ref(p.used)
}

// remove puts the last entry in the place of another, so that no gap is left: entries lie
// close together however many have gone, and the memory behind them can be given back.
func (p *compactPool[K, V]) remove(r, last ref) {
	*p.at(r) = *p.at(last)
	p.used--
	if n := len(p.chunks) - 1; int(p.used)+chunkLen <= n*chunkLen { // not at once: the next may come soon
		p.chunks[n] = nil
		p.chunks = p.chunks[:n]
	}
}
