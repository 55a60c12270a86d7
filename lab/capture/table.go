package capture

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// table finds connections by their tuples. A flood looks for one after the other that is
// not there, and a map would wait for memory twice each time: here the buckets fit in the
// processor's caches. The seed is another one in each process, so nobody can make a
// capture whose connections fall into one bucket.
type table struct {
	seed    maphash.Seed
	buckets []*entry // twice as many as entries at least; a power of two
	count   int
}

func (t *table) init() { t.seed, t.buckets = maphash.MakeSeed(), make([]*entry, 64) }

func (t *table) hash(key *wire.Tuple) uint64 {
	var b [36]byte
	for i, a := range [2]wire.Addr{key.Local, key.Remote} {
		hi, lo := a.Words()
		binary.LittleEndian.PutUint64(b[16*i:], hi)
		binary.LittleEndian.PutUint64(b[16*i+8:], lo)
	}
	binary.LittleEndian.PutUint16(b[32:], key.LocalPort)
	binary.LittleEndian.PutUint16(b[34:], key.RemotePort)
	return maphash.Bytes(t.seed, b[:])
}

func (t *table) bucket(hash uint64) **entry { return &t.buckets[hash&uint64(len(t.buckets)-1)] }

// get returns the entry of a key, nil when there is none.
func (t *table) get(key wire.Tuple) *entry { return t.find(&key, t.hash(&key)) }

func (t *table) find(key *wire.Tuple, hash uint64) *entry {
	for e := *t.bucket(hash); e != nil; e = e.next {
		if e.hash == hash && e.key == *key {
			return e
		}
	}
	return nil
}

// put adds an entry, whose key and hash are set and not in the table.
func (t *table) put(e *entry) {
	if t.count++; 2*t.count > len(t.buckets) {
		t.grow()
	}
	b := t.bucket(e.hash)
	e.next, *b = *b, e
}

func (t *table) grow() {
	old := t.buckets
	t.buckets = make([]*entry, 2*len(old))
	for _, e := range old {
		for e != nil {
			next, b := e.next, t.bucket(e.hash)
			e.next, *b = *b, e
			e = next
		}
	}
}

// remove takes an entry out that is in the table.
func (t *table) remove(e *entry) {
	for at := t.bucket(e.hash); ; at = &(*at).next {
		if *at == e {
			*at, e.next = e.next, nil
			t.count--
			return
		}
	}
}
