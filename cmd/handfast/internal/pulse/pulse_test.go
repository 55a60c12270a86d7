package pulse

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
)

var began = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func row(port uint16, s tcp.State, d *inspect.Details) inspect.Row {
	return inspect.Row{Proto: "tcp", State: inspect.State(s), Local: inspect.Endpoint{Addr: netip.MustParseAddr("10.77.0.2"), Port: 80},
		Remote: inspect.Endpoint{Addr: netip.MustParseAddr("10.77.0.1"), Port: port}, Details: d}
}

func host(again uint64, rows ...inspect.Row) []Host {
	return []Host{{PID: 7, Name: "serve", Report: &inspect.Report{Rows: rows, Header: inspect.Header{
		Counters: map[string]map[string]uint64{"Tcp": {"RetransSegs": again}, "TcpExt": {"SyncookiesSent": 10 * again}}}}}}
}

// Rates are what was added since the look before, in its time; the first look has none.
func TestRates(t *testing.T) {
	p := New()
	b := p.Look(began, host(5, row(4000, tcp.Established, &inspect.Details{BytesReceived: 1000, BytesAcked: 50_000, TotalRetrans: 3})))
	if c := &b.Conns[0]; c.Rate() != 0 || c.Again != 0 || b.In+b.Out+b.Again+b.Cookies != 0 {
		t.Errorf("the first look: %+v, %+v", c, b.Totals)
	}
	b = p.Look(began.Add(2*time.Second), host(9, row(4000, tcp.Established, &inspect.Details{BytesReceived: 3000, BytesAcked: 60_000, TotalRetrans: 4}),
		row(4001, tcp.Established, &inspect.Details{BytesReceived: 500})))
	if c := &b.Conns[0]; c.In != 1000 || c.Out != 5000 || c.Again != 0.5 || c.Retrans() != 4 {
		t.Errorf("in %v, out %v, again %v", c.In, c.Out, c.Again)
	}
	if c := &b.Conns[1]; c.In != 250 || c.ID == b.Conns[0].ID {
		t.Errorf("a new one: %v", c.In)
	}
	if b.In != 1250 || b.Out != 5000 || b.Again != 2 || b.Cookies != 20 || b.Connected != 2 {
		t.Errorf("%+v", b.Totals)
	}
}

// A connection is the same one while it is there, whatever its state, and another one when
// its ends are used again.
func TestWhichConnection(t *testing.T) {
	p := New()
	look := func(n int, rows ...inspect.Row) *Conn {
		b := p.Look(began.Add(time.Duration(n)*time.Second), host(0, rows...))
		if len(b.Conns) == 0 {
			return nil
		}
		return &b.Conns[0]
	}
	first := look(0, row(1, tcp.SynReceived, nil))
	second := look(1, row(1, tcp.Established, &inspect.Details{BytesAcked: 100}))
	third := look(2, row(1, tcp.TimeWait, nil))
	if first.ID != second.ID || second.ID != third.ID || third.Since != began {
		t.Errorf("%d, %d, %d, since %v", first.ID, second.ID, third.ID, third.Since)
	}
	if got := fmt.Sprint(third.Stays[0].State, third.Stays[1].State, third.Stays[2].State); got != "SYN-RECEIVED ESTABLISHED TIME-WAIT" {
		t.Error(got)
	}
	again := look(3, row(1, tcp.Established, &inspect.Details{BytesAcked: 10}))
	if again.ID == third.ID || again.Out != 10 {
		t.Errorf("used again: %d as before, %v", again.ID, again.Out)
	}
	look(4)
	if len(p.known) != 0 {
		t.Errorf("%d connections are remembered that are gone", len(p.known))
	}
	if fresh := look(5, row(1, tcp.Established, &inspect.Details{BytesAcked: 20})); fresh.ID == again.ID {
		t.Error("one that was gone is the same")
	}
}

func TestOrders(t *testing.T) {
	of := func(id uint64, rate float64, rtt, again, queue int) Conn {
		r := row(uint16(id), tcp.Established, &inspect.Details{RTT: inspect.Seconds(rtt), TotalRetrans: uint32(again)})
		r.SendQ = queue
		return Conn{Row: r, ID: id, Out: rate}
	}
	all := []Conn{of(4, 1, 2, 9, 9), of(2, 3, 1, 7, 9), of(3, 2, 3, 8, 9), of(1, 2, 2, 6, 9)}
	for o, want := range []string{ByRate: "2134", ByRTT: "3142", ByRetrans: "4321", ByQueue: "1234"} {
		Order(o).Sort(all)
		got := ""
		for i := range all {
			got += fmt.Sprint(all[i].ID)
		}
		if got != want {
			t.Errorf("order %d: %s, want %s", o, got, want)
		}
	}
}

func TestSpark(t *testing.T) {
	for _, test := range []struct {
		s    Series
		want string
	}{
		{nil, "⠀⠀⠀"},
		{Series{0, 0, 0}, "⠀⠀⠀"},
		{Series{1}, "⠀⠀⢸"},
		{Series{1, 2, 3, 4, 3, 2}, "⣠⣾⣦"},
		{Series{9, 9, 9, 9, 0.001, 100, 50, 0, 100, 100}, "⣸⡄⣿"},
	} {
		if got := test.s.Spark(3); got != test.want {
			t.Errorf("%v: %s, want %s", test.s, got, test.want)
		}
	}
	var s Series
	for i := range 3 * Depth {
		s = s.Add(float64(i))
	}
	if len(s) != Depth || s[0] != 2*Depth || s[Depth-1] != 3*Depth-1 {
		t.Errorf("%d figures from %v to %v", len(s), s[0], s[len(s)-1])
	}
}
