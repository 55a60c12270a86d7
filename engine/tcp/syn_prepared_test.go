package tcp

import (
	"math/rand"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// preparing is an endpoint whose program makes something ready for each SYN that
// waits: a number. It counts what becomes of each.
type preparing struct {
	e        *Endpoint
	l        *Listener
	now      clock.Time
	given    int
	accepted map[int]bool
	lost     map[int]bool
	answers  map[wire.Tuple]wire.TCP // the last SYN-ACK to each
}

func newPreparing(t *testing.T, cfg Config) *preparing {
	e, l := server(t, cfg)
	l.Ask = true
	return &preparing{e: e, l: l, now: clock.Time(time.Hour), accepted: map[int]bool{}, lost: map[int]bool{}, answers: map[wire.Tuple]wire.TCP{}}
}

// settle does what a program does after each call.
func (p *preparing) settle(t *testing.T) {
	t.Helper()
	for y, ok := p.e.NextSyn(); ok; y, ok = p.e.NextSyn() {
		p.given++
		if !p.e.AcceptSynWith(p.now, y, p.given) {
			t.Fatalf("SYN of %v does not wait", y.Tuple)
		}
	}
	for out := (Output{}); p.e.Output(p.now, &out); {
		if out.Flags == wire.SYN|wire.ACK {
			p.answers[out.Tuple] = out.TCP
		}
	}
	for en := p.e.Accept(p.l); en != nil; en = p.e.Accept(p.l) {
		if n, ok := en.Owner.(int); ok {
			p.resolve(t, p.accepted, n)
		}
		p.e.Abort(p.now, en)
	}
	for p.e.HasLost() {
		owner, _ := p.e.NextLost()
		p.resolve(t, p.lost, owner.(int))
	}
}

func (p *preparing) resolve(t *testing.T, as map[int]bool, n int) {
	t.Helper()
	if p.accepted[n] || p.lost[n] {
		t.Fatalf("number %d is told of twice", n)
	}
	as[n] = true
}

func (p *preparing) receive(name wire.Tuple, s Segment) { p.e.Receive(p.now, path1500, &name, &s) }

// What a program has made ready for a connection comes back once: with the
// connection, or as lost, whatever ends the handshake.
func TestPreparedComesBackOnce(t *testing.T) {
	for seed := range int64(40) {
		r := rand.New(rand.NewSource(seed))
		p := newPreparing(t, Config{MaxHalfOpen: 8, Cookies: CookieMode(r.Intn(3))})
		for range 2000 {
			p.step(t, r)
			p.settle(t)
			if e, ready := p.e.halfOpen.count, len(p.e.halfOpen.prepared.by); ready > e {
				t.Fatalf("%d are ready for %d half-open connections", ready, e)
			}
		}
		if len(p.accepted) == 0 || len(p.lost) == 0 {
			t.Fatalf("seed %d: of %d, %d were accepted and %d lost", seed, p.given, len(p.accepted), len(p.lost))
		}
		p.e.CloseListeners(p.now)
		p.settle(t)
		if n := len(p.accepted) + len(p.lost); n != p.given || p.e.halfOpen.prepared.by != nil {
			t.Errorf("seed %d: of %d, %d came back", seed, p.given, n)
		}
	}
}

// step has something happen to one of some clients.
func (p *preparing) step(t *testing.T, r *rand.Rand) {
	name := numbered(r.Intn(2) == 0, r.Intn(20))
	isn := seq.Num(r.Intn(3))
	switch r.Intn(8) {
	case 0, 1, 2:
		p.receive(name, synSegment(name, isn, r.Intn(2) == 0))
	case 3, 4:
		if y, ok := p.answers[name]; ok {
			ack := ackOf(name, seq.Num(y.Ack-1), y)
			if r.Intn(4) == 0 {
				ack.Flags |= wire.FIN
			}
			if r.Intn(8) == 0 {
				ack.Ack += 7 // a RST is the answer
			}
			p.receive(name, ack)
		}
	case 5:
		p.receive(name, resetOf(name, isn+1))
	case 6:
		p.now = p.now.Add(time.Duration(r.Intn(3000)) * time.Millisecond)
		p.e.Advance(p.now)
	case 7:
		if r.Intn(4) == 0 {
			p.e.Kill(p.now, name)
		}
	}
}

// Who closes a listener hears of what it had not accepted yet.
func TestPreparedAndNotAccepted(t *testing.T) {
	p := newPreparing(t, Config{})
	name := numbered(false, 1)
	p.receive(name, synSegment(name, 1, false))
	p.settle(t)
	p.receive(name, ackOf(name, 1, p.answers[name]))
	p.e.CloseListener(p.now, p.l)
	if owner, ok := p.e.NextLost(); !ok || owner != 1 {
		t.Errorf("lost is %v", owner)
	}
}
