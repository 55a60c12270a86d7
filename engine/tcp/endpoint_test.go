package tcp

import (
	"bytes"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// readiness collects what an endpoint tells, by owner.
func readinessOf(e *Endpoint) map[any]Ready {
	m := map[any]Ready{}
	for {
		owner, r, ok := e.NextReady()
		if !ok {
			return m
		}
		m[owner] |= r
	}
}

// The program is told of each change once, and finally that all is over.
func TestReadiness(t *testing.T) {
	p := newPair(t, Config{SendBuffer: 4000})
	client, server := p.connect()
	if got := readinessOf(p.ends[0])["client"]; got != Connected|Writable {
		t.Errorf("client: %b after connecting", got)
	}
	if got := readinessOf(p.ends[1])["listener"]; got != Acceptable {
		t.Errorf("listener: %b", got)
	}
	p.write(0, client, make([]byte, 4000))
	if client.Writable() {
		t.Error("writable with a full buffer")
	}
	p.until("data", func() bool { return server.Readable() })
	if got := readinessOf(p.ends[1])["server"]; got&Readable == 0 {
		t.Errorf("server: %b after data", got)
	}
	p.until("all acknowledged", func() bool { return client.Unsent() == 0 })
	if got := readinessOf(p.ends[0])["client"]; got != Writable {
		t.Errorf("client: %b after the ACK", got)
	}
	p.read(1, server)
	p.ends[1].Abort(p.now, server)
	p.run(time.Second)
	if got := readinessOf(p.ends[0])["client"]; got&(Readable|Gone) != Readable|Gone || client.Failure() != Reset {
		t.Errorf("client: %b, failure %d after a reset", got, client.Failure())
	}
	p.ends[0].Close(p.now, client)
	if p.ends[0].Len()+p.ends[1].Len() != 0 {
		t.Error("something is left")
	}
}

// A SYN to a port where nobody listens fails the attempt (figure 9's other end).
func TestConnectRefused(t *testing.T) {
	p := newPair(t, Config{})
	tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 1, RemotePort: 81}
	en, err := p.ends[0].Connect(p.now, p.path, tuple, "client")
	if err != nil {
		t.Fatal(err)
	}
	p.run(time.Second)
	if got := readinessOf(p.ends[0])["client"]; got != Connected|Readable|Writable|Gone || en.Failure() != Refused {
		t.Errorf("%b, failure %d", got, en.Failure())
	}
	p.ends[0].Close(p.now, en)
}

// Both ends open at the same time, over two endpoints (RFC 9293 figure 7), and
// close at the same time (figure 13).
func TestSimultaneousEndpoints(t *testing.T) {
	p := newPair(t, Config{})
	tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 1, RemotePort: 2}
	a, _ := p.ends[0].Connect(p.now, p.path, tuple, "a")
	b, _ := p.ends[1].Connect(p.now, p.path, tuple.Reverse(), "b")
	p.until("both established", func() bool { return a.State() == Established && b.State() == Established })
	p.write(0, a, []byte("from a"))
	p.write(1, b, []byte("from b"))
	p.run(time.Second)
	if got := string(p.read(0, a)) + string(p.read(1, b)); got != "from bfrom a" {
		t.Errorf("read %q", got)
	}
	p.ends[0].Close(p.now, a)
	p.ends[1].Close(p.now, b)
	p.run(time.Second)
	for i, e := range p.ends {
		for _, n := range e.Compact(p.now) {
			if n.State != TimeWait {
				t.Errorf("end %d is in %v", i, n.State)
			}
		}
		if e.Len() != 1 {
			t.Errorf("end %d has %d connections", i, e.Len())
		}
	}
	p.run(2 * time.Minute)
	if p.ends[0].Len()+p.ends[1].Len() != 0 {
		t.Error("TIME-WAIT does not end")
	}
}

// Two idle ends say nothing (E7).
func TestQuiescence(t *testing.T) {
	p := newPair(t, Config{})
	p.connect()
	p.run(time.Second)
	before := p.steps
	p.run(100 * 24 * time.Hour)
	if p.steps != before {
		t.Errorf("%d things happened", p.steps-before)
	}
}

