package kernel

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/inspect"
)

// lookEvery is how often the kernel is looked at: at least once in each of the detector's ticks.
const lookEvery = 100 * time.Millisecond

// Limits of one look: what is more is left out, which no longer matters to the
// verdict.
const (
	maxEvents  = 100_000 // told to the detector
	maxLookups = 1_000   // entries of the half-open queue whose fate is asked for
)

// watcher tells a detector what can be seen of the kernel's handshakes: entries
// of its half-open queues that come and go, by sock_diag, and what the counters
// say of those that were too quick to be seen, or that were answered by a
// cookie. The sources of the latter are unknown: the verdict says so.
type watcher struct {
	detector detect.Detector
	seed     maphash.Seed
	open     map[flow]*halfOpen
	last     map[string]uint64
	port     uint16 // that is asked for
	limit    int    // of the queues that are in use
	cookies  bool   // since the last look

	seen, arrived uint64 // SYNs: with their source, and all
}

type flow struct{ local, remote netip.AddrPort }

type halfOpen struct {
	since   clock.Time
	retrans int
	present bool // at this look
}

func newWatcher() *watcher {
	k := &watcher{seed: maphash.MakeSeed(), open: map[flow]*halfOpen{}, last: watchedCounters()}
	k.detector.Init(rand.Uint64())
	return k
}

// Flood watches the kernel for a while and returns the verdict.
func Flood(ctx context.Context, watch time.Duration) (found *inspect.Flood, err error) {
	err = Watch(ctx, func(since time.Duration, verdict func() *inspect.Flood) bool {
		if since >= watch {
			found = verdict()
		}
		return found == nil
	})
	return found, err
}

// Watch watches the kernel until ctx ends or tell wants no more. tell is called ten times
// a second with the time since the beginning, and may ask for the verdict.
func Watch(ctx context.Context, tell func(since time.Duration, verdict func() *inspect.Flood) bool) error {
	k := newWatcher()
	began := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		now := time.Since(began)
		if err := k.look(clock.Time(now) + 1); err != nil {
			return err
		}
		if !tell(now, k.verdict) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (k *watcher) verdict() *inspect.Flood {
	v := k.detector.Verdict()
	v.Partial(k.seen, k.arrived)
	return inspect.FloodOf(v)
}

// watchedCounters returns the counters that tell of handshakes.
func watchedCounters() map[string]uint64 {
	all := Counters()
	n := all["TcpExt"]
	if n == nil {
		n = map[string]uint64{}
	}
	n["PassiveOpens"] = all["Tcp"]["PassiveOpens"]
	return n
}

// look tells the detector what has changed since the last look.
func (k *watcher) look(now clock.Time) error {
	const waiting = 1<<3 | 1<<12 // SYN_RECV, and NEW_SYN_RECV
	fresh := watchedCounters()
	since := func(name string) int { return int(min(fresh[name]-k.last[name], maxEvents)) }
	completed := since("PassiveOpens")
	var rows []inspect.Row
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		some, err := dumpRequest{family, unix.IPPROTO_TCP, waiting | 1<<10}.rows()
		if err != nil && family == unix.AF_INET {
			return err
		}
		rows = append(rows, some...)
	}
	k.lookAtQueue(now, rows)
	completed -= k.lookAtGone()
	k.guess(completed, since("SyncookiesSent")-since("SyncookiesRecv")+since("TCPReqQFullDrop"))
	for range since("SyncookiesFailed") {
		k.detector.CookieFailed()
	}
	for range since("ListenOverflows") {
		k.detector.Refused(nobody(), k.port)
	}
	k.cookies, k.last = since("SyncookiesSent") > 0, fresh
	if k.detector.Due(now) {
		k.detector.Advance(now, k.defence(now))
	}
	return nil
}

// lookAtQueue finds new entries of the half-open queues, and SYN-ACKs that were
// repeated.
func (k *watcher) lookAtQueue(now clock.Time, rows []inspect.Row) {
	fillQueues(rows)
	k.limit = limitOf(rows)
	for i := range rows {
		r := &rows[i]
		if r.Queue != nil {
			continue
		}
		f := flow{netip.AddrPortFrom(r.Local.Addr, r.Local.Port), netip.AddrPortFrom(r.Remote.Addr, r.Remote.Port)}
		h := k.open[f]
		if h == nil {
			h = &halfOpen{since: now}
			k.open[f] = h
			source := wire.AddrFrom(f.remote.Addr())
			k.port = f.local.Port()
			k.detector.Syn(maphash.Comparable(k.seed, f), source, k.port)
			k.detector.SynAck(false)
			k.seen++
			k.arrived++
		}
		for ; h.retrans < r.Retrans; h.retrans++ {
			k.detector.SynAck(true)
		}
		h.present = true
	}
}

// limitOf returns how many entries the queues that are in use may have, or while
// none is, the longest one.
func limitOf(rows []inspect.Row) int {
	used, longest := 0, 0
	for i := range rows {
		switch q := rows[i].Queue; {
		case q == nil:
		case q.Length > 0:
			used += q.Limit
		default:
			longest = max(longest, q.Limit)
		}
	}
	return cmp.Or(used, longest)
}

// lookAtGone asks what became of the entries that are gone, and returns how
// many have become connections.
func (k *watcher) lookAtGone() (completed int) {
	lookups := 0
	for f, h := range k.open {
		if h.present {
			h.present = false
			continue
		}
		delete(k.open, f)
		if lookups++; lookups > maxLookups {
			continue
		}
		s, err := State(f.local, f.remote)
		if err == nil && s.Synchronized() {
			source := wire.AddrFrom(f.remote.Addr())
			k.detector.Completed(maphash.Comparable(k.seed, f), source)
			completed++
		}
	}
	return completed
}

// guess tells of handshakes that only the counters know: completed ones, and
// SYNs answered without state.
func (k *watcher) guess(completed, unkept int) {
	completed, unkept = max(completed, 0), max(unkept, 0)
	k.arrived += uint64(completed + unkept)
	for range completed {
		flow, source := rand.Uint64(), nobody()
		k.detector.Syn(flow, source, k.port)
		k.detector.Completed(flow, source)
	}
	for range unkept {
		k.detector.Syn(rand.Uint64(), nobody(), k.port)
	}
}

// nobody is a source that is not known: no other one is the same.
func nobody() wire.Addr {
	var a [16]byte
	binary.NativeEndian.PutUint64(a[8:], rand.Uint64())
	return wire.AddrFrom(netip.AddrFrom16(a))
}

// defence is what the kernel does, as far as it can be seen: the age of its oldest entry is
// that since we have seen it.
func (k *watcher) defence(now clock.Time) detect.Defence {
	d := detect.Defence{HalfOpen: len(k.open), Limit: k.limit, Cookies: k.cookies, Dropped: k.last["TCPReqQFullDrop"]}
	for _, h := range k.open {
		d.Oldest = max(d.Oldest, now.Sub(h.since))
	}
	return d
}
