package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// analyze follows a capture to its end.
func analyze(t *testing.T, file []byte, o capture.Options) (all []*capture.Conn, counts capture.Counts) {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	o.Ended = func(c *capture.Conn) { all = append(all, c) }
	tr := capture.NewTracker(o)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		tr.Packet(p)
	}
	tr.Finish()
	slices.SortFunc(all, func(a, b *capture.Conn) int { return a.Stream - b.Stream })
	return all, tr.Counts
}

func play(t *testing.T, name string) *lab.Result {
	t.Helper()
	s, err := lab.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Run(lab.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func captured(t *testing.T, r *lab.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trace.WriteCapture(&b, "", &r.Run); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// silent are causes that send nothing: no capture shows them.
var silent = []tcp.Cause{tcp.CauseTimeWaitOver, tcp.CauseFinWait2Over, tcp.CauseTimeout, tcp.CauseUserTimeout, tcp.CauseReuse}

// engineStates are the states of each end as the engine tells them, by tuple.
func engineStates(r *lab.Result) map[wire.Tuple][]string {
	all := map[wire.Tuple][]string{}
	for i := range r.Events {
		e := &r.Events[i]
		if e.Class == trace.Engine && e.Kind == tcp.StateChanged && !slices.Contains(silent, e.Cause) {
			all[e.Tuple] = append(all[e.Tuple], fmt.Sprintf("%v>%v", e.From, e.State))
		}
	}
	return all
}

func inferred(moves []capture.Move) (all []string) {
	for _, m := range moves {
		all = append(all, fmt.Sprintf("%v>%v", m.From, m.To))
	}
	return all
}

// unlike are scenarios in which a capture tells less, or more, than the engines.
var unlike = map[string]string{
	"old-duplicate-syn":          "the old SYN is a connection of its own, and whose the answer to it is nothing says",
	"client-crashes-and-returns": "of the connection that the crash has left, the server's end lives on beside the new SYN",
	"half-open-peer-restarted":   "the server that resets is another one: the crashed one's engine tells nothing",
	"keepalive-dead-peer":        "the RST does not arrive, and its receiver is gone",
}

// What is inferred of both ends is what their engines have told, in every scenario. What
// sends nothing is left out: that a timer has fired no capture shows.
func TestStatesAreTheEngines(t *testing.T) {
	for _, s := range lab.Scenarios() {
		r := play(t, s.Name)
		want := engineStates(r)
		conns, _ := analyze(t, captured(t, r), capture.Options{})
		got := map[wire.Tuple][]string{}
		for _, c := range conns {
			got[c.Tuple] = append(got[c.Tuple], inferred(c.Sides[capture.Client].Moves)...)
			got[c.Tuple.Reverse()] = append(got[c.Tuple.Reverse()], inferred(c.Sides[capture.Server].Moves)...)
		}
		same := true
		for tuple, w := range want {
			g := got[tuple]
			if slices.Equal(g, w) {
				continue
			}
			if same = false; unlike[s.Name] == "" {
				t.Errorf("%s: %v\n   engine   %v\n   inferred %v", s.Name, tuple, w, g)
			}
		}
		if same && unlike[s.Name] != "" {
			t.Errorf("%s: no difference, although %s", s.Name, unlike[s.Name])
		}
	}
}

// However many connections a capture has, only so many are followed at a time; one that
// has to go is told as cut.
func TestFollowedAreBounded(t *testing.T) {
	told, cut := 0, 0
	tr := capture.NewTracker(capture.Options{MaxOpen: 100, Ended: func(c *capture.Conn) {
		told++
		if c.Cut {
			cut++
		}
	}})
	for i := range 5000 {
		p := capture.Packet{Number: i + 1, Link: capture.LinkRaw, Data: synFrom(i), Size: 40}
		tr.Packet(&p)
		if told != max(0, i+1-100) {
			t.Fatalf("after %d SYNs %d connections are told", i+1, told)
		}
	}
	tr.Finish()
	if told != 5000 || cut != 4900 || tr.Counts.Cut != 4900 {
		t.Errorf("%d told, %d cut, %d counted", told, cut, tr.Counts.Cut)
	}
}

// synFrom is a SYN of the i-th source.
func synFrom(i int) []byte {
	b := []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, byte(i >> 8), byte(i), 10, 0, 0, 1,
		0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0}
	return b
}

// A connection that is open outlives a flood that fills the table, however long it is
// silent: first those go whose handshake is not over.
func TestFloodsCutTheirOwn(t *testing.T) {
	run := play(t, "half-close")
	var told []*capture.Conn
	tr := capture.NewTracker(capture.Options{MaxOpen: 50, Ended: func(c *capture.Conn) {
		if c.Tuple.RemotePort != 80 {
			told = append(told, c)
		}
	}})
	for i := range run.Packets {
		if i == len(run.Packets)/2 {
			for n := range 1000 {
				tr.Packet(&capture.Packet{Link: capture.LinkRaw, Data: synFrom(n), Size: 40, Time: run.Packets[i].Time})
			}
		}
		p := &run.Packets[i]
		tr.Packet(&capture.Packet{Number: i + 1, Time: p.Time, Link: capture.LinkRaw, Data: p.Data, Size: len(p.Data)})
	}
	tr.Finish()
	if len(told) != 1 || told[0].Cut || told[0].Verdict.Cause != capture.Closed {
		t.Errorf("%d connections beside the flood, the first %+v", len(told), told[0].Verdict)
	}
}

// A connection that is made of one that was given back knows nothing of it.
func TestReleasedAreBlank(t *testing.T) {
	describe := func(release bool) (all []string) {
		var tr *capture.Tracker
		tr = capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) {
			var b bytes.Buffer
			if err := c.WriteZeek(&b); err != nil {
				t.Fatal(err)
			}
			for i := range c.Sides {
				e := &c.Sides[i]
				fmt.Fprint(&b, e.Moves, e.Offer, e.Repeats, e.DupAcks, e.ZeroWindows, e.MaxWindow, e.RTT.Percentile(50), e.RTT.Count)
			}
			all = append(all, fmt.Sprint(b.String(), c.Verdict, c.Handshake, c.Completeness))
			if release {
				tr.Release(c)
			}
		}})
		for _, name := range []string{"sack-recovery", "half-close", "linger-zero", "zero-window", "connection-refused", "path-mtu"} {
			run := play(t, name)
			for i := range run.Packets {
				p := &run.Packets[i]
				tr.Packet(&capture.Packet{Number: i + 1, Time: p.Time, Link: capture.LinkRaw, Data: p.Data, Size: len(p.Data)})
			}
			tr.Finish()
		}
		return all
	}
	want := describe(false)
	for i, got := range describe(true) {
		if got != want[i] {
			t.Errorf("connection %d is\n%s\nwant\n%s", i, got, want[i])
		}
	}
}
