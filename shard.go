package handfast

import (
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
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
// A goroutine enters a shard, does what it wants to do, and leaves it. Leaving
// wakes who has become ready, and sends. Only one goroutine sends at a time, so
// that packets keep their order although the lock is not held for writing; one
// that finds another sending just goes, because the sender looks again after
// each batch.
type shard struct {
	owner *Host
	index int
	host  *host.Host
	tcp   *tcp.Endpoint
	trace *tcp.Trace // nil: nobody wants it

	mu        sync.Mutex
	err       error // why nothing works any more
	sending   bool  // a goroutine is in send
	sendsSoon bool  // a goroutine that will send has been started
	sent      waitList
	lingering waitList // calls of Close that wait for an acknowledgement
	waiters   waiterPool
	armed     clock.Time // when the timer fires
	timer     *time.Timer
	mine      []*buf.Packet // those of a batch that came in which are for this shard
	outbound  outbound      // of the goroutine that is in send
	sendOn    func()        // goes on with another goroutine's send; made once
	sendSoon  func()        // sends for leaveSoon; made once

	floodLevel detect.Level // that was seen last

	_ [64]byte // keeps neighbours off this cache line
}

func newShard(owner *Host, index int, cfg host.Config) *shard {
	s := &shard{owner: owner, index: index, host: host.New(cfg), armed: clock.Never}
	s.tcp = s.host.TCP()
	if owner.cfg.Trace != nil {
		s.trace = new(tcp.Trace)
		s.host.SetTrace(s.trace)
	}
	s.sendOn = func() {
		defer owner.running.Done()
		s.send(s.enter())
	}
	s.sendSoon = func() {
		defer owner.running.Done()
		now := s.enter()
		s.sendsSoon = false
		s.leave(now)
	}
	s.timer = time.AfterFunc(time.Hour, s.tick)
	s.timer.Stop()
	return s
}

// enter locks the shard and returns the time, which never goes back in it.
func (s *shard) enter() (now clock.Time) {
	s.mu.Lock()
	return s.owner.now()
}

// leave wakes who has become ready, sends what there is to send, and unlocks.
// Last it asks the program about new connections, if it wants to be asked.
func (s *shard) leave(now clock.Time) {
	s.notify()
	s.report()
	s.watchFlood()
	s.watchAddresses()
	requests := s.takeRequests()
	if s.sending {
		s.mu.Unlock()
	} else {
		s.sending = true
		s.send(now)
	}
	ask(requests)
}

// leaveSoon is leave for who is likely to be back at once with more to send: a
// goroutine of its own sends, or whoever leaves before it runs. So what comes
// meanwhile goes into the same segments.
func (s *shard) leaveSoon(now clock.Time) {
	if s.sending || s.err != nil {
		s.leave(now)
		return
	}
	if !s.sendsSoon {
		s.sendsSoon = true
		s.owner.running.Add(1)
		go s.sendSoon()
	}
	s.mu.Unlock()
}

// wait leaves the shard until l is woken or deadline has passed, and enters it
// again.
func (s *shard) wait(l *waitList, now, deadline clock.Time) clock.Time {
	return s.waitOr(nil, l, now, deadline)
}

// waitOr is wait that also ends when done is closed.
func (s *shard) waitOr(done <-chan struct{}, l *waitList, now, deadline clock.Time) clock.Time {
	w := s.waiters.begin(l, now, deadline)
	s.leave(now)
	w.await(done)
	now = s.enter()
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
		switch o := owner.(type) {
		case *TCPConn:
			o.becomeReady(ready)
		case *TCPListener:
			o.becomeReady(s.index)
		case *UDPConn:
			o.becomeReady(s.index)
		}
	}
}

// report gives new events to Config.Trace.
func (s *shard) report() {
	if events := s.trace.Take(); len(events) > 0 {
		s.owner.cfg.Trace(events)
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
			s.owner.running.Add(1)
		}
	}
}

// tick is what the timer does.
func (s *shard) tick() {
	defer s.owner.running.Done()
	now := s.enter()
	s.armed = clock.Never
	if s.err == nil {
		s.host.Advance(now)
	}
	s.lingering.wakeAll()
	s.leave(now)
}

// stop makes every call that is blocked, or comes later, fail with err. With
// reset it also resets every connection, and waits until that is on its way,
// but not for long: a link may be stuck.
func (s *shard) stop(err error, reset bool) {
	now := s.enter()
	s.err = err
	if s.timer.Stop() {
		s.owner.running.Done()
	}
	s.lingering.wakeAll()
	var all []*tcp.Entry
	for e := range s.tcp.All {
		all = append(all, e)
	}
	for _, e := range all {
		if c, ok := e.Owner.(*TCPConn); ok {
			c.wakeAll()
		}
		if reset {
			s.tcp.Abort(now, e)
		}
	}
	s.leave(now)
	if reset {
		s.awaitSent(now.Add(resetPatience))
	}
}

// awaitSent waits until nobody is sending, or until deadline.
func (s *shard) awaitSent(deadline clock.Time) {
	now := s.enter()
	for s.sending && now < deadline {
		w := s.waiters.begin(&s.sent, now, deadline)
		s.mu.Unlock()
		w.await(nil)
		now = s.enter()
		s.waiters.end(&s.sent, w)
	}
	s.mu.Unlock()
}