// The calls of the program reach the connection.
func TestEndpointCalls(t *testing.T) {
	p := newPair(t, Config{ReceiveBuffer: 8000})
	client, server := p.connect()
	e := p.ends[0]
	e.SetNoDelay(p.now, client, true)
	e.SetSendBuffer(p.now, client, 100000)
	if client.SendSpace() != 100000 {
		t.Errorf("send space is %d", client.SendSpace())
	}
	e.SetUserTimeout(p.now, client, time.Hour)
	e.SetKeepAlive(p.now, client, KeepAlive{Idle: time.Minute, Interval: time.Minute, Count: 2})
	p.ends[1].SetReceiveBuffer(p.now, server, 4000)
	b := buf.Get(3000)
	copy(b.Bytes(), patternBytes(1, 3000))
	e.Send(p.now, client, buf.MakeView(b, 0, 3000))
	e.MarkUrgent(p.now, client)
	p.until("all there", func() bool { return server.Buffered() == 3000 })
	if server.Urgent() != 3000 {
		t.Errorf("urgent: %d", server.Urgent())
	}
	if got := p.read(1, server); !bytes.Equal(got, patternBytes(1, 3000)) {
		t.Error("other bytes came")
	}
	p.ends[1].CloseRead(p.now, server)
	p.write(0, client, make([]byte, 100000))
	p.until("all read, as before", func() bool { p.read(1, server); return client.Unsent() == 0 })
	n := 0
	e.All(func(en *Entry) bool { n++; return en == client })
	if n != 1 {
		t.Errorf("All yields %d", n)
	}
	p.fate = func(int, *Output) (bool, time.Duration) { return true, 0 } // the wire is cut
	p.until("keep-alive gives up", func() bool { return client.State() == Closed })
}

// An ICMP error finds its connection, or nobody.
func TestEndpointICMP(t *testing.T) {
	p := newPair(t, Config{})
	tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 1, RemotePort: 2}
	en, _ := p.ends[0].Connect(p.now, p.path, tuple, "client")
	var out Output
	p.ends[0].Output(p.now, &out)
	if d := p.ends[0].ReceiveICMP(p.now, tuple.Reverse(), ICMPError{Kind: ICMPHard, Seq: out.Seq}); d != wire.ForgedICMP {
		t.Errorf("for nobody: %v", d)
	}
	if d := p.ends[0].ReceiveICMP(p.now, tuple, ICMPError{Kind: ICMPHard, Failure: Refused, Seq: out.Seq}); d != wire.None {
		t.Errorf("for the SYN: %v", d)
	}
	if en.State() != Closed || en.Failure() != Refused {
		t.Errorf("%v, failure %d", en.State(), en.Failure())
	}
}

// Every name of a state, an event, a cause and a timer is there, and no two
// states share one.
func TestNames(t *testing.T) {
	type spelt struct {
		column int
		name   string
	}
	seen := map[spelt]bool{}
	for s := range State(NumStates) {
		for i, n := range s.Names() {
			if n == "" || seen[spelt{i, n}] {
				t.Errorf("state %d in column %d: %q", s, i, n)
			}
			seen[spelt{i, n}] = true
		}
	}
	for c := CauseActiveOpen; c <= CauseReuse; c++ {
		if c.String() == "" {
			t.Errorf("cause %d has no name", c)
		}
	}
	for k := SegmentSent; k <= TimerFired; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
	for n := range Timer(numTimers) {
		if n.String() == "" {
			t.Errorf("timer %d has no name", n)
		}
	}
}

// TestDeadlinesGoWithTheirConnections: what is left of many is no room for many.
func TestDeadlinesGoWithTheirConnections(t *testing.T) {
	e := NewEndpoint(&Config{})
	now := clock.Time(time.Hour)
	var all []*Entry
	var out Output
	for port := range uint16(3000) {
		en, err := e.Connect(now, Path{MTU: 1500}, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 1 + port, RemotePort: 80}, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, en)
	}
	for e.Output(now, &out) {
	}
	if n := e.due.len(); n != len(all) {
		t.Fatalf("%d deadlines of %d connections", n, len(all))
	}
	for _, en := range all {
		e.Abort(now, en)
	}
	for e.Output(now, &out) {
	}
	if e.Len() != 0 || e.due.len() != 0 || cap(e.due.items) > 256 {
		t.Errorf("%d connections, %d deadlines and room for %d are left", e.Len(), e.due.len(), cap(e.due.items))
	}
}
