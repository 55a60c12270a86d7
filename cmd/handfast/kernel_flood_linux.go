package main

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/detect"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/wire"
)

// kernelLook is how often the kernel is looked at.
const kernelLook = 100 * time.Millisecond

// Limits of one look: what is more is left out, which no longer matters to the
// verdict.
const (
	maxEvents  = 100_000 // told to the detector
	maxLookups = 1_000   // entries of the half-open queue whose fate is asked for
)

// kernelWatch tells a detector what can be seen of the kernel's handshakes:
// entries of its half-open queues that come and go, by sock_diag, and what the
// counters say of those that were too quick to be seen, or that were answered
// by a cookie. Of the latter the sources are not known; they are taken to be
// like those in the queue, so that their number is a lower bound.
type kernelWatch struct {
	detector detect.Detector
	seed     maphash.Seed
	open     map[kernelFlow]*kernelHalfOpen
	last     map[string]uint64
	sources  []wire.Addr // of the queue, at the last look
	port     uint16      // that is asked for
	limit    int         // of the queue
	cookies  bool        // since the last look
}

type kernelFlow struct{ local, remote netip.AddrPort }

type kernelHalfOpen struct {
	since   clock.Time
	retrans int
	present bool // at this look
}

func newKernelWatch() *kernelWatch {
	k := &kernelWatch{seed: maphash.MakeSeed(), open: map[kernelFlow]*kernelHalfOpen{}, last: watchedCounters()}
	k.detector.Init(rand.Uint64())
	return k
}

// kernelFlood watches the kernel for a while and returns the verdict.
func kernelFlood(ctx context.Context, watch time.Duration) (*inspect.Flood, error) {
	k := newKernelWatch()
	began := time.Now()
	tick := time.NewTicker(kernelLook)
	defer tick.Stop()
	for {
		now := time.Since(began)
		if err := k.look(clock.Time(now) + 1); err != nil {
			return nil, err
		}
		if now >= watch {
			return inspect.FloodOf(k.detector.Verdict()), nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// watchedCounters returns the counters that tell of handshakes.
func watchedCounters() map[string]uint64 {
	all := kernelCounters()
	n := all["TcpExt"]
	if n == nil {
		n = map[string]uint64{}
	}
	n["PassiveOpens"] = all["Tcp"]["PassiveOpens"]
	return n
}

// look tells the detector what has changed since the last look.
func (k *kernelWatch) look(now clock.Time) error {
	const halfOpen = 1<<3 | 1<<12 // SYN_RECV, and NEW_SYN_RECV
	counters := watchedCounters()
	since := func(name string) int { return int(min(counters[name]-k.last[name], maxEvents)) }
	completed := since("PassiveOpens")
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		rows, err := dumpSockets(family, halfOpen|1<<10)
		if err != nil && family == unix.AF_INET {
			return err
		}
		k.lookAtQueue(now, rows)
	}
	completed -= k.lookAtGone()
	k.guess(completed, since("SyncookiesSent")-since("SyncookiesRecv")+since("TCPReqQFullDrop"))
	for range since("SyncookiesFailed") {
		k.detector.CookieFailed()
	}
	for range since("ListenOverflows") {
		source := k.someSource()
		k.detector.Refused(source, k.port)
	}
	k.cookies, k.last = since("SyncookiesSent") > 0, counters
	if k.detector.Due(now) {
		k.detector.Advance(now, k.defence(now))
	}
	return nil
}

// lookAtQueue finds new entries of the half-open queues, and SYN-ACKs that were
// repeated.
func (k *kernelWatch) lookAtQueue(now clock.Time, rows []inspect.Row) {
	for i := range rows {
		r := &rows[i]
		if tcp.State(r.State) == tcp.Listen {
			k.limit = max(k.limit, r.SendQ)
			continue
		}
		f := kernelFlow{netip.AddrPortFrom(r.Local.Addr, r.Local.Port), netip.AddrPortFrom(r.Remote.Addr, r.Remote.Port)}
		h := k.open[f]
		if h == nil {
			h = &kernelHalfOpen{since: now}
			k.open[f] = h
			source := wire.AddrFrom(f.remote.Addr())
			k.port = f.local.Port()
			k.detector.Syn(maphash.Comparable(k.seed, f), source, k.port)
			k.detector.SynAck(false)
		}
		for ; h.retrans < r.Retrans; h.retrans++ {
			k.detector.SynAck(true)
		}
		h.present = true
	}
}

// lookAtGone asks what became of the entries that are gone, and returns how
// many have become connections.
func (k *kernelWatch) lookAtGone() (completed int) {
	k.sources = k.sources[:0]
	lookups := 0
	for f, h := range k.open {
		if h.present {
			h.present = false
			k.sources = append(k.sources, wire.AddrFrom(f.remote.Addr()))
			continue
		}
		delete(k.open, f)
		if lookups++; lookups > maxLookups {
			continue
		}
		s, err := kernelState(f.local, f.remote)
		if err == nil && s.Synchronized() {
			source := wire.AddrFrom(f.remote.Addr())
			k.detector.Completed(maphash.Comparable(k.seed, f), source)
			completed++
		}
	}
	return completed
}

// guess tells of handshakes that only the counters know: completed ones, and
// SYNs of which nothing was kept.
func (k *kernelWatch) guess(completed, unkept int) {
	for range max(completed, 0) {
		flow, source := rand.Uint64(), wire.Addr{}
		k.detector.Syn(flow, source, k.port)
		k.detector.Completed(flow, source)
	}
	for range max(unkept, 0) {
		source := k.someSource()
		k.detector.Syn(rand.Uint64(), source, k.port)
	}
}

// someSource returns one of those in the queue.
func (k *kernelWatch) someSource() wire.Addr {
	if len(k.sources) == 0 {
		return wire.Addr{}
	}
	return k.sources[rand.IntN(len(k.sources))]
}

func (k *kernelWatch) defence(now clock.Time) detect.Defence {
	d := detect.Defence{HalfOpen: len(k.open), Limit: k.limit, Cookies: k.cookies, Dropped: k.last["TCPReqQFullDrop"]}
	for _, h := range k.open {
		d.Oldest = max(d.Oldest, now.Sub(h.since))
	}
	return d
}
