package guard

import (
	"context"
	"slices"
	"sync"
)

// Backend is how a back end stands.
type Backend struct {
	Address string
	Alive   bool
	Active  int    // connections that it has, or that are dialled
	Total   uint64 // connections that were dialled to it so far
	Errors  uint64 // dials and checks that failed so far
}

// backend is a back end while it is named, and until its last connection has ended.
type backend struct {
	address string
	stop    context.CancelFunc // of its checks

	// The guard's lock holds these.
	alive    bool
	failures int // in a row
	active   int
	total    uint64
	errors   uint64
}

func (b *backend) snapshot() Backend {
	return Backend{Address: b.address, Alive: b.alive, Active: b.active, Total: b.total, Errors: b.errors}
}

// replace makes settings those in force. Back ends that are named again stay what they are;
// new ones are asked first whether they live, so that the change is not a gap.
func (g *Guard) replace(s Settings) {
	g.replacing.Lock() // one change after the other
	defer g.replacing.Unlock()
	g.mu.Lock()
	old := g.backends
	g.mu.Unlock()
	all := make([]*backend, len(s.Backends))
	var asked sync.WaitGroup
	for i, address := range s.Backends {
		if at := slices.IndexFunc(old, func(b *backend) bool { return b.address == address }); at >= 0 {
			all[i] = old[at]
			continue
		}
		b := &backend{address: address}
		all[i] = b
		asked.Go(func() { b.alive = g.check(g.ctx, b, &s) == nil })
	}
	asked.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == closed {
		return
	}
	g.settings, g.backends = s, all
	for _, b := range old {
		if !slices.Contains(all, b) {
			b.stop()
		}
	}
	for _, b := range all {
		if b.stop == nil {
			var ctx context.Context
			ctx, b.stop = context.WithCancel(g.ctx)
			g.running.Go(func() { g.watch(ctx, b) })
		}
	}
	g.decide()
}

// choose takes a back end for a connection, one that was not tried for it yet; nil: there
// is none.
func (g *Guard) choose(tried []*backend) (chosen *backend, s *Settings) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.backends)
	for i := range n {
		at := (g.turn + 1 + i) % n
		b := g.backends[at]
		if !b.alive || slices.Contains(tried, b) {
			continue
		}
		if chosen == nil || g.settings.Balance == LeastConnections && b.active < chosen.active {
			chosen = b
		}
	}
	if chosen == nil {
		return nil, nil
	}
	g.turn = slices.Index(g.backends, chosen)
	chosen.active++
	chosen.total++
	settings := g.settings
	return chosen, &settings
}

// release gives a back end's place back.
func (g *Guard) release(b *backend) {
	g.mu.Lock()
	b.active--
	g.mu.Unlock()
}

// anyAlive reports whether a back end lives. The caller holds g.mu.
func (g *Guard) anyAlive() bool {
	return slices.ContainsFunc(g.backends, func(b *backend) bool { return b.alive })
}
