package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
)

// Every peer that a row names can be attached to the row's path.
func TestRowsNamePeersThatRun(t *testing.T) {
	for _, r := range rows() {
		for _, name := range r.peers {
			p, err := findPeer(name)
			if err != nil {
				t.Errorf("%s: %v", r.name, err)
				continue
			}
			if p.attach[r.path] == nil {
				t.Errorf("%s: %s does not run over %s", r.name, name, r.path)
			}
		}
	}
}

// Each kind of measurement, on the peers that need no privilege, gives figures.
func TestMeasure(t *testing.T) {
	for _, r := range rows() {
		for _, name := range r.peers {
			p, err := findPeer(name)
			if err != nil {
				t.Fatal(err)
			}
			if p.privileged[r.path] {
				continue
			}
			t.Run(r.name+"/"+name, func(t *testing.T) {
				near, far, err := p.attach[r.path]()
				if err != nil {
					t.Fatal(err)
				}
				res, err := measure(r, near, far, 50*time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				if res.Bytes+int64(res.Ops) <= 0 || res.CPU <= 0 || res.Seconds <= 0 {
					t.Errorf("empty result %+v", res)
				}
			})
		}
	}
}

func TestSpread(t *testing.T) {
	results := []result{{P50: 5}, {P50: 1}, {P50: 9}, {P50: 2}}
	got := spread(results, func(r result) float64 { return r.P50 })
	if want := (figure{Median: 3.5, Least: 1, Most: 9}); got != want {
		t.Errorf("even count: %+v, want %+v", got, want)
	}
	got = spread(results[:3], func(r result) float64 { return r.P50 })
	if want := (figure{Median: 5, Least: 1, Most: 9}); got != want {
		t.Errorf("odd count: %+v, want %+v", got, want)
	}
}

func TestChoose(t *testing.T) {
	from := []string{"a", "b", "c"}
	if got, err := choose("all", from); err != nil || !slices.Equal(got, from) {
		t.Errorf("all: %v, %v", got, err)
	}
	if got, err := choose("c,a", from); err != nil || !slices.Equal(got, []string{"c", "a"}) {
		t.Errorf("c,a: %v, %v", got, err)
	}
	if _, err := choose("a,x", from); err == nil {
		t.Error("x was taken")
	}
}

// A failed round is shown and makes the run fail; a skipped one does not.
func TestReportTellsFailures(t *testing.T) {
	s := spec{Row: "mem1500", Peer: "gvisor"}
	p := plan{row: rows()[0], cases: []spec{s}}
	good := result{Row: s.Row, Peer: s.Peer, Seconds: 1, CPU: 2, Bytes: 1e9, Mallocs: 1000}
	bad := result{Row: s.Row, Peer: s.Peer, Err: "broken"}
	skipped := result{Row: s.Row, Peer: s.Peer, Skipped: "no room"}

	for _, c := range []struct {
		name    string
		results []result
		want    []string
		fails   bool
	}{
		{"good", []result{good}, []string{"2.00 (2.00..2.00)", "8.00 (8.00..8.00)", "1.00 x"}, false},
		{"one round bad", []result{good, bad}, []string{"2.00 (2.00..2.00)", "FAILED: broken"}, true},
		{"skipped", []result{skipped}, []string{"skipped: no room"}, false},
	} {
		rep := makeReport(options{rounds: 1, seconds: 1}, []plan{p}, c.results, time.Unix(0, 0))
		var b bytes.Buffer
		if err := rep.print(&b); err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: no %q in\n%s", c.name, w, b.String())
			}
		}
		if got := rep.failure() != nil; got != c.fails {
			t.Errorf("%s: failure %v, want %v", c.name, got, c.fails)
		}
	}
}

// take moves exactly the bytes that were read, and leaves the rest of the
// pieces for the next packet.
func TestTake(t *testing.T) {
	views := []*buffer.View{buffer.NewViewSize(4), buffer.NewViewSize(8), buffer.NewViewSize(16)}
	copy(views[0].AsSlice(), "abcd")
	copy(views[1].AsSlice(), "efghijkl")
	b := take(views, 7)
	if got := string(b.Flatten()); got != "abcdefg" {
		t.Errorf("took %q", got)
	}
	if views[0] != nil || views[1] != nil || views[2] == nil {
		t.Errorf("pieces left: %v", views)
	}
}
