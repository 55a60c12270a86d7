package ports

import (
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

var ourAddr = wire.AddrFrom(netip.MustParseAddr("192.0.2.1"))

func toward(a string, port int) Destination {
	return Destination{ourAddr, wire.AddrFrom(netip.MustParseAddr(a)), uint16(port)}
}

// The range of Linux.
const firstPort, lastPort = 32768, 60999

// firstPort is the port that a dial gets which finds the first one free.
func (p *Picker) firstPort(to Destination) int {
	for port := range p.Candidates(to) {
		return int(port)
	}
	return -1
}

// Who runs servers that we dial learns nothing of how often we dial others: their
// ports go up one by one, whatever is dialled in between.
func TestPortsTellNothingOfOthers(t *testing.T) {
	p := New(firstPort, lastPort)
	victim := toward("198.51.100.7", 443)
	for i := range 1000 {
		mine := toward("203.0.113.9", 1000+i)
		first := p.firstPort(mine)
		for range i % 9 {
			p.firstPort(victim)
		}
		want := first + 1
		if want > lastPort {
			want = firstPort
		}
		if next := p.firstPort(mine); next != want {
			t.Fatalf("after %d dials to another the port is %d, want %d", i%9, next, want)
		}
	}
}

// Where a destination's ports begin has nothing to do with where others' do:
// neighbours, the same server's other ports, and the same destination from another
// picker.
func TestPortsBeginAnywhere(t *testing.T) {
	const n = 4000
	p := New(firstPort, lastPort)
	var halves, rising, last int
	for i := range n {
		port := p.firstPort(toward("203.0.113.9", 1+i))
		if i%16 == 0 {
			port = New(firstPort, lastPort).firstPort(toward("203.0.113.9", 1))
		}
		if port < (firstPort+lastPort)/2 {
			halves++
		}
		if port > last {
			rising++
		}
		last = port
	}
	if bound := n / 12; max(halves-n/2, n/2-halves) > bound || max(rising-n/2, n/2-rising) > bound {
		t.Errorf("of %d, %d begin in the lower half, %d above the one before", n, halves, rising)
	}
}

// All ports of the range are offered once, so the last free one is found, also when
// it lies right behind the counter; after it the sequence goes on.
func TestEveryPortIsOffered(t *testing.T) {
	p := New(40000, 40099)
	f := toward("203.0.113.9", 443)
	for range 150 {
		all := slices.Collect(p.Candidates(f))
		slices.Sort(all)
		if len(all) != 100 || all[0] != 40000 || all[99] != 40099 || len(slices.Compact(all)) != 100 {
			t.Fatalf("%d ports from %d to %d", len(all), all[0], all[len(all)-1])
		}
	}
	first := p.firstPort(f)
	seen := 0
	for port := range p.Candidates(f) { // ten are in use
		if seen++; seen == 11 {
			first = int(port)
			break
		}
	}
	if next := p.firstPort(f); next != 40000+(first-40000+1)%100 {
		t.Errorf("after %d comes %d", first, next)
	}
}

// The counters are bounded, and dials at the same time to one destination do not
// begin with the same port.
func TestPortCountersAreBounded(t *testing.T) {
	p := New(1, 65535)
	for i := range 3 * maxCounters {
		p.firstPort(toward("203.0.113.9", i))
	}
	if len(p.next) != maxCounters {
		t.Errorf("%d counters", len(p.next))
	}
	f := toward("203.0.113.10", 1)
	var all [64]int
	var running sync.WaitGroup
	for i := range all {
		running.Go(func() { all[i] = p.firstPort(f) })
	}
	running.Wait()
	slices.Sort(all[:])
	if n := len(slices.Compact(all[:])); n != len(all) {
		t.Errorf("%d dials begin with %d ports", len(all), n)
	}
}

// BenchmarkPorts is what choosing a port costs a dial.
func BenchmarkPorts(b *testing.B) {
	p := New(firstPort, lastPort)
	f := toward("203.0.113.9", 443)
	b.ReportAllocs()
	for b.Loop() {
		p.firstPort(f)
	}
}
