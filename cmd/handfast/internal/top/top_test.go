package top

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares got with a file of testdata, which -rewrite writes.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name+".txt")
	got = strings.NewReplacer("\x1b[7m", "⟦", "\x1b[0m", "⟧").Replace(got) // what is chosen
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-rewrite accepts it); got:\n%s", name, got)
	}
}

var began = time.Date(2026, 11, 29, 12, 3, 0, 0, time.UTC)

func end4(a string, port uint16) inspect.Endpoint {
	return inspect.Endpoint{Addr: netip.MustParseAddr(a), Port: port}
}

// rows are those of a server with some clients, n seconds after it began.
func rows(n uint64) []inspect.Row {
	local := end4("10.77.0.2", 80)
	listener := inspect.Row{Proto: "tcp6", State: inspect.State(tcp.Listen), Local: inspect.Endpoint{Port: 80}, RecvQ: 3, SendQ: 4096}
	all := []inspect.Row{listener,
		{Proto: "tcp", State: inspect.State(tcp.SynReceived), Local: local, Remote: end4("10.77.0.1", 39000)},
		{Proto: "tcp", State: inspect.State(tcp.TimeWait), Local: local, Remote: end4("10.77.0.1", 39001)}}
	for i := range uint64(4) {
		all = append(all, inspect.Row{Proto: "tcp", State: inspect.State(tcp.Established), Local: local, Remote: end4("10.77.0.1", uint16(40000+i)),
			SendQ: int(i) * 150_000, Timer: "on", Expires: inspect.Seconds(204 * time.Millisecond),
			Details: &inspect.Details{Congestion: "cubic", CAState: "open", RTT: inspect.Seconds(time.Duration(i+1) * 1234 * time.Microsecond), RTTVar: inspect.Seconds(time.Millisecond),
				MinRTT: inspect.Seconds(900 * time.Microsecond), RTO: inspect.Seconds(204 * time.Millisecond), MSS: 1448, PMTU: 1500, Cwnd: 10 + int(n), Ssthresh: 1 << 31,
				BytesAcked: n * n * (i + 1) * 100_000, BytesSent: n * n * (i + 1) * 100_500, BytesReceived: n * 100, TotalRetrans: uint32(i * n), SndWnd: 65535, RcvWnd: 262144, Options: []string{"ts", "sack"}}})
	}
	long := "2001:db8:1234:5678:9abc:def0:1234:5678"
	return append(all, inspect.Row{Proto: "tcp6", State: inspect.State(tcp.CloseWait), Local: end4(long, 443), Remote: end4(long, 65535), Details: &inspect.Details{BytesAcked: n}})
}

// hosts are so many, in the n-th second; under a flood from the fourth on.
func hosts(n uint64, count int) (all []pulse.Host) {
	for i := range count {
		r := &inspect.Report{Rows: rows(n), Header: inspect.Header{Time: began, Defence: &inspect.Defence{HalfOpen: 40, MaxHalfOpen: 4096},
			Flood:    &inspect.Flood{Level: "quiet", Text: "quiet: 2/s, 2/s completed, half-open 40/4096", Numbers: map[string]float64{"syns_per_second": 2}},
			Counters: map[string]map[string]uint64{"Tcp": {"RetransSegs": 4 * n}, "TcpExt": {"SyncookiesSent": 0}}}}
		if n > 3 {
			r.Defence = &inspect.Defence{HalfOpen: 3000, MaxHalfOpen: 4096, Attack: true, SendingCookies: true}
			r.Flood = &inspect.Flood{Level: "flood", Numbers: map[string]float64{"syns_per_second": 31_000},
				Text: "possible SYN flooding on port 80. Sending cookies. half-open 3000/4096, 98 % unanswered, 31k/s from about 250k sources"}
			r.Counters["TcpExt"]["SyncookiesSent"] = 31_000 * (n - 3)
		}
		all = append(all, pulse.Host{PID: 4711 + i, Name: "serve", Report: r})
	}
	return all
}

