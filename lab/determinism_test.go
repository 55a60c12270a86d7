package lab

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/lab/trace"
)

// A scenario keeps its shape whatever the seed: what differs are the numbers on
// the wire.
func TestScenariosWithOtherSeeds(t *testing.T) {
	for _, info := range Scenarios() {
		s, err := Find(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		base, err := s.Run(Options{})
		if err != nil {
			t.Fatal(err)
		}
		for seed := uint64(1); seed <= 20; seed++ {
			r, err := s.Run(Options{Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			if r.Text() != base.Text() {
				t.Errorf("%s, seed %d:\n%s", info.Name, seed, r.Text())
			}
			if slices.EqualFunc(r.Packets, base.Packets, func(a, b trace.Packet) bool { return bytes.Equal(a.Data, b.Data) }) {
				t.Errorf("%s: seed %d sends the same packets", info.Name, seed)
			}
		}
	}
}

// What the caller asks for comes on top of the scenario.
func TestOptions(t *testing.T) {
	s, err := Find("three-way-handshake")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Run(Options{Delay: 70 * time.Millisecond})
	if err != nil || len(r.Failed) > 0 {
		t.Fatal(err, r.Failed)
	}
	if got := r.Packets[0].Arrivals[0].Time.Sub(r.Packets[0].Time); got != 70*time.Millisecond {
		t.Errorf("the first packet took %v", got)
	}
	r, err = s.Run(Options{Loss: 1})
	if err != nil || len(r.Failed) == 0 {
		t.Errorf("nothing failed on a wire that loses everything: %v", err)
	}
	for i := range r.Packets {
		if !r.Packets[i].Lost || len(r.Packets[i].Arrivals) > 0 {
			t.Errorf("packet %d arrived", i+1)
		}
	}
	for _, mode := range []string{"off", "auto", "always"} {
		if r, err = s.Run(Options{Cookies: mode}); err != nil || len(r.Failed) > 0 && mode != "always" {
			t.Errorf("cookies %s: %v %v", mode, err, r.Failed)
		}
	}
	if _, err = s.Run(Options{Cookies: "chocolate"}); err == nil {
		t.Error("there are no chocolate cookies")
	}
}

// Every packet that arrives was sent, and every segment event names its packet.
func TestEventsNameTheirPackets(t *testing.T) {
	for _, info := range Scenarios() {
		s, _ := Find(info.Name)
		r, err := s.Run(Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Events {
			e := &r.Events[i]
			isSegment := e.Class == trace.Wire || e.Class <= trace.Scripted && e.Kind <= 2
			if isSegment != (e.Packet > 0) || e.Packet > len(r.Packets) {
				t.Errorf("%s, event %d: packet %d: %+v", info.Name, i, e.Packet, e)
			}
			if i > 0 && e.Time < r.Events[i-1].Time {
				t.Errorf("%s, event %d goes back in time", info.Name, i)
			}
		}
	}
}
