package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// observed is a pair of which everything is collected, kept and accounted for. What is
// kept and accounted for must be what the events say.
type observed struct {
	*pair
	all [2][]Event
}

func observe(t *testing.T, cfg Config, last int) *observed {
	o := &observed{pair: newPair(t, cfg)}
	for _, tr := range o.events {
		tr.Keep(account.Keep{Last: last, Connections: 8})
		tr.Account()
		tr.TellFlows(true)
		tr.TellFailed(true)
	}
	return o
}

// take collects the events, and until a connection has ended holds its ring against them.
func (o *observed) take() {
	for i, tr := range o.events {
		o.all[i] = append(o.all[i], tr.Take()...)
	}
}

// stripped is an event as a ring can keep it.
func stripped(e Event) string {
	e.Segment.Options = wire.Options{Set: e.Segment.Options.Set &^ rare, MSS: e.Segment.Options.MSS, WindowScale: e.Segment.Options.WindowScale}
	if e.Kind == SegmentReceived || e.Kind == SegmentDropped {
		e.From = 0 // of a connection that its ACK has made, the state before is not kept
	}
	e.Segment.Checksum, e.Segment.Urgent, e.ACE, e.ISS, e.IRS, e.Time = 0, 0, false, 0, 0, 0
	return fmt.Sprintf("%+v", e)
}

// TestRingsAndAccounts plays transfers over wires that lose, until the connections end
// well or badly, and compares what the three ways of looking say.
func TestRingsAndAccounts(t *testing.T) {
	for seed := range few(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { ringsAndAccounts(t, seed) })
	}
}

func ringsAndAccounts(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 77))
	last := 16 << r.IntN(3)
	o := observe(t, Config{NoTimestamps: r.IntN(2) == 0, NoSACK: r.IntN(3) == 0, MSL: msl}, last)
	o.path.MaxGSO = 65535 * r.IntN(2)
	client, server := o.connect()
	o.fate = func(int, *Output) (bool, time.Duration) {
		return r.IntN(20) == 0, time.Duration(r.IntN(3)) * time.Millisecond
	}
	sent := r.IntN(200000)
	b := make([]byte, sent)
	o.write(0, client, b)
	got := 0
	o.until("all read", func() bool { got += len(o.read(1, server)); o.take(); return got == sent })
	o.compareRings(last, false)
	if r.IntN(3) == 0 {
		o.ends[1].Abort(o.now, server)
	} else {
		o.ends[0].Close(o.now, client)
		o.ends[1].Close(o.now, server)
	}
	var flows [2][]account.Flow
	o.until("ended", func() bool {
		o.take()
		for i := range flows {
			flows[i] = append(flows[i], o.events[i].Flows()...)
		}
		return len(flows[0]) > 0 && len(flows[1]) > 0
	})
	o.compareRings(last, true)
	for i := range flows {
		o.compareFlow(i, flows[i])
	}
	if server.failure != NoFailure && flows[1][0].Ending != account.Aborted {
		t.Errorf("aborted by the program: %v", flows[1][0].Ending)
	}
}

// compareRings holds each ring against the end of all events.
func (o *observed) compareRings(last int, ended bool) {
	o.t.Helper()
	for i, tr := range o.events {
		rings := 0
		tr.Kept(func(*wire.Tuple) bool { return true }, func(events []Event, older uint32, over, failed bool) bool {
			rings++
			all := o.all[i]
			if over && !ended {
				o.t.Errorf("end %d: ended=%v", i, over)
			}
			if len(events) > last || len(events) > len(all) || older > 0 && len(events) != last {
				o.t.Fatalf("end %d: %d of %d events are kept, %d older: at most %d", i, len(events), len(all), older, last)
			}
			// Behind it is only what the compact form of TIME-WAIT has done.
			at := len(all) - len(events)
			for over && at > 0 && !sameEvents(all[at:at+len(events)], events) {
				at--
			}
			for k := range events {
				if want, got := stripped(all[at+k]), stripped(events[k]); want != got {
					o.t.Fatalf("end %d, event %d of %d:\n%s is kept\n%s happened", i, k, len(events), got, want)
				}
			}
			return true
		})
		if rings != 1 {
			o.t.Errorf("end %d has %d rings", i, rings)
		}
	}
}

