package trace_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// Every story of the lab in every form: an event is one line, what it tells can be
// read back, and no packet is missing.
func TestEveryScenario(t *testing.T) {
	for _, info := range lab.Scenarios() {
		t.Run(info.Name, func(t *testing.T) {
			s, err := lab.Find(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Run(lab.Options{})
			if err != nil {
				t.Fatal(err)
			}
			checkText(t, &r.Run)
			checkJSON(t, &r.Run)
			checkDrill(t, &r.Run)
			checkCapture(t, &r.Run)
			checkComments(t, &r.Run)
		})
	}
}

func checkText(t *testing.T, r *trace.Run) {
	text := trace.Text{Start: r.Start}
	for i := range r.Events {
		if e := &r.Events[i]; e.IsTCP() {
			if b := text.Append(nil, &e.Event); bytes.ContainsAny(b, "\n\r") || bytes.Contains(b, []byte("%!")) {
				t.Errorf("not one line: %q", b)
			}
		}
	}
}

func checkJSON(t *testing.T, r *trace.Run) {
	before := 0.0
	for i := range r.Events {
		e := &r.Events[i]
		b := trace.AppendJSON([]byte("x"), e, r.Start, "")
		var got struct {
			Time        float64
			Host, Class string
			Packet      int
			Segment     *struct{ Len int }
		}
		if err := json.Unmarshal(b[1:], &got); err != nil || bytes.Contains(b, []byte{'\n'}) {
			t.Fatalf("%s: %v", b, err)
		}
		if got.Host != e.Host || got.Class != e.Class.String() || got.Packet != e.Packet || got.Time < before {
			t.Errorf("%s tells of %+v", b, e)
		}
		if got.Segment != nil && got.Segment.Len != e.Len {
			t.Errorf("%s: the segment has %d bytes", b, e.Len)
		}
		before = got.Time
	}
}

// segmentLine and callLine are lines of scripts.
var (
	segmentLine = regexp.MustCompile(`^\+[\d.]+ [<>] `)
	callLine    = regexp.MustCompile(`^\+[\d.]+ [a-z]+\(.*\) = `)
)

// A line of the script for each segment that the host saw, and the rest settings, calls and
// comments. Whether it plays lab/drill asks.
func checkDrill(t *testing.T, r *trace.Run) {
	for _, h := range r.Hosts {
		want := 0
		for i := range r.Events {
			e := &r.Events[i]
			if e.Host == h.Name && e.Class == trace.Engine && e.Kind != tcp.StateChanged && e.Kind != tcp.TimerFired {
				want++
			}
		}
		var b strings.Builder
		if err := trace.WriteDrill(&b, r, h.Name, nil); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(b.String()) {
			switch {
			case segmentLine.MatchString(line):
				want--
			case line != "\n" && !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "--") && !strings.HasPrefix(line, "`") && !callLine.MatchString(line):
				t.Errorf("%s: neither a segment nor a setting, a call or a comment: %q", h.Name, line)
			}
		}
		if want != 0 {
			t.Errorf("%s: %d segments are missing", h.Name, want)
		}
	}
}

// Blocks of a capture: the section, an interface for each host, and each packet.
func checkCapture(t *testing.T, r *trace.Run) {
	var file bytes.Buffer
	if err := trace.WriteCapture(&file, "a run", r); err != nil {
		t.Fatal(err)
	}
	count := map[uint32]int{}
	b := file.Bytes()
	for at := 0; len(b) > 0; at++ {
		kind, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if n%4 != 0 || n < 12 || int(n) > len(b) {
			t.Fatalf("block %d has %d bytes of %d left", at, n, len(b))
		}
		if kind == 6 {
			k := &r.Packets[count[6]]
			nanoseconds := uint64(binary.LittleEndian.Uint32(b[12:]))<<32 | uint64(binary.LittleEndian.Uint32(b[16:]))
			if nanoseconds != uint64(k.Time) || !bytes.Equal(b[28:28+len(k.Data)], k.Data) {
				t.Errorf("packet %d is another one in the capture", k.ID)
			}
		}
		count[kind]++
		b = b[n:]
	}
	if count[0x0a0d0d0a] != 1 || count[1] != len(r.Hosts) || count[6] != len(r.Packets) {
		t.Errorf("%d hosts and %d packets make blocks %v", len(r.Hosts), len(r.Packets), count)
	}
}

// What is said is said of a packet that there is, and of each that the wire lost.
func checkComments(t *testing.T, r *trace.Run) {
	known, said := map[int]bool{}, trace.Comments(r)
	for i := range r.Packets {
		k := &r.Packets[i]
		known[k.ID] = true
		all := strings.Join(said[k.ID], "\n")
		if k.Lost && all == "" {
			t.Errorf("packet %d is lost, and nothing says so", k.ID)
		}
	}
	for id, all := range said {
		if !known[id] {
			t.Errorf("of packet %d, which there is not: %q", id, all)
		}
	}
}
