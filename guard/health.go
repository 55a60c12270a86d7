package guard

import (
	"context"
	"net/netip"
	"time"
)

// fatal is how many failures in a row a back end dies of: one may be a lost packet.
const fatal = 2

// watch asks a back end again and again whether it lives, until ctx ends.
func (g *Guard) watch(ctx context.Context, b *backend) {
	for {
		g.mu.Lock()
		s := g.settings
		g.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.CheckInterval):
		}
		if err := g.check(ctx, b, &s); ctx.Err() == nil {
			g.learn(b, err)
		}
	}
}

// check opens a connection to a back end and closes it. Where there is a header one is
// sent that stands for no client, or the back end would take it for a broken one.
func (g *Guard) check(ctx context.Context, b *backend, s *Settings) error {
	ctx, give := context.WithTimeout(ctx, s.CheckTimeout)
	defer give()
	c, err := g.dial(ctx, netip.AddrPort{}, b.address)
	if err != nil {
		return err
	}
	defer c.Close()
	if h := s.Header.Append(nil, netip.AddrPort{}, netip.AddrPort{}); len(h) > 0 {
		_, err = c.Write(h)
	}
	return err
}

// learn notes what came of a check, or of a client's dial that failed.
func (g *Guard) learn(b *backend, err error) {
	g.mu.Lock()
	was := b.alive
	if err == nil {
		b.alive, b.failures = true, 0
	} else {
		b.errors++
		b.failures++
		b.alive = b.alive && b.failures < fatal
	}
	now := b.snapshot()
	if now.Alive != was {
		g.decide()
	}
	g.mu.Unlock()
	if now.Alive != was {
		g.changed(now, err)
	}
}
