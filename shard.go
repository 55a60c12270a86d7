package handfast

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// batchSize is how many packets are read, and written, at once.
const batchSize = 64

// flushRounds is after how many batches a goroutine that sends for a shard
// hands the rest to another one. It may be the program's, and would never come
// back to it while others go on producing.
const flushRounds = 16

// shard is a part of a host: the flows whose hash falls on it, one lock and one
// timer. Shards share nothing on a packet's way.
//
// A goroutine locks a shard, does one thing with it, and calls flushAndUnlock,
// which wakes the calls that can go on, and sends. Only one goroutine sends at a
// time, so that packets keep their order although the lock is not held for
// writing; one that finds another sending just goes, because the sender looks
// again after each batch.
type shard struct {
	shared *shared
	index  int
	host   *host.Host
	tcp    *tcp.Endpoint
	trace  *tcp.Trace

	mu        sync.Mutex
	err       error // why the host has ended
	sending   bool  // a goroutine is in sendAndUnlock
	sendsSoon bool  // a goroutine that will send has been started
	sendDone  waitList
	lingering waitList // calls of Close that wait for an acknowledgement
	waiters   waiterPool
	eager     *eager     // those of RelayTo for whom something has come
	armed     clock.Time // when the timer fires
	timer     *time.Timer
	mine      []*buf.Packet // those of a batch that came in which are for this shard
	out       batchOut      // of the goroutine that is in sendAndUnlock
	sendOn    func()        // goes on with another goroutine's sending; made once
	sendSoon  func()        // sends for unlockAndFlushSoon; made once

	floodLevel detect.Level // that was seen last

	_ [64]byte // keeps neighbours off this cache line
}

// shared is what the shards of a host have in common, and all that they know of
// what is above them.
type shared struct {
	epoch    time.Time                     // clock.Time counts from here
	attached atomic.Pointer[[]*attachment] // links by number; replaced, never changed
	running  sync.WaitGroup                // goroutines that read links, that send, and those of armed timers
	fast     fastCache

	watches      watches
	ask          func(*shard, tcp.Syn) // about a SYN that waits for a verdict; without a lock
	lost         func(owner any)       // of a connection that is never accepted; without a lock
	floodChanged func()                // a shard's level has; in a goroutine of its own
	conflict     func(c host.Conflict) // of an address; in a goroutine of its own
}

// now returns the time since the host was made, and a second.
func (s *shared) now() clock.Time { return clock.Time(time.Since(s.epoch)) }

// fastCache is what connections know of servers that do Fast Open. Its lock is the last
// that is taken.
type fastCache struct {
	mu    sync.Mutex
	cache fastopen.Cache
}

func (f *fastCache) hint(now clock.Time, t wire.Tuple) fastopen.Hint {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cache.Hint(now, t.Local, t.Remote)
}

// learn takes what the connections of a shard, which is locked, have learnt.
func (f *fastCache) learn(s *shard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n, ok := s.tcp.NextFastOpen(); ok; n, ok = s.tcp.NextFastOpen() {
		f.cache.Learn(s.shared.now(), n)
	}
}

// clockTime converts a deadline of package net; the zero time is never.
func (s *shared) clockTime(t time.Time) clock.Time {
	if t.IsZero() {
		return clock.Never
	}
	return s.now().Add(time.Until(t))
}

// user is whose a connection, a listener or a socket is: the Owner that a shard's
// host gives back.
type user interface {
	// becomeReady wakes the calls that wait for what the shard of this number has
	// become ready for. The shard is locked.
	becomeReady(shard int, r tcp.Ready)
}

func newShard(common *shared, index int, cfg host.Config) *shard {
	s := &shard{shared: common, index: index, host: host.New(cfg), armed: clock.Never}
	s.tcp = s.host.TCP()
	s.trace = common.watches.traceOf(s)
	s.sendOn = func() {
		defer common.running.Done()
		s.sendAndUnlock(s.lock())
	}
	s.sendSoon = func() {
		defer common.running.Done()
		now := s.lock()
		s.sendsSoon = false
		s.flushAndUnlock(now)
	}
	// There is no other way to a timer with a function: the hour is never waited for.
	s.timer = time.AfterFunc(time.Hour, s.tick)
	s.timer.Stop()
	return s
}

// lock locks the shard and returns the time, which never goes back in it. A caller that has
// changed nothing may unlock mu; all others call flushAndUnlock.
func (s *shard) lock() (now clock.Time) {
	s.mu.Lock()
	return s.shared.now()
}

// flushAndUnlock wakes the calls that can go on, sends what there is to send, and
// unlocks. Last it asks the program about new connections, if it wants to be
// asked.
func (s *shard) flushAndUnlock(now clock.Time) {
	s.notify()
	s.report()
	s.passOn()
	// Collected under the lock and told without it: the program may call back.
	tell := s.takeTold()
	// The goroutine that sends looks again after each batch: it finds what this one
	// leaves.
	if s.sending {
		k := s.takeEager()
		s.mu.Unlock()
		k.deliverAll()
	} else {
		s.sending = true
		s.sendAndUnlock(now)
	}
	if tell != nil {
		tell()
	}
}

