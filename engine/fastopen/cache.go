package fastopen

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Cache is what a client knows of servers that do Fast Open: their cookies and
// segment sizes, by both addresses, and how SYNs with text have fared. It is a value
// for one host, whose shards share it, and not safe for concurrent use.
// https://www.rfc-editor.org/rfc/rfc7413#section-4.1.3
type Cache struct {
	// BlackHole is for how long no connection uses Fast Open after one has met a path that
	// drops what has it: twice as long each time, up to 64 times, until text on a SYN is
	// acknowledged again. 0 is an hour, as it was Linux's net.ipv4.tcp_fastopen_blackhole_timeout_sec;
	// below 0 there is no pause.
	BlackHole time.Duration

	by     map[way]*entry
	first  *entry // used longest ago
	last   *entry
	paused clock.Time // until then nobody uses it
	times  uint       // that it was paused, in a row
}

// Hint is what a cache knows of the way to a peer.
type Hint struct {
	Cookie     wire.FastOpenCookie // empty: none
	MSS        uint16              // bytes; 0: not known
	Experiment bool                // it has the option that was an experiment, or is asked for by that
	Paused     bool                // no Fast Open now
}

// maxEntries bounds the cache: the entry that was used longest ago goes first.
const maxEntries = 1024

// After the text of a SYN was lost, or not taken, none goes to that server for a minute, and after
// each further one for twice as long, up to so many times.
// https://www.rfc-editor.org/rfc/rfc7413#section-4.1.3.1
const (
	lossPause = time.Minute
	maxLosses = 10
	maxPauses = 6
	blackHole = time.Hour
)

type way struct{ local, remote wire.Addr }

type entry struct {
	way        way
	hint       Hint
	losses     uint8
	unanswered uint8      // 1: RFC 7413's option was, so the experiment's is tried; 2: so was that
	until      clock.Time // no text before
	next, prev *entry
}

// Len returns how many servers are known.
func (k *Cache) Len() int { return len(k.by) }

// Hint returns what is known of the way to a server.
func (k *Cache) Hint(now clock.Time, local, remote wire.Addr) Hint {
	if now < k.paused {
		return Hint{Paused: true}
	}
	x := k.by[way{local, remote}]
	if x == nil {
		return Hint{}
	}
	k.unlink(x)
	k.link(x)
	if now < x.until {
		return Hint{Paused: true}
	}
	return x.hint
}

// Learn takes what Endpoint.NextFastOpen has told.
func (k *Cache) Learn(now clock.Time, n News) {
	if n.BlackHole {
		k.pause(now)
		return
	}
	w := way{n.Local, n.Remote}
	x := k.by[w]
	if x == nil {
		if n.Cookie.Len() == 0 && !n.Lost && !n.Passed && !n.Unanswered {
			return // nothing that anybody would want to know
		}
		x = k.add(w)
	}
	x.hint.MSS = n.MSS
	x.learnForm(n)
	switch {
	case n.Lost:
		x.losses = min(x.losses+1, maxLosses)
		x.until = now.Add(lossPause << (x.losses - 1))
	case n.Passed:
		x.losses, x.until, k.times = 0, 0, 0
	}
}

// learnForm takes a cookie, or that none came: a server that does not answer the option of
// RFC 7413 is asked once by the one that was the experiment, and then as before.
func (x *entry) learnForm(n News) {
	switch {
	case n.Cookie.Len() > 0:
		x.hint.Cookie, x.hint.Experiment = n.Cookie, n.Experiment
	case n.Unanswered && x.hint.Cookie.Len() == 0 && x.unanswered < 2:
		x.unanswered++
		x.hint.Experiment = x.unanswered == 1
	}
}

// pause has nobody use Fast Open for a time.
func (k *Cache) pause(now clock.Time) {
	d := k.BlackHole
	if d == 0 {
		d = blackHole
	}
	if d < 0 || now < k.paused {
		return
	}
	k.paused = now.Add(d << min(k.times, maxPauses))
	k.times++
}

func (k *Cache) add(w way) *entry {
	if k.by == nil {
		k.by = map[way]*entry{}
	}
	if len(k.by) >= maxEntries {
		old := k.first
		k.unlink(old)
		delete(k.by, old.way)
	}
	x := &entry{way: w}
	k.by[w] = x
	k.link(x)
	return x
}

// link puts an entry at the end: it was used last.
func (k *Cache) link(x *entry) {
	x.prev, x.next = k.last, nil
	if k.last == nil {
		k.first = x
	} else {
		k.last.next = x
	}
	k.last = x
}

func (k *Cache) unlink(x *entry) {
	if x.prev == nil {
		k.first = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		k.last = x.prev
	} else {
		x.next.prev = x.prev
	}
}