func sameEvents(a, b []Event) bool {
	for i := range a {
		if stripped(a[i]) != stripped(b[i]) {
			return false
		}
	}
	return true
}

// compareFlow holds a connection's account against the sum of its events up to its end.
func (o *observed) compareFlow(end int, flows []account.Flow) {
	o.t.Helper()
	if len(flows) != 1 {
		o.t.Fatalf("end %d has %d flows", end, len(flows))
	}
	f := flows[0]
	var in, out account.Side
	for _, e := range o.all[end] {
		side := &in
		switch e.Kind {
		case SegmentSent:
			side = &out
		case SegmentReceived, SegmentDropped:
		default:
			continue
		}
		if e.Time > f.End {
			continue // of TIME-WAIT
		}
		side.Packets++
		side.Octets += 20 + uint64(e.Segment.HeaderLen()+e.Len)
		side.Flags |= e.Segment.Flags
	}
	if o.path.MaxGSO == 0 { // an event does not say for how many packets a super-segment stands
		for _, k := range []struct{ got, want account.Side }{{f.Received, in}, {f.Sent, out}} {
			if k.got.Packets != k.want.Packets || k.got.Octets != k.want.Octets {
				o.t.Errorf("end %d: %d packets, %d octets; the events say %d, %d", end, k.got.Packets, k.got.Octets, k.want.Packets, k.want.Octets)
			}
		}
	}
	if f.Received.Flags != in.Flags || f.Sent.Flags != out.Flags {
		o.t.Errorf("end %d: flags %v and %v; the events say %v and %v", end, f.Received.Flags, f.Sent.Flags, in.Flags, out.Flags)
	}
	if totals := o.events[end].Totals(); totals.Ends[f.Ending] != 1 || totals.Life.Count() != 1 || totals.Handshake.Count() != 1 {
		o.t.Errorf("end %d: totals %+v", end, totals)
	}
	if f.Handshake != 2*o.delay || f.Passive != (end == 1) {
		o.t.Errorf("end %d: handshake in %v, passive %v", end, f.Handshake, f.Passive)
	}
}

// A connection to which nothing happens gives its ring up to others, and gets one again
// with its next event; of those that ended badly the last events are told.
func TestRingsAreBounded(t *testing.T) {
	p := newPair(t, Config{})
	tr := p.events[0]
	tr.CollectNothing()
	tr.Keep(account.Keep{Connections: 4})
	tr.TellFailed(true)
	l, err := p.ends[1].Listen(wire.Addr{}, 80, 16, "listener")
	if err != nil {
		t.Fatal(err)
	}
	var clients, servers []*Entry
	for port := range uint16(10) {
		en, err := p.ends[0].Connect(p.now, p.path, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 40000 + port, RemotePort: 80}, "client")
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, en)
	}
	p.run(time.Second)
	for range clients {
		servers = append(servers, p.ends[1].Accept(l))
	}
	if n := len(tr.rings.all); n != 4 {
		t.Fatalf("%d rings", n)
	}
	p.ends[1].Abort(p.now, servers[0])
	p.run(time.Second)
	events, _, ok := tr.NextFailed()
	if !ok || len(events) == 0 || events[len(events)-1].Cause != CauseReset {
		t.Fatalf("a reset connection: %v %v", events, ok)
	}
	if _, _, ok = tr.NextFailed(); ok {
		t.Error("told twice")
	}
	for _, en := range clients[1:] {
		p.write(0, en, []byte("x"))
	}
	p.run(time.Second)
	kept := 0
	tr.Kept(func(*wire.Tuple) bool { return true }, func(events []Event, _ uint32, ended, failed bool) bool {
		kept++
		return true
	})
	if kept != 4 || len(tr.rings.all) != 4 {
		t.Errorf("%d rings of %d have something", kept, len(tr.rings.all))
	}
	if events := tr.Take(); len(events) != 0 {
		t.Errorf("%d events were collected", len(events))
	}
}

// What every event, and every connection of which something is kept, costs in memory.
func TestRecordSize(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n > 32 {
		t.Errorf("a record takes %d bytes", n)
	}
	if n := unsafe.Sizeof(connLog{}) + unsafe.Sizeof(eventRing{}) + firstRecords*unsafe.Sizeof(record{}); n > 256 {
		t.Errorf("an idle connection takes %d bytes more", n)
	}
}