// watched is a screen that has seen some seconds.
func watched(seconds uint64, count int, m Model) *Model {
	p := pulse.New()
	for n := range seconds {
		m.See(p.Look(began.Add(time.Duration(n)*time.Second), hosts(n, count)), nil)
	}
	return &m
}

func press(m *Model, keys ...string) *Model {
	for _, k := range keys {
		m.Key(k)
	}
	return m
}

// ladder is what a connection of ours has done.
func ladder(l story.Lang) *story.Telling {
	return &story.Telling{Lanes: []story.Head{{Title: "client\n10.77.0.1:40003", Plain: true}, {Title: "Handfast\n10.77.0.2:80"}},
		Steps: []story.Step{{Time: 1e9, Kind: story.Arrow, Lane: story.Left, To: story.Right, Fields: []string{"[S]", "seq 0", "win 64240"}},
			story.Changed(1e9, story.Right, tcp.Listen, tcp.SynReceived, "SYN"), {Time: 1e9, Kind: story.Arrow, Lane: story.Right, To: story.Left, Fields: []string{"[S.]", "seq 0", "ack 1", "win 65535"}},
			{Time: 1_002e6, Kind: story.Arrow, Lane: story.Left, To: story.Right, Fields: []string{"[.]", "seq 1", "ack 1", "win 64240"}},
			story.Changed(1_002e6, story.Right, tcp.SynReceived, tcp.Established, "")}}
}

// The frames that people see most, in both languages.
func TestFrames(t *testing.T) {
	for _, l := range []story.Lang{story.English, story.Chinese} {
		name := []string{"en", "zh"}[l]
		small := func(seconds uint64) *Model { return watched(seconds, 1, Model{Lang: l, Width: 80, Height: 24}) }
		golden(t, "list-"+name, small(3).Frame())
		golden(t, "flood-"+name, press(small(6), "x", "a").Frame())
		golden(t, "wide-"+name, watched(6, 2, Model{Lang: l, Width: 132, Height: 30}).Frame())
		golden(t, "states-"+name, press(small(3), "enter", "2").Frame())
		golden(t, "numbers-"+name, press(small(3), "enter", "3").Frame())
		m := press(small(3), "down", "enter")
		golden(t, "asking-"+name, m.Frame())
		m.Told(m.open.ID, nil, nil)
		golden(t, "seen-"+name, m.Frame())
		m.Told(m.open.ID, ladder(l), nil)
		golden(t, "ladder-"+name, m.Frame())
		golden(t, "once-"+name, small(6).Still())
	}
}

// Whatever is typed and however large the screen is, a frame has its lines, and none is
// wider than it may be.
func TestFramesFit(t *testing.T) {
	keys := []string{"up", "down", "pgup", "pgdown", "home", "end", "enter", "esc", "tab", "shift+tab", "1", "2", "3", "a", "r", "t", "x", "u", "p", "p", "?"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		m := Model{Lang: story.Lang(random.IntN(2)), Color: random.IntN(2) == 0, Width: minWidth + random.IntN(140), Height: minHeight + random.IntN(50)}
		p := pulse.New()
		for n := range uint64(40) {
			if n%3 == 0 {
				m.See(p.Look(began.Add(time.Duration(n)*time.Second), hosts(n, random.IntN(3))), nil)
			}
			if c := m.Opened(); c != nil && n%5 == 0 {
				m.Told(c.ID, ladder(m.Lang), nil)
			}
			m.Key(keys[random.IntN(len(keys))])
			lines := strings.Split(m.Frame(), "\n")
			if len(lines) != m.Height {
				t.Fatalf("%d lines of %d:\n%s", len(lines), m.Height, m.Frame())
			}
			for _, line := range lines {
				if w := columnsOf(line); w > m.Width {
					t.Fatalf("%d columns of %d: %s", w, m.Width, line)
				}
			}
		}
	}
}

