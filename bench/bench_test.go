package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// Every peer that a row names has what the row needs.
func TestRowsNamePeersThatRun(t *testing.T) {
	for _, r := range rows() {
		for _, name := range r.peers {
			p, err := findPeer(name)
			if err != nil {
				t.Errorf("%s: %v", r.name, err)
				continue
			}
			if !r.measurable(p) {
				t.Errorf("%s: %s cannot be measured", r.name, name)
			}
		}
	}
}

// What is measured when nothing is said exists.
func TestDefaultRows(t *testing.T) {
	for _, list := range []string{defaultRows, quickRows, "all", "matrix-*"} {
		if _, err := makePlan(options{rows: list, peers: "all"}); err != nil {
			t.Errorf("%s: %v", list, err)
		}
	}
}

// Each kind of measurement, on the peers that need no privilege, gives figures.
func TestMeasure(t *testing.T) {
	for _, r := range rows() {
		if r.count > 10_000 || r.streams == manyStreams || r.kind == build || r.kind == size || r.named && r.buffers != 4<<20 || r.kind.isBetween() {
			continue
		}
		r.count = min(r.count, 200)
		for _, name := range r.peers {
			p, err := findPeer(name)
			if err != nil {
				t.Fatal(err)
			}
			if p.privileged[r.path] || p.objects[r.kind] != nil || r.kind == flood && name != "handfast" {
				continue
			}
			if alike.Raced && name == "lneto" {
				continue // the detector finds data races in it, and they are not ours to mend
			}
			t.Run(r.name+"/"+name, func(t *testing.T) {
				res, err := measureCase(r, p, 1, 50*time.Millisecond)
				if err != nil { // a busy machine may need longer to get going
					res, err = measureCase(r, p, 1, 3*time.Second)
				}
				if err != nil {
					t.Fatal(err)
				}
				// What a few entries take is less than what others leave behind meanwhile.
				if res.Ops == 0 && res.Bytes <= 0 || res.Seconds <= 0 {
					t.Errorf("empty result %+v", res)
				}
				if r.kind == flood && res.Full != floodHonest {
					t.Errorf("%d of %d honest clients got in, %d with SACK and window scale", res.Honest, floodHonest, res.Full)
				}
			})
		}
	}
}

// What New needs is linked into every program, so it needs little: a program that serves
// has no client of name servers, and no sockets of UDP.
func TestEchoServerIsSmall(t *testing.T) {
	p, err := findPeer("handfast")
	if err != nil {
		t.Fatal(err)
	}
	res, err := measureBuild(row{kind: size}, p)
	if err != nil {
		t.Fatal(err)
	}
	const most = 3_350_000
	if res.Skipped != "" {
		t.Skip(res.Skipped)
	}
	if runtime.GOARCH == "amd64" && res.Bytes > most {
		t.Errorf("the echo server takes %d bytes, more than %d", res.Bytes, most)
	}
}

// The echo servers use the versions that the table names.
func TestProgramsPinTheSameVersions(t *testing.T) {
	pins := func(name string) map[string]string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := make(map[string]string)
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(f) > 1 && strings.HasPrefix(f[1], "v") {
				found[f[0]] = f[1]
			}
		}
		return found
	}
	ours := pins("go.mod")
	for program, module := range map[string]string{"gvisor": gvisorModule, "lneto": "github.com/soypat/lneto"} {
		if got := pins("echo/" + program + "/go.mod")[module]; got == "" || got != ours[module] {
			t.Errorf("echo/%s has %s %q, the benchmark %q", program, module, got, ours[module])
		}
	}
}

// A synthetic SYN is a packet that we can read back, and its connection's
// number is in its address.
func TestSynIsItsOwnInverse(t *testing.T) {
	for _, i := range []int{0, 1, crowdPerAddress - 1, crowdPerAddress, 999_999} {
		want := syn(i, benchTarget)
		b := want.append(nil)
		var got segment
		if !got.parse(b) {
			t.Fatalf("%d: no TCP in % x", i, b)
		}
		if index(got.src) != i || got.dst != benchTarget || got.Flags != wire.SYN || got.Options != synOptions {
			t.Errorf("%d: %d, %v", i, index(got.src), got)
		}
	}
}

// A chart is well-formed and has a bar for each figure.
func TestChart(t *testing.T) {
	r := rowReport{Name: "mem1500", Title: "a < b", Kind: bulk, Peers: []peerReport{
		{Peer: "handfast", Figures: map[string]figure{"cpu_s_per_gb": {Median: 1}}},
		{Peer: "gvisor", Figures: map[string]figure{"cpu_s_per_gb": {Median: 8}}},
		{Peer: "lneto", Note: "skipped"},
	}}
	b := report{}.chart("title", []rowReport{r})
	d := xml.NewDecoder(bytes.NewReader(b))
	bars := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 { // two and the ground
		t.Errorf("%d rectangles in\n%s", bars, b)
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
	from, most := []string{"a", "b", "c-1", "c-2"}, []string{"a", "b"}
	for list, want := range map[string][]string{"all": most, "b,a": {"b", "a"}, "c-*,a": {"c-1", "c-2", "a"}} {
		if got, err := choose(list, from, most); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"a,x", "d*", "[", ""} {
		if _, err := choose(list, from, most); err == nil {
			t.Errorf("%q was taken", list)
		}
	}
}

// A failed round is shown; when all fail, the run does. Skipping is not a failure.
func TestReportTellsFailures(t *testing.T) {
	s := spec{Row: "mem1500", Peer: "handfast"}
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
		{"good", []result{good}, []string{" 2 ", " 8 ", "1.00 x"}, false},
		{"one round bad", []result{good, bad}, []string{" 2 ", "FAILED in round 0: broken"}, false},
		{"all rounds bad", []result{bad, bad}, []string{"FAILED in round 0: broken"}, true},
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
