package handfast

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Default and limit of a watch.
const (
	DefaultQueue = 4096 // events of a watch
	MaxQueue     = 1 << 20
)

// EventFilter says which events are wanted. The zero value is all of them, those of
// half-open connections and of segments that belong to none among them.
type EventFilter struct {
	// Local and Remote are the connection's ends. A zero address or port is any.
	Local, Remote netip.AddrPort
	// States is for changes of state alone.
	States bool
	// Flows is for the accounts of connections when they have ended, which Config.Account
	// is needed for, in place of events.
	Flows bool
	// Failed is for the last events of each connection that has ended in a way that
	// neither program wanted, when it has. Config.Events is needed for it.
	Failed bool
	// Queue is how many events, or flows, wait at most for Next, 1 to MaxQueue; what comes then
	// is counted. Default DefaultQueue.
	Queue int
}

func (f *EventFilter) matches(t *wire.Tuple) bool {
	return endMatches(f.Local, t.Local, t.LocalPort) && endMatches(f.Remote, t.Remote, t.RemotePort)
}

func endMatches(want netip.AddrPort, a wire.Addr, port uint16) bool {
	return (want.Port() == 0 || want.Port() == port) && (!want.Addr().IsValid() || wire.AddrFrom(want.Addr()) == a)
}

// one returns the only connection that f is for.
func (f *EventFilter) one() (t wire.Tuple, ok bool) {
	if f.Local.Port() == 0 || f.Remote.Port() == 0 || !f.Local.Addr().IsValid() || !f.Remote.Addr().IsValid() {
		return t, false
	}
	return wire.Tuple{Local: wire.AddrFrom(f.Local.Addr()), Remote: wire.AddrFrom(f.Remote.Addr()),
		LocalPort: f.Local.Port(), RemotePort: f.Remote.Port()}, true
}

// EventBatch is what happened: events in the order of time for each connection.
type EventBatch struct {
	Events []tcp.Event
	Flows  []account.Flow
	// Skipped is how many came when the queue was full, after those of this batch; in what is
	// kept of a connection, how many came before.
	Skipped uint64
}

// EventWatch gives out what happens. Whoever does not come for it costs the host
// nothing but the count of what is skipped.
type EventWatch struct {
	host   *Host
	filter EventFilter

	mu     sync.Mutex
	batch  EventBatch
	closed bool
	wake   chan struct{} // holds a word when there is something new
}

// WatchEvents begins to watch. It may be called at any time, and sees connections that
// there are already. Segments go through TCP as they would otherwise, a dozen as one where the link
// allows it. The watch is to be closed: while there is one, each event that it wants is made.
func (h *Host) WatchEvents(f EventFilter) *EventWatch {
	if f.Queue <= 0 {
		f.Queue = DefaultQueue
	}
	f.Queue = min(f.Queue, MaxQueue)
	w := &EventWatch{host: h, filter: f, wake: make(chan struct{}, 1)}
	h.rewatch(func(all []*EventWatch) []*EventWatch { return append(slices.Clip(all), w) })
	if h.Err() != nil {
		w.end()
	}
	return w
}

// Next waits until something has happened, and returns it. It fails with net.ErrClosed
// when the watch, or the host, is closed and nothing is left, and with the context's error.
func (w *EventWatch) Next(ctx context.Context) (EventBatch, error) {
	for {
		w.mu.Lock()
		b, closed := w.batch, w.closed
		w.batch = EventBatch{}
		w.mu.Unlock()
		switch {
		case len(b.Events)+len(b.Flows) > 0 || b.Skipped > 0:
			return b, nil
		case closed:
			return b, net.ErrClosed
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return b, ctx.Err()
		}
	}
}

// Close ends the watch. Next returns what is left, and then fails.
func (w *EventWatch) Close() {
	w.host.rewatch(func(all []*EventWatch) []*EventWatch {
		return slices.DeleteFunc(slices.Clone(all), func(o *EventWatch) bool { return o == w })
	})
	w.end()
}

func (w *EventWatch) end() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.nudge()
}

