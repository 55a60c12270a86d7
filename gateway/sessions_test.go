package gateway

import (
	"net/netip"
	"testing"
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
