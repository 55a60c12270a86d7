package tcp

import (
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// connTable finds whole connections by their four-tuple.
//
// Like compactTable it grows and shrinks by one bucket at a time (linear
// hashing): no segment waits until a table of twice the size is filled, and
// after a burst the memory goes back, however many connections live on. A bucket
// is a cache line with a byte of the hash of each entry, so that what is
// not there is missed without a look at any connection.
type connTable struct {
	chunks  []*[chunkLen]connBucket
	buckets uint32
	count   int
	key     [6]uint64 // secret, so that no attacker can choose connections of one bucket
}

// bucketLen is how many connections fit into a bucket, and bucketLoad how many
// there are in one on average. Where more meet, others are chained to it.
const (
	bucketLen  = 6
	bucketLoad = 3
)

type connBucket struct {
	tags     uint64 // a byte for each entry, in their order; none is 0
	entries  [bucketLen]*Entry
	overflow *connBucket
}

// hash is a quick keyed hash rather than a cryptographic one: nobody sees its
// values.
func (t *connTable) hash(tuple *wire.Tuple) uint32 {
	aHi, aLo := tuple.Local.Words()
	bHi, bLo := tuple.Remote.Words()
	ports := uint64(tuple.LocalPort)<<16 | uint64(tuple.RemotePort)
	x := secret.Fold(aHi^t.key[0], bHi^t.key[1]) + secret.Fold(aLo^t.key[2], bLo^t.key[3])
	return uint32(secret.Fold(x^t.key[4], ports^t.key[5]))
}

// tagOf takes the highest byte: the bucket is chosen by the lowest bits, which all
// entries of one have in common.
func tagOf(hash uint32) uint64 { return uint64(hash>>24 | 1) }

func (t *connTable) bucket(hash uint32) *connBucket { return t.nth(bucketOf(hash, t.buckets)) }

func (t *connTable) nth(n uint32) *connBucket { return &t.chunks[n/chunkLen][n%chunkLen] }

// find returns the connection of a four-tuple; nil when there is none.
func (t *connTable) find(tuple *wire.Tuple) *Entry {
	if t.count == 0 {
		return nil
	}
	hash := t.hash(tuple)
	for b := t.bucket(hash); b != nil; b = b.overflow {
		for marks := b.marks(tagOf(hash)); marks != 0; marks &= marks - 1 {
			at := bits.TrailingZeros64(marks) / 8
			if at >= bucketLen {
				break
			}
			if en := b.entries[at]; en != nil && en.tuple.Equal(tuple) {
				return en
			}
		}
	}
	return nil
}

// marks has the highest bit of some bytes set: of the lowest that is equal to a tag,
// and of others that are at least worth a look.
func (b *connBucket) marks(tag uint64) uint64 {
	const ones = 0x0101010101010101
	equal := b.tags ^ tag*ones
	return (equal - ones) &^ equal & (ones << 7)
}

// insert adds a connection whose four-tuple is not there.
func (t *connTable) insert(en *Entry) {
	for t.count >= bucketLoad*int(t.buckets) {
		t.grow()
	}
	en.hash = t.hash(&en.tuple)
	t.enter(en)
	t.count++
}

func (t *connTable) enter(en *Entry) {
	b := t.bucket(en.hash)
	for b.len() == bucketLen {
		if b.overflow == nil {
			b.overflow = new(connBucket)
		}
		b = b.overflow
	}
	b.add(en)
}

func (b *connBucket) len() int { return (bits.Len64(b.tags) + 7) / 8 }

func (b *connBucket) add(en *Entry) {
	n := b.len()
	// A tag is never 0, so the number of entries can be read off the tags alone.
	b.tags |= tagOf(en.hash) << (8 * n)
	b.entries[n] = en
}

// removeLast takes the last entry out; the bucket is not empty.
func (b *connBucket) removeLast() *Entry {
	n := b.len() - 1
	en := b.entries[n]
	b.entries[n] = nil
	b.tags &= 1<<(8*n) - 1
	return en
}

// remove takes a connection out. It reports whether it was there.
func (t *connTable) remove(en *Entry) bool {
	if t.count == 0 {
		return false
	}
	first := t.bucket(en.hash)
	for b := first; b != nil; b = b.overflow {
		for i, x := range b.entries {
			if x == en {
				// The last entry of the chain fills the gap: buckets stay full up to
				// their end, and an overflow that is empty goes.
				b.fill(i, first.takeLast())
				t.count--
				t.shrink()
				return true
			}
		}
	}
	return false
}

// fill puts an entry in the place of another one that leaves, unless it is that.
func (b *connBucket) fill(i int, en *Entry) {
	if old := b.entries[i]; old == nil || old == en {
		return
	}
	b.entries[i] = en
	b.tags = b.tags&^(0xff<<(8*i)) | tagOf(en.hash)<<(8*i)
}

// takeLast takes the last entry out of a chain of buckets, so that only its end
// has gaps, and lets go of a bucket that became empty.
func (b *connBucket) takeLast() *Entry {
	for b.overflow != nil {
		if o := b.overflow; o.overflow == nil && o.len() == 1 {
			b.overflow = nil
			return o.entries[0]
		}
		b = b.overflow
	}
	return b.removeLast()
}

// grow makes one bucket more, of entries of its parent.
func (t *connTable) grow() {
	n := t.buckets
	if int(n/chunkLen) == len(t.chunks) {
		t.chunks = append(t.chunks, new([chunkLen]connBucket))
	}
	t.buckets++
	if n > 0 {
		t.spread(t.nth(parent(n)))
	}
}

// spread finds the entries of a bucket their places again.
func (t *connTable) spread(b *connBucket) {
	// A copy, because enter may put entries back into the same bucket.
	old := *b
	*b = connBucket{}
	for at := &old; at != nil; at = at.overflow {
		for _, en := range at.entries[:at.len()] {
			t.enter(en)
		}
	}
}

// shrink makes buckets fewer when there are many more than entries need.
func (t *connTable) shrink() {
	// Not at the number where grow would make one more: a table whose count goes up and
	// down by one would split and merge for every connection.
	for t.count+chunkLen <= int(t.buckets) {
		t.buckets--
		n := t.buckets
		t.spread(t.nth(n))
		if n%chunkLen == 0 {
			t.chunks[n/chunkLen] = nil
			t.chunks = t.chunks[:n/chunkLen]
		}
	}
}

// all calls yield for every connection; none may be inserted or removed
// meanwhile.
func (t *connTable) all(yield func(*Entry) bool) {
	for n := range t.buckets {
		for b := t.nth(n); b != nil; b = b.overflow {
			for _, en := range b.entries[:b.len()] {
				if !yield(en) {
					return
				}
			}
		}
	}
}