// nudge wakes Next.
func (w *EventWatch) nudge() {
	select {
	case w.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// take queues what a shard has to tell. The shard is locked.
func (w *EventWatch) take(events []tcp.Event, flows []account.Flow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range events {
		e := &events[i]
		if w.filter.matches(&e.Tuple) && (!w.filter.States || e.Kind == tcp.StateChanged) && w.room() {
			w.batch.Events = append(w.batch.Events, *e)
		}
	}
	for i := range flows {
		if w.filter.matches(&flows[i].Tuple) && w.room() {
			w.batch.Flows = append(w.batch.Flows, flows[i])
		}
	}
	w.nudge()
}

// room reports whether the queue takes one more, and counts when not.
func (w *EventWatch) room() bool {
	full := len(w.batch.Events)+len(w.batch.Flows) >= w.filter.Queue
	if full {
		w.batch.Skipped++
	}
	return !full
}

// watches are who wants to know what happens. What is not wanted is not made.
type watches struct {
	mu     sync.Mutex // held for changes
	all    atomic.Pointer[[]*EventWatch]
	trace  func([]tcp.Event) // Config.Trace; called under a shard's lock
	keep   account.Keep      // of a shard
	counts bool              // Config.Account
}

func (w *watches) set(cfg *Config) {
	w.trace, w.keep, w.counts = cfg.Trace, cfg.Events, cfg.Account
	w.keep.Connections = (cfg.Events.Connections + cfg.Shards - 1) / cfg.Shards
	w.all.Store(new([]*EventWatch))
}

// traceOf makes the trace of a shard that begins.
func (w *watches) traceOf(s *shard) *tcp.Trace {
	t := new(tcp.Trace)
	if w.trace != nil {
		s.host.SetTrace(t) // and spares it super-segments
	} else {
		s.tcp.SetTrace(t)
	}
	t.Keep(w.keep)
	if w.counts {
		t.Account()
	}
	w.wish(t)
	return t
}

// rewatch replaces who watches, and has every shard make what is wanted then.
func (h *Host) rewatch(f func([]*EventWatch) []*EventWatch) {
	w := &h.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	all := f(*w.all.Load())
	w.all.Store(&all)
	for _, s := range h.shards {
		s.mu.Lock()
		s.report()
		w.wish(s.trace)
		s.mu.Unlock()
	}
}

// wish tells a trace what to make.
func (w *watches) wish(t *tcp.Trace) {
	var only []wire.Tuple
	any, all, states, flows, failed := w.trace != nil, w.trace != nil, w.trace == nil, false, false
	for _, k := range *w.all.Load() {
		flows, failed = flows || k.filter.Flows, failed || k.filter.Failed
		if k.filter.Flows || k.filter.Failed {
			continue
		}
		any, states = true, states && k.filter.States
		if one, ok := k.filter.one(); ok {
			only = append(only, one)
		} else {
			all = true
		}
	}
	if all {
		only = nil
	}
	if any {
		t.Collect(states, only)
	} else {
		t.CollectNothing()
	}
	t.TellFlows(flows)
	t.TellFailed(failed)
}

// tell gives out what a shard's trace has. The shard is locked.
func (w *watches) tell(t *tcp.Trace) {
	events, flows, all := t.Take(), t.Flows(), *w.all.Load()
	if w.trace != nil && len(events) > 0 {
		w.trace(events)
	}
	for _, k := range all {
		switch {
		case k.filter.Flows:
			k.takeSome(nil, flows)
		case !k.filter.Failed:
			k.takeSome(events, nil)
		}
	}
	for last, _, ok := t.NextFailed(); ok; last, _, ok = t.NextFailed() {
		for _, k := range all {
			if k.filter.Failed {
				k.takeSome(last, nil)
			}
		}
	}
}

func (w *EventWatch) takeSome(events []tcp.Event, flows []account.Flow) {
	if len(events)+len(flows) > 0 {
		w.take(events, flows)
	}
}

// close ends all watches: the host's last word has been told.
func (w *watches) close() {
	for _, k := range *w.all.Load() {
		k.end()
	}
}

// Histories returns what is kept of the connections that f is for, those that have
// ended among them: see Config.Events. Of f only Local and Remote count.
func (h *Host) Histories(f EventFilter) (all []EventBatch) {
	for _, s := range h.shards {
		s.mu.Lock()
		s.trace.Kept(f.matches, func(events []tcp.Event, older uint32, _, _ bool) bool {
			all = append(all, EventBatch{Events: events, Skipped: uint64(older)})
			return true
		})
		s.mu.Unlock()
	}
	return all
}

// Totals returns figures of the connections that have ended: see Config.Account.
func (h *Host) Totals() (sum account.Totals) {
	for _, s := range h.shards {
		s.mu.Lock()
		if t := s.trace.Totals(); t != nil {
			sum.Merge(t)
		}
		s.mu.Unlock()
	}
	return sum
}

// WallTime returns when something happened that an event of the host's tells of.
func (h *Host) WallTime(t clock.Time) time.Time { return h.epoch.Add(time.Duration(t)) }
