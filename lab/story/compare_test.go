package story

import (
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
)

// What is different between two scenarios is named, and what is the same is not.
func TestCompare(t *testing.T) {
	plain, lost := played("three-way-handshake", lab.Options{Seed: 1}), played("three-way-handshake-lost-syn", lab.Options{Seed: 1})
	got := map[string]string{}
	for _, d := range Compare(English, &plain.Run, &lost.Run) {
		got[d.Name] = strings.Join(d.Values, " | ")
	}
	for name, want := range map[string]string{
		"client: ESTABLISHED after": "20 ms | 1.02 s", "packets": "7 | 8", "of them lost": "0 | 1", "sent again": "0 | 1",
		"time until the last event": "61.02 s | 61.04 s", "client ends in": "", "client passes": "", "bytes of data in them": "",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if d := Compare(English, &plain.Run, &plain.Run); len(d) > 0 {
		t.Errorf("a run differs from itself: %v", d)
	}
}

// The connections of strangers do not hide what becomes of the honest one's.
func TestCompareFloods(t *testing.T) {
	flood, cookies := played("syn-flood", lab.Options{Seed: 1}), played("syn-flood-cookies", lab.Options{Seed: 1})
	for _, d := range Compare(English, &flood.Run, &cookies.Run) {
		if got := strings.Join(d.Values, " | "); d.Name == "server ends in" && got != "LISTEN | ESTABLISHED" {
			t.Errorf("%s: %s", d.Name, got)
		}
	}
}

// Two pictures beside each other keep their texts apart, and those of the table.
func TestComparisonLayout(t *testing.T) {
	for _, lang := range []Lang{English, Chinese} {
		for _, pair := range [][2]string{{"syn-flood", "syn-flood-cookies"}, {"simultaneous-close", "path-mtu"}, {"connection-refused", "fast-retransmit"}} {
			var c Comparison
			a, b := played(pair[0], lab.Options{Seed: 1}), played(pair[1], lab.Options{Seed: 1})
			for i, r := range []*lab.Result{a, b} {
				told := Tell(&r.Run, TellOptions{Lang: lang})
				c.Sides = append(c.Sides, Side{Picture{Title: pair[i], Lanes: told.Lanes, Lang: lang}, told.Steps})
			}
			c.Differences = Compare(lang, &a.Run, &b.Run)
			all, width, height := c.draw()
			checkBoxes(t, pair[0]+" "+pair[1], all.boxes, width, height)
			var svg strings.Builder
			if err := c.Write(&svg); err != nil {
				t.Fatal(err)
			}
			if err := wellFormed(svg.String()); err != nil {
				t.Error(err)
			}
		}
	}
}

// Texts stand beside each other when they fit, whatever their colours and the
// width of their characters.
func TestBeside(t *testing.T) {
	left, right := "a\n\x1b[31mred\x1b[0m\n三次握手", "1\n2"
	const want = "a        │ 1\n\x1b[31mred\x1b[0m      │ 2\n三次握手 │\n"
	if got, ok := Beside(left, " │ ", right, 12); !ok || got != want {
		t.Errorf("%v: %q, want %q", ok, got, want)
	}
	if _, ok := Beside(left, " │ ", right, 11); ok {
		t.Error("12 columns fit into 11")
	}
}

// Differences fit the width, and each title stands above its values.
func TestDifferencesTable(t *testing.T) {
	rows := []Difference{{"packets", []string{"7", "8"}}, {"client passes", []string{"SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSED", "SYN-SENT CLOSED"}}}
	const want = `               one                 two
packets        7                   8
client passes  SYN-SENT            SYN-SENT CLOSED
               ESTABLISHED
               FIN-WAIT-1 CLOSED
`
	if got := DifferencesTable([]string{"one", "two"}, rows, 53); got != want {
		t.Errorf("got:\n%s", got)
	}
}

// A page of nothing, and one of several runs, can be written.
func TestPageOfNothing(t *testing.T) {
	for _, p := range []Page{{}, {Runs: make([]PageRun, 1)}, {Runs: make([]PageRun, 12), Lang: Chinese}} {
		var b strings.Builder
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(b.String(), "<section"); got != len(p.Runs) {
			t.Errorf("%d sections, want %d", got, len(p.Runs))
		}
	}
}
