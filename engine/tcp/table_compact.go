package tcp

import (
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// compactTable holds connections in compact form by their four-tuple: the
// half-open ones, or those in TIME-WAIT.
//
// It is a hash table whose buckets are chains through the entries. It grows and
// shrinks by one bucket at a time (linear hashing: Litwin, 1980), and its
// entries lie close together. So an entry takes as much when there are few as
// when there are many, and no SYN waits until a table of twice the size is
// filled.
type compactTable[V any] struct {
	v4      compactPool[key4, V]
	v6      compactPool[key6, V]
	heads   []*[chunkLen]ref // the first entry of each bucket
	buckets uint32
	count   int
	sparse  uint8 // 1: two buckets for each entry, so that a miss is found sooner
	hashes  *cookies
}

// refQueue is a list of entries through themselves.
type refQueue struct{ first, last ref }

func (t *compactTable[V]) head(bucket uint32) *ref {
	return &t.heads[bucket/chunkLen][bucket%chunkLen]
}

// bucket returns where the entries of a flow are.
func (t *compactTable[V]) bucket(f flow) uint32 { return bucketOf(t.hashes.slot(f), t.buckets) }

// bucketOf returns which of so many buckets is a hash's. Those buckets that have
// split in this round of doubling need one bit more to be told apart.
func bucketOf(hash, buckets uint32) uint32 {
	mask := uint32(1)<<bits.Len32(buckets) - 1
	if b := hash & mask; b < buckets {
		return b
	}
	return hash & (mask >> 1)
}

func (t *compactTable[V]) links(r ref) *links {
	if r.is4() {
		return &t.v4.at(r).links
	}
	return &t.v6.at(r).links
}

// at returns what is kept of a connection. It stays there until an entry is
// removed.
func (t *compactTable[V]) at(r ref) *V {
	if r.is4() {
		return &t.v4.at(r).value
	}
	return &t.v6.at(r).value
}

func (t *compactTable[V]) tuple(r ref) wire.Tuple {
	if r.is4() {
		return t.v4.at(r).key.tuple()
	}
	return t.v6.at(r).key.tuple()
}

// find returns the entry of a four-tuple whose hashes are f; 0 when there is none.
func (t *compactTable[V]) find(f flow, tuple *wire.Tuple) ref {
	if t.count == 0 {
		return 0
	}
	return t.search(f, tuple)
}

func (t *compactTable[V]) search(f flow, tuple *wire.Tuple) ref {
	r := *t.head(t.bucket(f))
	if r == 0 {
		return 0
	}
	if tuple.Local.Is4() {
		return t.search4(r, key4Of(tuple))
	}
	// Both families share the chains. Their entries differ in size, and a reference says
	// by its lowest bit of which pool it is.
	for k := key6Of(tuple); r != 0 && (r.is4() || t.v6.at(r).key != k); {
		r = t.links(r).chain
	}
	return r
}

func (t *compactTable[V]) search4(r ref, k key4) ref {
	for r != 0 {
		if !r.is4() {
			r = t.v6.at(r).chain
			continue
		}
		e := t.v4.at(r)
		if e.key == k {
			break
		}
		r = e.chain
	}
	return r
}

// add makes an entry of a four-tuple that has none.
func (t *compactTable[V]) add(f flow, tuple *wire.Tuple, v *V) (r ref) {
	for t.count<<t.sparse >= int(t.buckets) {
		t.grow()
	}
	if tuple.Local.Is4() {
		r = t.v4.add(key4Of(tuple), v) << 1
	} else {
		r = t.v6.add(key6Of(tuple), v)<<1 | 1
	}
	t.enter(f, r)
	t.count++
	return r
}

// enter puts an entry at the front of its bucket: a connection that is new is asked
// for next.
func (t *compactTable[V]) enter(f flow, r ref) {
	head := t.head(t.bucket(f))
	t.links(r).chain, *head = *head, r
}

// grow makes one bucket more, of entries of its parent.
func (t *compactTable[V]) grow() {
	n := t.buckets
	if int(n/chunkLen) == len(t.heads) {
		t.heads = append(t.heads, new([chunkLen]ref))
	}
	t.buckets++
	if n == 0 {
		return
	}
	head := t.head(parent(n))
	r := *head
	// Each entry goes to one of two buckets: this one, or the new one whose number has
	// one bit more.
	for *head = 0; r != 0; {
		next, tuple := t.links(r).chain, t.tuple(r)
		t.enter(t.hashes.flow(&tuple), r)
		r = next
	}
}

// rehash finds all entries their buckets again after a change of keys: all hashes are
// other ones then. It is the one step that takes time in proportion to the table, and
// keys that are shared change when an operator says so.
func (t *compactTable[V]) rehash() {
	for _, chunk := range t.heads {
		clear(chunk[:])
	}
	for r := range t.all {
		tuple := t.tuple(r)
		t.enter(t.hashes.flow(&tuple), r)
	}
}

// parent returns the bucket that another one splits off from: its number
// without the highest bit.
func parent(bucket uint32) uint32 { return bucket &^ (1 << (bits.Len32(bucket) - 1)) }

// shrink makes buckets fewer when there are many more than entries need.
func (t *compactTable[V]) shrink() {
	for (t.count+2*chunkLen)<<t.sparse <= int(t.buckets) {
		t.merge()
	}
}

// merge gives the entries of the last bucket back to its parent.
func (t *compactTable[V]) merge() {
	t.buckets--
	n := t.buckets
	end := t.head(parent(n))
	for *end != 0 {
		end = &t.links(*end).chain
	}
	last := t.head(n)
	*end, *last = *last, 0
	if n%chunkLen == 0 {
		t.heads[n/chunkLen] = nil
		t.heads = t.heads[:n/chunkLen]
	}
}

// place returns where an entry is named: in its bucket, or by the one before it.
func (t *compactTable[V]) place(f flow, r ref) *ref {
	p := t.head(t.bucket(f))
	for *p != r {
		p = &t.links(*p).chain
	}
	return p
}

// remove forgets an entry, which is no longer in a queue and whose hashes are f.
// It returns true when another entry has taken its name; relink must tell its
// queue.
func (t *compactTable[V]) remove(f flow, r ref) (moved bool) {
	*t.place(f, r) = t.links(r).chain
	last := ref(t.v4.used << 1)
	if !r.is4() {
		last = ref(t.v6.used<<1 | 1)
	}
	// The pool keeps no gaps: its last entry moves, and everything that names it must
	// be told, the chain here and the queue by relink.
	if moved = last != r; moved {
		tuple := t.tuple(last)
		*t.place(t.hashes.flow(&tuple), last) = r
	}
	if r.is4() {
		t.v4.remove(r, last)
	} else {
		t.v6.remove(r, last)
	}
	t.count--
	t.shrink()
	return moved
}

// replace makes an entry, which is in no queue any more and whose hashes are
// old, that of another four-tuple of its family.
func (t *compactTable[V]) replace(old flow, r ref, f flow, tuple *wire.Tuple, v *V) {
	*t.place(old, r) = t.links(r).chain
	if r.is4() {
		t.v4.at(r).set(key4Of(tuple), v)
	} else {
		t.v6.at(r).set(key6Of(tuple), v)
	}
	t.enter(f, r)
}

// nth returns one of all count entries.
func (t *compactTable[V]) nth(n uint32) ref {
	if n < t.v4.used {
		return ref(n+1) << 1
	}
	return ref(n-t.v4.used+1)<<1 | 1
}

// all calls yield for every entry, which may be removed then: from the last on,
// so that the one which takes its name has had its turn.
func (t *compactTable[V]) all(yield func(ref) bool) {
	for n := uint32(t.count); n > 0 && yield(t.nth(n-1)); n-- {
	}
}

// append puts an entry at the end of a queue.
func (t *compactTable[V]) append(q *refQueue, r ref) {
	l := t.links(r)
	l.next, l.prev = 0, q.last
	if q.last == 0 {
		q.first = r
	} else {
		t.links(q.last).next = r
	}
	q.last = r
}

// unlink takes an entry out of the queue that it is in.
func (t *compactTable[V]) unlink(q *refQueue, r ref) {
	l := t.links(r)
	if l.prev == 0 {
		q.first = l.next
	} else {
		t.links(l.prev).next = l.next
	}
	if l.next == 0 {
		q.last = l.prev
	} else {
		t.links(l.next).prev = l.prev
	}
}

// relink tells the neighbours of an entry its new name.
func (t *compactTable[V]) relink(q *refQueue, r ref) {
	l := t.links(r)
	if l.prev == 0 {
		q.first = r
	} else {
		t.links(l.prev).next = r
	}
	if l.next == 0 {
		q.last = r
	} else {
		t.links(l.next).prev = r
	}
}
