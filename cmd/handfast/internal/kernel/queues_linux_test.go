package kernel

import (
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
)

// A half-open connection counts for the listener that it is of, whose backlog is
// the limit; limits of queues that nobody uses are not added up.
func TestQueues(t *testing.T) {
	end := func(s string) inspect.Endpoint {
		a := netip.MustParseAddrPort(s)
		return inspect.Endpoint{Addr: a.Addr(), Port: a.Port()}
	}
	rows := []inspect.Row{
		{State: inspect.State(tcp.Listen), Local: inspect.Endpoint{Port: 80}, SendQ: 7},
		{State: inspect.State(tcp.Listen), Local: end("10.0.0.1:80"), SendQ: 5},
		{State: inspect.State(tcp.Listen), Local: end("0.0.0.0:443"), SendQ: 3},
		{State: inspect.State(tcp.Listen), Local: end("[::]:443"), SendQ: 4},
	}
	fillQueues(rows)
	if n := limitOf(rows); n != 7 {
		t.Errorf("idle: %d", n)
	}
	for _, at := range []string{"10.0.0.1:80", "10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80", "10.0.0.2:443", "[fd00::1]:443", "10.0.0.1:22"} {
		rows = append(rows, inspect.Row{State: inspect.State(tcp.SynReceived), Local: end(at)})
	}
	fillQueues(rows)
	for i, want := range []int{2, 2, 1, 1} {
		if rows[i].Queue.Length != want || rows[i].Queue.Limit != rows[i].SendQ {
			t.Errorf("%v: %+v, want %d of %d", rows[i].Local, rows[i].Queue, want, rows[i].SendQ)
		}
	}
	if n := limitOf(rows); n != 7+5+3+4 {
		t.Errorf("in use: %d", n)
	}
	if d := defence(rows); d.HalfOpen != 7 || d.MaxHalfOpen != 19 {
		t.Errorf("%+v", d)
	}
}
