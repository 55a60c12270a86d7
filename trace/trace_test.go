package trace

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/wire"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// Both streams begin just below 2^32, so that every relative number wraps.
const (
	iss = seq.Num(0xffff_fff0)
	irs = seq.Num(0xffff_ff00)
)

// story builds the events of one connection as its server sees them.
type story struct {
	now    clock.Time
	state  tcp.State
	tuple  wire.Tuple
	events []tcp.Event
}

func newStory() *story {
	return &story{now: clock.Time(time.Hour), state: tcp.Listen, tuple: wire.Tuple{
		Local: addr(10, 77, 0, 2), LocalPort: 80, Remote: addr(10, 77, 0, 1), RemotePort: 43210}}
}

func addr(a, b, c, d byte) wire.Addr { return wire.AddrFrom16([16]byte{10: 0xff, 0xff, a, b, c, d}) }

func (s *story) wait(d time.Duration) *story { s.now = s.now.Add(d); return s }

func (s *story) add(e tcp.Event) *story {
	e.Time, e.Tuple, e.State = s.now, s.tuple, s.state
	e.ISS, e.IRS = uint32(iss), uint32(irs)
	s.events = append(s.events, e)
	return s
}

func (s *story) sent(f wire.Flags, sequence, ack seq.Size, n int, more ...wire.Options) *story {
	return s.add(tcp.Event{Kind: tcp.SegmentSent, Len: n, Segment: header(f, iss.Add(sequence), irs.Add(ack), more)})
}

func (s *story) received(f wire.Flags, sequence, ack seq.Size, n int, more ...wire.Options) *story {
	return s.add(tcp.Event{Kind: tcp.SegmentReceived, Len: n, Segment: header(f, irs.Add(sequence), iss.Add(ack), more)})
}

func (s *story) last() *tcp.Event { return &s.events[len(s.events)-1] }

func header(f wire.Flags, sequence, ack seq.Num, more []wire.Options) wire.TCP {
	h := wire.TCP{Flags: f, Seq: sequence, Ack: ack, Window: 502}
	if f.Has(wire.SYN) {
		h.Window = 65535
	}
	if len(more) > 0 {
		h.Options = more[0]
	}
	return h
}

func (s *story) becomes(st tcp.State, why tcp.Cause) *story {
	from := s.state
	s.state = st
	s.add(tcp.Event{Kind: tcp.StateChanged, Cause: why})
	s.last().From = from
	return s
}

func syn() wire.Options {
	return wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptWindowScale,
		MSS: 1460, TSVal: 305419896, WindowScale: 7}
}

// handshake is RFC 9293's figure 6 from the listener's side.
func handshake() *story {
	return newStory().
		received(wire.SYN, 0, 0, 0, syn()).becomes(tcp.SynReceived, tcp.CauseSyn).
		wait(12*time.Microsecond).sent(wire.SYN|wire.ACK, 0, 1, 0, syn()).
		wait(31*time.Microsecond).received(wire.ACK, 1, 1, 0).becomes(tcp.Established, tcp.CauseAckOfSyn)
}

// visit is a whole connection in which the peer closes first.
func visit() *story {
	return handshake().
		wait(time.Millisecond).received(wire.PSH|wire.ACK, 1, 1, 76).
		sent(wire.ACK, 1, 77, 0).
		wait(time.Second).received(wire.FIN|wire.ACK, 77, 4000, 0).becomes(tcp.CloseWait, tcp.CauseFin).
		sent(wire.ACK, 4000, 78, 0).
		wait(50*time.Microsecond).becomes(tcp.LastAck, tcp.CauseClose).sent(wire.FIN|wire.ACK, 4000, 78, 0).
		wait(20*time.Microsecond).received(wire.ACK, 78, 4001, 0).becomes(tcp.Closed, tcp.CauseAckOfFin)
}

// trouble is a connection on which everything out of the ordinary happens.
func trouble() *story {
	s := handshake().wait(time.Millisecond).sent(wire.PSH|wire.ACK, 1, 1, 65160)
	s.wait(200 * time.Millisecond).add(tcp.Event{Kind: tcp.TimerFired, Timer: tcp.TimerRetransmit})
	s.sent(wire.PSH|wire.ACK, 1, 1, 1448).last().Retransmit = true
	s.wait(time.Millisecond).received(wire.ACK, 1, 1449, 0, wire.Options{Set: wire.OptSACK, SACKBlocks: 3, SACK: [4]wire.SACKBlock{
		{Left: iss.Add(2897), Right: iss.Add(4345)}, {Left: iss.Add(1234567), Right: iss.Add(2345678)}, {Left: iss.Add(123456789), Right: iss.Add(223456789)}}})
	s.wait(time.Millisecond).received(wire.URG|wire.PSH|wire.ACK, 268435456, 268435456, 1448).last().Segment.Urgent = 3
	s.received(wire.RST, 5, 0, 0).last().Kind = tcp.SegmentDropped
	s.last().Drop = wire.BlindReset
	return s.wait(100*time.Second).received(wire.RST|wire.ACK, 1, 65161, 0).becomes(tcp.Closed, tcp.CauseReset)
}