// unlockAndFlushSoon is flushAndUnlock for a caller that is likely to be back at once with
// more to send: a goroutine of its own sends, or whoever flushes before it runs.
// So what comes meanwhile goes into the same segments.
func (s *shard) unlockAndFlushSoon(now clock.Time) {
	if s.sending || s.err != nil {
		s.flushAndUnlock(now)
		return
	}
	if !s.sendsSoon {
		s.sendsSoon = true
		s.shared.running.Add(1)
		go s.sendSoon()
	}
	s.mu.Unlock()
}

// wait flushes and unlocks the shard until l is woken or deadline has passed, and
// locks it again.
func (s *shard) wait(l *waitList, now, deadline clock.Time) clock.Time {
	return s.waitOr(nil, l, now, deadline)
}

// waitOr is wait that also ends when done is closed.
func (s *shard) waitOr(done <-chan struct{}, l *waitList, now, deadline clock.Time) clock.Time {
	w := s.waiters.begin(l, now, deadline)
	s.flushAndUnlock(now)
	w.await(done)
	now = s.lock()
	s.waiters.end(l, w)
	return now
}

// notify tells the program's objects what they have become ready for.
func (s *shard) notify() {
	for {
		owner, ready, ok := s.host.NextReady()
		if !ok {
			return
		}
		owner.(user).becomeReady(s.index, ready)
	}
}

// report gives new events to whoever wants them.
func (s *shard) report() {
	if s.trace.HasNews() {
		s.shared.watches.tell(s.trace)
	}
}

// passOn has the host act on what concerns more than this shard, by other
// goroutines: a logger may block, and the other shards' locks are needed.
func (s *shard) passOn() {
	if l := s.tcp.FloodLevel(); l != s.floodLevel && s.err == nil {
		s.floodLevel = l
		s.shared.running.Go(s.shared.floodChanged)
	}
	if s.tcp.HasFastOpen() {
		s.shared.fast.learn(s)
	}
	for s.host.HasConflict() {
		if c, _ := s.host.NextConflict(); s.err == nil {
			s.shared.running.Go(func() { s.shared.conflict(c) })
		}
	}
}

// takeTold returns what asks the program about the SYNs that wait for a verdict, and
// tells it which connections will never be accepted, since it was called last;
// nil: nothing.
func (s *shard) takeTold() func() {
	if !s.tcp.HasSyn() && !s.tcp.HasLost() {
		return nil
	}
	var syns []tcp.Syn
	for y, ok := s.tcp.NextSyn(); ok; y, ok = s.tcp.NextSyn() {
		syns = append(syns, y)
	}
	var lost []any
	for owner, ok := s.tcp.NextLost(); ok; owner, ok = s.tcp.NextLost() {
		lost = append(lost, owner)
	}
	return func() {
		for _, y := range syns {
			s.shared.ask(s, y)
		}
		for _, owner := range lost {
			s.shared.lost(owner)
		}
	}
}

// arm makes the timer fire when the host wants to know the time. It is left
// alone when it fires too early, which costs less than to set it each time. An
// armed timer counts as a goroutine that runs, so that Close waits for its tick.
func (s *shard) arm(now clock.Time) {
	if s.err != nil {
		return
	}
	if d := s.host.Deadline(); d < s.armed {
		s.armed = d
		if wasArmed := s.timer.Reset(d.Sub(now)); !wasArmed {
			s.shared.running.Add(1)
		}
	}
}

// tick is what the timer does.
func (s *shard) tick() {
	defer s.shared.running.Done()
	now := s.lock()
	s.armed = clock.Never
	if s.err == nil {
		s.host.Advance(now)
	}
	s.lingering.wakeAll()
	s.flushAndUnlock(now)
}

// stop makes every call that is blocked, or comes later, fail with err. With
// reset it also resets every connection, and waits until that is on its way,
// but not for long: a link may be stuck.
func (s *shard) stop(err error, reset bool) {
	now := s.lock()
	s.err = err
	if s.timer.Stop() {
		s.shared.running.Done()
	}
	s.lingering.wakeAll()
	// First of all, or a segment that arrives now would still open a connection.
	s.tcp.CloseListeners(now)
	var all []*tcp.Entry
	for e := range s.tcp.All {
		all = append(all, e)
	}
	if reset {
		s.host.LeaveGroups(now)
	}
	for _, e := range all {
		if u, ok := e.Owner.(user); ok {
			u.becomeReady(s.index, tcp.Readable|tcp.Writable)
		}
		if reset {
			s.tcp.Abort(now, e)
		}
	}
	s.flushAndUnlock(now)
	if reset {
		s.awaitSent(now.Add(resetPatience))
	}
}

// awaitSent waits until no goroutine is sending, or until deadline.
func (s *shard) awaitSent(deadline clock.Time) {
	now := s.lock()
	for s.sending && now < deadline {
		w := s.waiters.begin(&s.sendDone, now, deadline)
		s.mu.Unlock()
		w.await(nil)
		now = s.lock()
		s.waiters.end(&s.sendDone, w)
	}
	s.mu.Unlock()
}
