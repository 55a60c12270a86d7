package drill_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// scripts calls f with each script of testdata.
func scripts(t *testing.T, f func(t *testing.T, s *script.Script)) {
	t.Helper()
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pkt") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		t.Run(strings.TrimSuffix(path, ".pkt"), func(t *testing.T) {
			s, err := script.Parse(path, string(text))
			if err != nil {
				t.Fatal(err)
			}
			f(t, s)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Every script of ours passes over both versions of IP, and nothing leaves the host that it
// does not expect.
func TestScripts(t *testing.T) {
	scripts(t, func(t *testing.T, s *script.Script) {
		for _, version := range []int{4, 6} {
			if r := drill.Play(s, drill.Options{Strict: true, IPVersion: version}); r.Err != nil {
				t.Errorf("IPv%d: %v", version, r.Err)
			}
		}
	})
}

// A script that expects something else fails: each packet and each call, with one number
// changed.
func TestScriptsCanFail(t *testing.T) {
	scripts(t, func(t *testing.T, s *script.Script) {
		for i := range s.Events {
			e := &s.Events[i]
			switch {
			case e.Packet != nil && e.Packet.Out && !e.Packet.Flags.Has(wire.SYN):
				e.Packet.Seq++
				mustFail(t, s, e, "another number")
				e.Packet.Seq--
				e.Packet.Flags ^= wire.URG
				mustFail(t, s, e, "another flag")
				e.Packet.Flags ^= wire.URG
			case e.Packet != nil && e.Packet.Out:
				e.Packet.Len++
				mustFail(t, s, e, "another length")
				e.Packet.Len--
			case e.Call != nil && e.Call.Errno != "":
				was := e.Call.Errno
				e.Call.Errno = "ENOSPC"
				mustFail(t, s, e, "another error")
				e.Call.Errno = was
			}
		}
	})
}

func mustFail(t *testing.T, s *script.Script, e *script.Event, what string) {
	t.Helper()
	if r := drill.Play(s, drill.Options{Strict: true}); r.Err == nil {
		t.Errorf("line %d with %s passes", e.Pos.Line, what)
	}
}

// What a script says must not end the player otherwise than with a result.
func FuzzPlay(f *testing.F) {
	filepath.WalkDir("testdata", func(path string, _ fs.DirEntry, _ error) error {
		if text, err := os.ReadFile(path); err == nil {
			f.Add(string(text))
		}
		return nil
	})
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := script.Parse("x", text); err == nil && len(s.Events) < 100 {
			drill.Play(s, drill.Options{Strict: len(text)%2 == 0, IPVersion: 4 + len(text)/2%2*2})
		}
	})
}

// The scripts in the documentation pass.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/DRILL.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, block := range strings.Split(string(text), "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "\n// RFC") {
			continue
		}
		n++
		s, err := script.Parse("DRILL.md", block)
		if err != nil {
			t.Error(err)
			continue
		}
		if r := drill.Play(s, drill.Options{Strict: true}); r.Err != nil {
			t.Error(r.Err)
		}
	}
	if n < 4 {
		t.Errorf("%d scripts were found", n)
	}
}

// notPlayed are the scenarios of which a script does not play to its end, and why.
var notPlayed = map[string]string{
	"client-crashes-and-returns":       "several connections: calls cannot be told apart",
	"fast-open":                        "the host has other options than its SYN tells",
	"fast-open-stale-cookie":           "the host has other options than its SYN tells",
	"half-open-peer-restarted":         "the host is started again",
	"nagle-and-delayed-ack":            "the host has other options than its SYN tells",
	"syn-flood-with-shorter-timeouts":  "the host has other options than its SYN tells",
	"three-segment-close":              "the program answers before the host does",
	"three-way-handshake-lost-syn-ack": "both ends repeat at the same instant: which is first is not told",
	"zero-window":                      "how the program reads while it waits",
}

// What the lab writes of its scenarios plays.
func TestScenariosPlay(t *testing.T) {
	for _, info := range lab.Scenarios() {
		s, err := lab.Find(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Run(lab.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		host := ""
		for _, h := range r.Hosts {
			if !h.Scripted && !h.Router {
				host = h.Name
			}
		}
		var b strings.Builder
		if err := trace.WriteDrill(&b, &r.Run, host, nil); err != nil {
			t.Fatal(err)
		}
		parsed, err := script.Parse(s.Name, b.String())
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		err, why := drill.Play(parsed, drill.Options{}).Err, notPlayed[s.Name]
		if (err != nil) != (why != "") {
			t.Errorf("%s: %v; expected to fail: %q", s.Name, err, why)
		}
	}
}
