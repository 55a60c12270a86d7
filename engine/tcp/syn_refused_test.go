package tcp

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// A SYN that finds the half-open queue or the accept queue full leaves a trace
// that says so, and none of a connection that never was.
func TestRefusedSynIsTraced(t *testing.T) {
	for name, fill := range map[string]func(*Endpoint, *Listener){
		"half-open queue": func(e *Endpoint, _ *Listener) { e.cfg.MaxHalfOpen = 1 },
		"accept queue":    func(_ *Endpoint, l *Listener) { l.waiting = l.Backlog },
	} {
		p := newPair(t, Config{Cookies: CookiesOff, MaxHalfOpen: 1})
		e := p.ends[1]
		l, err := e.Listen(wire.Addr{}, 80, 1, "listener")
		if err != nil {
			t.Fatal(err)
		}
		fill(e, l)
		// The cache's least size is its own matter: more SYNs than it has room for.
		refused := 0
		for i := range 1000 {
			s := Segment{TCP: wire.TCP{SrcPort: uint16(1000 + i), DstPort: 80, Seq: 7, Flags: wire.SYN, Window: 1000}}
			tuple := wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: s.SrcPort}
			if e.Receive(p.now, p.path, &tuple, &s) != wire.ListenFull {
				p.events[1].Take()
				continue
			}
			refused++
			events := p.events[1].Take()
			if len(events) != 1 || events[0].Kind != SegmentDropped || events[0].Drop != wire.ListenFull || events[0].Tuple != tuple {
				t.Fatalf("%s: SYN %d left %+v", name, i, events)
			}
		}
		if refused == 0 {
			t.Errorf("%s: no SYN was refused", name)
		}
	}
}
