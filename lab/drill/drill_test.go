package drill_test

import (
	"fmt"
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

// What is wrong with a setting or a key is told where it stands.
func TestMistakesInSettings(t *testing.T) {
	for _, c := range []struct{ text, at, says string }{
		{"`sysctl -q net.ipv4.tcp_sack=1 net.ipv4.tcp_sck=1`\n+0 close(3) = 0", "1:32", "did you mean net.ipv4.tcp_sack?"},
		{"`sysctl net.ipv4.tcp_fastopen_key=1-2-3`\n+0 close(3) = 0", "1:9", "four hexadecimal numbers"},
		{"`sysctl -q net.ipv4.tcp_ecn_option=4`\n+0 close(3) = 0", "1:12", "0 to 3"},
		{"`sysctl net.ipv4.tcp_sack`\n+0 close(3) = 0", "1:9", "NAME=VALUE"},
		{"`sleep 1x`\n+0 close(3) = 0", "1:8", "number of seconds"},
		{"0 socket(..., SOCK_STREAM, 6) = 3\n+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, \"ab\", 16) = 0", "2:45", "a key of 2 bytes, and the call says 16"},
	} {
		s, err := script.Parse("x.pkt", c.text)
		if err == nil {
			err = drill.Play(s, drill.Options{}).Err
		}
		if got := fmt.Sprint(err); !strings.HasPrefix(got, "x.pkt:"+c.at+": ") || !strings.Contains(got, c.says) {
			t.Errorf("%q: %s; want it at %s, with %q", c.text, got, c.at, c.says)
		}
	}
}

// Counts of AccECN are compared by what they count, whichever order they have.
func TestCountsAreCompared(t *testing.T) {
	for counts, same := range map[string]bool{"e0b 301 ceb 100": true, "e1b 1 ceb 100 e0b 301": false, "e1b 100 ceb 301": false, "e0b 301": false, "e0b 301 ceb 101": false, "e1b 301 ceb 100": false} {
		s, err := script.Parse("x", "`sysctl -q net.ipv4.tcp_ecn=3`\n0 socket(..., SOCK_STREAM, 6) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"+
			"+0 < SEWA 0:0(0) win 65535 <mss 1000,sackOK,nop,nop>\n+0 > SW. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,ECN e1b 1 ceb 0 e0b 1>\n"+
			"+0 < W. 1:1(0) ack 1 win 65535\n+0 accept(3, ..., ...) = 4\n+0 < [ect0] P.5 1:301(300) ack 1 win 65535\n+0 > .5 1:1(0) ack 301 <...>\n"+
			"+0 < [ce] P.5 301:401(100) ack 1 win 65535\n+0 > .6 1:1(0) ack 401 <ECN "+counts+strings.Repeat(",nop", (2-3*strings.Count(counts, "b ")+12)%4)+">")
		if err != nil {
			t.Error(err)
		} else if r := drill.Play(s, drill.Options{}); (r.Err == nil) != same {
			t.Errorf("%s: %v", counts, r.Err)
		}
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
