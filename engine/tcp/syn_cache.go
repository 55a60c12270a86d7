package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// halfOpenCache holds half-open connections: bounded, without pointers, and
// fair. Each source's share is counted; when one entry must go it is one of
// the largest share, and of those the one that waits longest for an answer.
type halfOpenCache struct {
	compactTable[halfOpen]
	limit int // entries at most
	// waiting are queues by the number of retries, and one of those that wait
	// for a verdict. All in one wait equally long, so each is in order of its
	// deadline.
	waiting  [asking + 1]refQueue
	shares   *[1024]uint32 // entries by hash of the source's prefix; nil: there was none yet
	prepared prepared
}

// maxRetries bounds SynAckRetries: there is a queue for each.
const maxRetries = 15

// asking is the queue of those that wait for a verdict.
const asking = maxRetries + 1

// sampled is how many entries are looked at when one has to go. Where one source
// has nine tenths of the table, all of them are others' once in 10^8 times.
const sampled = 8

// room returns which entry has to go when another one comes, 0 when none has to.
// ok is false when there is no room and none may be evicted.
func (k *halfOpenCache) room(f flow, evict bool) (victim ref, ok bool) {
	if k.count < k.limit {
		return 0, true
	}
	if evict {
		victim = k.victim(f)
	}
	return victim, victim != 0
}

// insert makes an entry of h, in the place of the victim that room has named.
func (k *halfOpenCache) insert(f flow, t *wire.Tuple, h *halfOpen, victim ref) ref {
	h.share = k.shareOf(t.Remote)
	made(&k.shares)[h.share]++
	if victim == 0 {
		return k.add(f, t, h)
	}
	old := k.tuple(victim)
	if victim.is4() != t.Local.Is4() {
		// Entries of the two families have different sizes, so one cannot take the
		// place of the other.
		k.remove(k.hashes.flow(&old), victim)
		return k.add(f, t, h)
	}
	k.leave(victim)
	k.replace(k.hashes.flow(&old), victim, f, t, h)
	return victim
}

// victim returns, of entries from all over the table, the one that should go
// first; 0 when none may go. Which these are follows from f, a keyed hash:
// nobody can choose whose place to take. Neighbours came one after the other
// and may all be of one kind, so there are as many between two as can be.
func (k *halfOpenCache) victim(f flow) (victim ref) {
	count, most := uint32(k.count), uint64(0)
	n := uint32(uint64(k.hashes.slot(f)) * uint64(count) >> 32)
	for range min(count, sampled) {
		r := k.nth(n)
		if x := k.rank(k.at(r)); x > most {
			most, victim = x, r
		}
		if n += max(count/sampled, 1); n >= count {
			n -= count
		}
	}
	return victim
}

// rank is larger for entries that should be evicted sooner: the source with the
// larger share, then more retries without an answer, then the older one. It is
// 0 for one that has not got its SYN-ACK, since no ACK would bring that back.
// Neither would one bring back an entry that waits for a verdict: that is due
// late, and so goes late.
func (k *halfOpenCache) rank(h *halfOpen) uint64 {
	if h.unanswered() {
		return 0
	}
	share := min(k.shares[h.share]/4, 1<<17-1)
	age := uint64(clock.Never-h.due.time()) >> 21 // in units of 2 ms: 42 bits
	return 1<<63 | uint64(share)<<46 | uint64(h.retries)<<42 | age
}

// shareOf is where a source's prefix is counted: /24, or /56 of IPv6. Which
// prefixes share a counter is secret.
func (k *halfOpenCache) shareOf(a wire.Addr) uint16 {
	prefix, lo := a.Words()
	if a.Is4() {
		prefix = lo
	}
	return uint16(prefix >> 8 * k.hashes.shares >> 54)
}

// remove forgets an entry whose hashes are f.
func (k *halfOpenCache) remove(f flow, r ref) {
	k.leave(r)
	if k.compactTable.remove(f, r) && k.at(r).is(markTimed) {
		k.relink(k.queue(k.at(r)), r)
	}
}

// leave takes an entry off its queue and its source's share, and tells who has
// prepared something for it.
func (k *halfOpenCache) leave(r ref) {
	k.unschedule(r)
	h := k.at(r)
	k.shares[h.share]--
	if h.is(markPrepared) {
		t := k.tuple(r)
		k.prepared.lose(&t)
	}
}

// takePrepared returns what the program has made ready for an entry that becomes a
// connection; nil: nothing.
func (k *halfOpenCache) takePrepared(r ref) any {
	h := k.at(r)
	if !h.is(markPrepared) {
		return nil
	}
	h.marks &^= markPrepared
	t := k.tuple(r)
	return k.prepared.take(&t)
}

// queue is the one that an entry's deadline belongs to.
func (k *halfOpenCache) queue(h *halfOpen) *refQueue {
	if h.is(markAsking) {
		return &k.waiting[asking]
	}
	return &k.waiting[min(h.retries, maxRetries)]
}

// schedule puts an entry at the end of its queue: its deadline is the latest
// there.
func (k *halfOpenCache) schedule(r ref) {
	h := k.at(r)
	h.marks |= markTimed
	k.append(k.queue(h), r)
}

// unschedule takes an entry out of its queue, if it is in one.
func (k *halfOpenCache) unschedule(r ref) {
	if h := k.at(r); h.is(markTimed) {
		h.marks &^= markTimed
		k.unlink(k.queue(h), r)
	}
}

// update makes an entry what c has become, and moves it to the queue that its
// deadline belongs to now.
func (k *halfOpenCache) update(r ref, c *Conn) {
	h := k.at(r)
	// Only a SYN-ACK that was repeated has a new deadline. All others keep their
	// place.
	if h.retries != c.live.retries {
		k.unschedule(r)
	}
	c.compactInto(h)
	if !h.is(markTimed) && h.due.time() != clock.Never {
		k.schedule(r)
	}
}

// next returns when the first entry is due.
func (k *halfOpenCache) next() clock.Time {
	d := clock.Never
	if k.count == 0 {
		return d
	}
	for i := range k.waiting {
		if first := k.waiting[i].first; first != 0 {
			d = min(d, k.at(first).due.time())
		}
	}
	return d
}

// expired returns an entry that is due, and takes it out of its queue; 0 when
// there is none.
func (k *halfOpenCache) expired(now clock.Time) ref {
	for i := range k.waiting {
		if first := k.waiting[i].first; first != 0 && k.at(first).due.time() <= now {
			k.unschedule(first)
			return first
		}
	}
	return 0
}
