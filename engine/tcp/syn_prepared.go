package tcp

import "github.com/handfast-tcp/handfast/engine/wire"

// prepared is what a program has made ready for connections whose handshakes are
// not complete: the compact form has no room for it. Each goes one of two ways, to
// the connection's Owner or to lost. There are no more of them than half-open
// entries.
type prepared struct {
	by   map[wire.Tuple]any
	lost ring[any]
}

func (p *prepared) put(t *wire.Tuple, what any) {
	if p.by == nil {
		p.by = map[wire.Tuple]any{}
	}
	p.by[*t] = what
}

// take returns what was prepared for t, and forgets it.
func (p *prepared) take(t *wire.Tuple) any {
	what := p.by[*t]
	delete(p.by, *t)
	if len(p.by) == 0 {
		p.by = nil // a map keeps the room of its best times
	}
	return what
}

// lose makes what was prepared for t something that NextLost tells.
func (p *prepared) lose(t *wire.Tuple) { p.lost.push(p.take(t)) }

// HasLost reports whether NextLost has something to tell.
func (e *Endpoint) HasLost() bool { return e.halfOpen.prepared.lost.len() > 0 }

// NextLost returns what AcceptSynWith was given for a connection that will never
// be accepted: its handshake was not completed in time, a RST came, its listener
// was closed, it had to make room for others. Who uses AcceptSynWith asks after
// every call; what nobody asks for is kept up to Config.MaxHalfOpen.
func (e *Endpoint) NextLost() (owner any, ok bool) { return e.halfOpen.prepared.lost.pop() }
