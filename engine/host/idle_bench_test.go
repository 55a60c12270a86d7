package host

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// BenchmarkKeepAlive is one second of 100,000 idle connections that both sides keep
// alive by the defaults of package net, both ends counted. It tells how many
// segments that were, and how often a timer had to wake one of the hosts.
func BenchmarkKeepAlive(b *testing.B) {
	const many, ports = 100000, 60000
	p := newPair(b, config{})
	k := tcp.KeepAlive{Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 9}
	var listeners []*tcp.Listener
	for i := range many/ports + 1 {
		l, err := p.b.TCP().Listen(wire.Addr{}, uint16(80+i), 16, "listener")
		if err != nil {
			b.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	for i := range many {
		en, err := p.a.Connect(p.now, wire.Addr{}, uint16(1024+i%ports), p.addrB, uint16(80+i/ports), "client")
		if err != nil {
			b.Fatal(err)
		}
		p.run()
		p.a.TCP().SetKeepAlive(p.now, en, k)
		p.b.TCP().SetKeepAlive(p.now, p.b.TCP().Accept(listeners[i/ports]), k)
		p.run()
		p.now = p.now.Add(14 * time.Second / many)
	}
	p.idle(30 * time.Second)
	before := p.a.TCP().Counters().InSegs
	wakes := 0
	b.ReportAllocs()
	for b.Loop() {
		wakes += p.idle(time.Second)
	}
	b.ReportMetric(float64(wakes)/float64(b.N), "wakes/op")
	b.ReportMetric(float64(p.a.TCP().Counters().InSegs-before)/float64(b.N), "segments/op")
}

// idle lets d pass and returns how often a host had to wake up for that.
func (p *pair) idle(d time.Duration) (wakes int) {
	end := p.now.Add(d)
	for {
		at := min(p.a.Deadline(), p.b.Deadline())
		if at > end {
			p.now = end
			return wakes
		}
		p.now = max(p.now, at)
		for _, h := range []*Host{p.a, p.b} {
			if h.Deadline() <= p.now {
				wakes++
				h.Advance(p.now)
			}
		}
		for p.carryBatch(p.a, p.b)+p.carryBatch(p.b, p.a) > 0 {
		}
	}
}

// carryBatch brings up to 64 packets to the other side.
func (p *pair) carryBatch(from, to *Host) int {
	batch := make([]*buf.Packet, 0, 64)
	for len(batch) < cap(batch) {
		packet, _ := from.Output(p.now)
		if packet == nil {
			break
		}
		batch = append(batch, packet)
	}
	to.ReceiveBatch(p.now, 0, batch)
	return len(batch)
}