// The cursor follows its connection when the order changes, and the list follows the cursor.
func TestCursor(t *testing.T) {
	m := watched(3, 3, Model{Width: 80, Height: minHeight})
	press(m, "a", "end")
	last := m.chosen
	if at := m.at(); at != len(m.shown)-1 {
		t.Errorf("the end is %d of %d", at, len(m.shown))
	}
	m.Frame()
	if m.offset != len(m.shown)-m.rows() {
		t.Errorf("the list begins at %d", m.offset)
	}
	press(m, "u")
	if m.chosen != last {
		t.Error("another order chooses another connection")
	}
	press(m, "home", "up")
	if m.at() != 0 {
		t.Errorf("the beginning is %d", m.at())
	}
	if m.Frame(); m.offset != 0 {
		t.Errorf("the list begins at %d", m.offset)
	}
}

// Held still nothing changes, and one that has ended says so.
func TestHoldAndEnd(t *testing.T) {
	m := watched(3, 1, Model{Width: 80, Height: 24})
	press(m, "enter", "p")
	held := m.Frame()
	p := pulse.New()
	p.Look(began, hosts(0, 1))
	m.See(&pulse.Beat{Time: began.Add(time.Hour)}, nil)
	if m.Frame() != held {
		t.Error("it moves")
	}
	press(m, "p")
	m.See(&pulse.Beat{Time: began.Add(time.Hour)}, nil)
	if first, _, _ := strings.Cut(m.Frame(), "\n"); !strings.HasSuffix(first, words.gone[0]) {
		t.Error(first)
	}
	m.See(nil, errors.New("nobody answers"))
	if press(m, "esc"); !strings.Contains(m.Frame(), words.lost[0]) {
		t.Error(m.Frame())
	}
	if !press(m).Key("q") || !m.Key("ctrl+c") {
		t.Error("it does not end")
	}
}

// One frame comes without a terminal, all rows of it, in plain text.
func TestOnce(t *testing.T) {
	n := uint64(0)
	o := Options{Every: time.Millisecond, Look: func(context.Context) ([]pulse.Host, error) { n++; return hosts(n, 5), nil }}
	var b bytes.Buffer
	if err := Once(t.Context(), &b, 80, 0, o); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "ESTAB"); n != 20 || strings.Contains(b.String(), "\x1b") {
		t.Errorf("%d rows:\n%s", n, &b)
	}
	o.Look = func(context.Context) ([]pulse.Host, error) { return nil, errors.New("nobody") }
	if err := Once(t.Context(), &b, 80, 0, o); err == nil {
		t.Error("nobody is no error")
	}
}

func TestFigures(t *testing.T) {
	for got, want := range map[string]string{
		size(0): "0 B", size(999): "999 B", size(999.6): "1.0 kB", size(9949): "9.9 kB", size(9960): "10 kB", size(1.5e12): "1.5 TB", size(2e15): "2000 TB",
		count(0): "", count(12): "12", count(1500): "1.5k", speed(0.1): "", speed(31e6): "31 MB/s",
		short(0): "", short(1500): "1.5 µs", short(250 * time.Microsecond): "250 µs", short(1200 * time.Microsecond): "1.2 ms", short(9960 * time.Microsecond): "10 ms", short(1200 * time.Millisecond): "1.2 s",
		bar(0, 4): "░░░░", bar(0.0001, 4): "▏░░░", bar(0.5, 4): "██░░", bar(9, 4): "████", bar(0.6, 4): "██▍░",
		fit("abc", 5): "abc  ", fit("abcdef", 4): "abc…", fit("状态图", 5): "状态…", fit("状态图", 4): "状… ", fitRight("ab", 4): "  ab", age(90 * time.Second): "1 min", age(3 * time.Hour): "3 h",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := threshold(1<<31-1) + threshold(7); got != "–7" {
		t.Error(got)
	}
}
