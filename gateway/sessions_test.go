package gateway

import (
	"context"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast"
)

// closed counts how often it was.
type closed struct{ n int }

func (c *closed) Close() error { c.n++; return nil }

func flowTo(client, server string) Flow {
	return Flow{Network: "udp", Source: netip.MustParseAddrPort(client), Destination: netip.MustParseAddrPort(server)}
}

// The session that ends for a new one is that whose client has been silent the longest,
// whichever began first.
func TestIdleSessionGoes(t *testing.T) {
	var s sessions[*closed]
	s.init(3)
	var all []*session[*closed]
	var conns []*closed
	flows := []Flow{flowTo("10.0.0.1:1", "10.0.1.1:53"), flowTo("10.0.0.1:2", "10.0.1.1:53"), flowTo("10.0.0.1:3", "10.0.1.1:53"), flowTo("10.0.0.1:4", "10.0.1.1:53")}
	for _, f := range flows[:3] {
		n, c := s.begin(f, nil), &closed{}
		s.start(n, c)
		all, conns = append(all, n), append(conns, c)
	}
	s.touch(flows[1], nil)
	s.touch(flows[0], nil)
	s.begin(flows[3], nil)
	for i, ends := range []bool{false, false, true} {
		if _, known := s.by[flows[i]]; known == ends || all[i].ended != ends || conns[i].n != 0 != ends {
			t.Errorf("session %d: known %v, ended %v, closed %d times", i, known, all[i].ended, conns[i].n)
		}
	}
}

// A session that ended while it was dialled does not begin, and its datagrams are nobody's.
func TestEndedSessionDoesNotBegin(t *testing.T) {
	var s sessions[*closed]
	s.init(3)
	f := flowTo("10.0.0.1:1", "10.0.1.1:53")
	n := s.begin(f, []byte("question"))
	s.finish(n, nil)
	if waiting, ok := s.start(n, &closed{}); ok || waiting != nil {
		t.Errorf("it begins, with %d datagrams", len(waiting))
	}
	n = s.begin(f, []byte("question"))
	p := []byte("another")
	if m, dialled := s.touch(f, p); m != n || dialled {
		t.Error("it is another session, or dialled already")
	}
	copy(p, "changed")
	waiting, ok := s.start(n, &closed{})
	if !ok || len(waiting) != 2 || string(waiting[0]) != "question" || string(waiting[1]) != "another" {
		t.Errorf("%v, %q", ok, waiting)
	}
}

// When there are too many dials the oldest goes of those to the destination that has the
// most, and not one that is older to another.
func TestCrowdedDestinationGivesWay(t *testing.T) {
	var d dials
	d.init(3)
	given := map[Flow]int{}
	begin := func(f Flow, r *handfast.Request) *dial {
		var give context.CancelFunc = func() { given[f]++ }
		return d.begin(f, r, give)
	}
	lone, first, second := flowTo("10.0.0.1:1", "10.0.1.1:80"), flowTo("10.0.0.1:2", "10.0.1.2:80"), flowTo("10.0.0.1:3", "10.0.1.2:80")
	for _, f := range []Flow{lone, first, second} {
		begin(f, nil)
	}
	begin(flowTo("10.0.0.1:4", "10.0.1.3:80"), nil)
	if given[first] != 1 || given[lone] != 0 || given[second] != 0 || d.len() != 3 {
		t.Errorf("given up: %v; %d are left", given, d.len())
	}
}

// A dial answers the latest SYN of its flow.
func TestLatestRequestIsAnswered(t *testing.T) {
	var d dials
	d.init(3)
	f, give := flowTo("10.0.0.1:1", "10.0.1.1:80"), func() {}
	first, second := &handfast.Request{}, &handfast.Request{}
	n := d.begin(f, first, give)
	if d.begin(f, second, give) != nil {
		t.Error("one flow is dialled twice")
	}
	if r := d.finish(n); r != second || d.len() != 0 || len(d.to) != 0 {
		t.Errorf("the request of the first SYN: %v; %d dials are left, to %d destinations", r == first, d.len(), len(d.to))
	}
}
