package lab

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// pausing is a transfer whose program stops, and goes on after a while.
type pausing struct {
	*sharedRun
	from, to    *tcp.Entry
	written, at int // bytes, and of them those that have arrived
}

func (k sharedPath) pausing(t *testing.T) *pausing {
	x := k.start(t, 1)
	x.open(t)
	p := &pausing{sharedRun: x, from: x.conns[0][0], to: x.conns[1][0]}
	x.conns = [2][]*tcp.Entry{} // it is this test that writes and reads
	for end := x.now.Add(k.lasting); x.now < end; p.step() {
		if p.from.SendSpace() > 0 {
			p.write(x.block.Cap())
		}
	}
	p.finish()
	return p
}

func (p *pausing) write(n int) {
	for ; n > 0; n -= p.block.Cap() {
		m := min(n, p.block.Cap())
		p.hosts[0].TCP().Send(p.now, p.from, buf.MakeView(p.block, 0, m).Retain())
		p.written += m
	}
}

func (p *pausing) step() {
	p.sharedRun.step()
	for _, v := range p.hosts[1].TCP().Take(p.now, p.to, 1<<30, nil) {
		p.at += v.Len()
		v.Release()
	}
}

func (p *pausing) finish() {
	for p.at < p.written {
		p.step()
	}
}

// idle lets d pass in which nobody writes.
func (p *pausing) idle(d time.Duration) {
	end := p.now.Add(d)
	for p.now < end {
		for i, h := range p.hosts {
			for q, _ := h.Output(p.now); q != nil; q, _ = h.Output(p.now) {
				p.put(i, q)
			}
		}
		if min(p.hosts[0].Deadline(), p.hosts[1].Deadline(), p.wires[0].Deadline(), p.wires[1].Deadline()) > end {
			p.now = end
			return
		}
		p.step()
	}
}

func (p *pausing) close() {
	p.hosts[0].TCP().Abort(p.now, p.from)
	p.hosts[1].TCP().Abort(p.now, p.to)
	for _, w := range p.wires {
		w.Release()
	}
}

// A transfer that has filled a path and was idle for longer than an RTO begins again with
// no more than an initial window, or with a pace, and nothing overflows in a queue of one
// bandwidth-delay product: of the window that was kept, more than a hundred packets would.
// https://www.rfc-editor.org/rfc/rfc5681#section-4.1
func TestNothingOverflowsAfterIdle(t *testing.T) {
	for _, algorithm := range cc.Names() {
		for _, trip := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} {
			for _, pause := range []time.Duration{time.Second, time.Minute} {
				k := sharedPath{rate: 100e6, trip: trip, queue: 1, flows: []string{algorithm}, lasting: 5 * time.Second}
				p := k.pausing(t)
				p.idle(pause)
				before, most, begun := p.wires[0].Counters(), time.Duration(0), p.now
				p.write(2 * k.bdp())
				for p.step(); p.at < p.written; p.step() {
					if p.now.Sub(begun) < trip {
						most = max(most, p.sent.Sub(p.now))
					}
				}
				if n := p.wires[0].Counters().Overflow - before.Overflow; n > 0 {
					t.Errorf("%s, %v, after %v: %d packets overflow", algorithm, trip, pause, n)
				}
				if burst := 10 * 1500 * 8 * time.Second / 100e6; algorithm != "bbr" && most > burst+time.Millisecond {
					t.Errorf("%s, %v, after %v: packets wait for %v in the first round trip, an initial window for %v", algorithm, trip, pause, most, burst)
				}
				p.close()
			}
		}
	}
}