// golden compares got with a file of testdata, which -rewrite writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-rewrite accepts it); got:\n%s", name, got)
	}
}

func draw(t *testing.T, l Ladder, steps []Step) []byte {
	t.Helper()
	var b bytes.Buffer
	l.Left, l.Right = "client · kernel TCP\n10.77.0.1:43210", "server · Handfast\n10.77.0.2:80"
	if l.ASCII {
		l.Left, l.Right = "client (kernel TCP)\n10.77.0.1:43210", "server (Handfast)\n10.77.0.2:80"
	}
	if err := l.Write(&b, steps); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// watched is the visit with what is known of the peer's states, and a gap.
// steps are the steps of all events of one connection.
func steps(f *Flow, events []tcp.Event) (all []Step) {
	for i := range events {
		all = append(all, f.Step(&events[i]))
	}
	return all
}

func watched() []Step {
	f := Flow{Us: Right}
	own := steps(&f, visit().events)
	peer := func(i int, from, to tcp.State) Step { return Changed(own[i].Time, Left, from, to, "") }
	steps := []Step{peer(0, tcp.Closed, tcp.SynSent)}
	steps = append(steps, own[:3]...)
	steps = append(steps, peer(2, tcp.SynSent, tcp.Established))
	steps = append(steps, own[3:7]...)
	steps = append(steps, Skipped(own[6].Time, "12,345 segments, 512 MiB in 1.0 s"), peer(7, tcp.Established, tcp.FinWait1))
	steps = append(steps, own[7:10]...)
	steps = append(steps, peer(9, tcp.FinWait1, tcp.FinWait2))
	steps = append(steps, own[10:12]...)
	steps = append(steps, peer(11, tcp.FinWait2, tcp.TimeWait))
	return append(steps, own[12:]...)
}

func TestLadder(t *testing.T) {
	f := Flow{Us: Right}
	bad := steps(&f, trouble().events)
	for name, c := range map[string]struct {
		Ladder
		steps []Step
	}{
		"visit.txt":      {Ladder{}, watched()},
		"visit-80.txt":   {Ladder{Width: 80}, watched()},
		"visit-64.txt":   {Ladder{Width: 1}, watched()},
		"ascii.txt":      {Ladder{ASCII: true}, watched()},
		"color.txt":      {Ladder{Color: true}, watched()},
		"trouble.txt":    {Ladder{}, bad},
		"trouble-80.txt": {Ladder{Width: 80}, bad},
		"empty.txt":      {Ladder{}, nil},
	} {
		golden(t, name, draw(t, c.Ladder, c.steps))
	}
}

// Whatever the width, no line is wider, and both lanes stand in one column all
// the way down: nothing overlaps.
func TestLadderColumns(t *testing.T) {
	f := Flow{Us: Right}
	all := append(steps(&f, trouble().events), watched()...)
	for width := MinWidth; width <= 130; width++ {
		lines := strings.Split(strings.TrimSuffix(string(draw(t, Ladder{Width: width, ASCII: true}, all)), "\n"), "\n")
		for i, line := range lines {
			if n := utf8.RuneCountInString(line); n > width {
				t.Fatalf("width %d: line of %d columns: %q", width, n, line)
			}
			if i < 2 {
				continue // titles
			}
			left, right := line[timeWidth+1+stateWidth+1], line[width-stateWidth-2]
			if !strings.ContainsRune(".:#|*@", rune(left)) || !strings.ContainsRune(".:#|*@", rune(right)) {
				t.Fatalf("width %d: no lane in %q", width, line)
			}
		}
	}
}

// ASCII means ASCII, and without Color there is no escape.
func TestLadderPlain(t *testing.T) {
	for _, b := range draw(t, Ladder{ASCII: true}, watched()) {
		if b != '\n' && (b < ' ' || b > '~') {
			t.Fatalf("byte %#x", b)
		}
	}
}

func TestText(t *testing.T) {
	s := trouble()
	text := Text{Start: s.events[0].Time}
	var b []byte
	for i := range s.events {
		b = append(text.Append(b, &s.events[i]), '\n')
	}
	text.Absolute = true
	b = append(text.Append(b, &s.events[2]), '\n')
	s.tuple.Local, s.tuple.Remote = wire.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 15: 2}), wire.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 15: 1})
	b = append(text.Append(b, s.sent(wire.ACK, 1, 1, 0).last()), '\n')
	golden(t, "text.txt", b)
}
