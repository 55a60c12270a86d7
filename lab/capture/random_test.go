package capture_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// randomScenario is a connection in which both programs write, pause and end as it comes,
// over a wire that loses, delays and reorders.
func randomScenario(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 7))
	var b strings.Builder
	fmt.Fprintf(&b, "title: Random\nsummary: Random.\nsee: RFC 9293\n\nhost client\nhost server\nwire delay %dms", 1+r.IntN(60))
	if seed%3 > 0 {
		fmt.Fprintf(&b, " loss 0.%02d", r.IntN(12))
	}
	if seed%4 == 3 {
		fmt.Fprintf(&b, " reordering 0.%02d", r.IntN(10))
	}
	b.WriteString("\n\nserver:\n    listen 80\n    accept\n")
	program(&b, r)
	b.WriteString("\nclient:\n    connect server 80\n")
	program(&b, r)
	return b.String()
}

// program is what one side does once it is connected. Most read to the end.
func program(b *strings.Builder, r *rand.Rand) {
	say := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	for range r.IntN(4) {
		switch r.IntN(4) {
		case 0:
			say("sleep %dms", r.IntN(400))
		default:
			say("write %d", 1+r.IntN(20_000))
		}
	}
	switch r.IntN(8) {
	case 0:
		say("abort")
	case 1:
		say("close") // perhaps with text unread
	case 2:
		say("sleep %dms", r.IntN(2000))
		say("close")
	case 3, 4:
		say("shutdown")
		say("read all")
		say("close")
	default:
		say("read all until 5s")
		say("close")
	}
}

// What a capture cannot show of an end. Each is a predicate on the packets, and says
// exactly what a capture shows instead: nothing else may differ.
const (
	unsentFIN = "the program has closed, and the FIN waits behind text, or never leaves: it shows when it leaves"
	lostAck   = "the ACK of the FIN alone is lost or overtaken: what follows has the same number"
	lostReset = "the RST is lost, and nothing more is sent"
	oddReset  = "the RST comes, but its number is not the next, as text before it is lost"
	lateFIN   = "the peer's FIN is overtaken by the ACK that it sends later: that order shows"
	lostThird = "the ACK of the handshake is lost, and a RST follows: the handshake shows"
)

// end is one of a run, as the capture is held against it.
type end struct {
	run     *lab.Result
	tuple   wire.Tuple
	ack     seq.Num    // what acknowledges its FIN
	lastFIN clock.Time // when it was sent last
	lastSYN clock.Time // when its SYN-ACK was
	moves   []string
	state   tcp.State
	why     []string
}

// shownOf is what a capture shows of an end, and which of the above that changes.
func shownOf(r *lab.Result, tuple wire.Tuple) (moves, why []string) {
	e := end{run: r, tuple: tuple}
	waits := false
	for i := range r.Events {
		v := &r.Events[i]
		switch {
		case v.Class != trace.Engine || v.Tuple != tuple:
		case v.Kind == tcp.SegmentSent && v.Segment.Flags.Has(wire.FIN):
			e.ack, e.lastFIN = v.Segment.Seq.Add(seq.Size(v.Len+1)), v.Time
			if waits {
				e.goes(map[bool]tcp.State{true: tcp.LastAck, false: tcp.FinWait1}[e.state == tcp.CloseWait])
				waits = false
			}
		case v.Kind == tcp.SegmentSent && v.Segment.Flags.Has(wire.SYN):
			e.lastSYN = v.Time
		case v.Kind != tcp.StateChanged || slices.Contains(silent, v.Cause):
		case v.Cause == tcp.CauseClose && v.From != tcp.SynReceived:
			waits = true
		default:
			if len(e.moves) == 0 {
				e.state = v.From
			}
			e.move(v)
		}
	}
	if waits {
		e.why = append(e.why, unsentFIN)
	}
	e.hears()
	return e.moves, slices.Compact(e.why)
}

func (e *end) goes(to tcp.State) {
	e.moves = append(e.moves, fmt.Sprintf("%v>%v", e.state, to))
	e.state = to
}

// move follows the engine, whose state may be ahead of what is shown by a FIN.
func (e *end) move(v *trace.Event) {
	to := v.State
	switch {
	case e.state == tcp.Established && to == tcp.Closing:
		to = tcp.CloseWait
	case e.state == tcp.LastAck && to == tcp.TimeWait:
		to = tcp.Closed
	case v.From == tcp.SynReceived && v.Cause == tcp.CauseReset && e.established(v.Time):
		e.goes(tcp.Established)
		e.goes(tcp.Closed)
		e.why = append(e.why, lostThird)
		return
	case e.state == tcp.FinWait1 && to == tcp.FinWait2 && e.finIsLate(v.Time):
		e.goes(tcp.Closing)
		e.why = append(e.why, lateFIN)
		return
	case e.state == tcp.Closing && v.From == tcp.FinWait2:
		e.goes(to)
		return
	case e.state == tcp.FinWait1 && to != tcp.FinWait2 && e.overtaken(to, v.Time):
		e.goes(tcp.FinWait2)
		e.why = append(e.why, lostAck)
	}
	if e.state != v.From && e.state != tcp.FinWait2 {
		e.why = append(e.why, unsentFIN)
	}
	e.goes(to)
}

// each calls f with each segment that an end has sent.
func (e *end) each(by wire.Addr, port uint16, f func(p *trace.Packet, s *wire.TCP)) {
	for i := range e.run.Packets {
		p := &e.run.Packets[i]
		var ip wire.IP
		var s wire.TCP
		if wire.ParseQuotedIP(p.Data, &ip) != wire.None || ip.Src != by || ip.Proto != 6 {
			continue
		}
		if _, d := wire.ParseTCP(p.Data[ip.HeaderLen:], &s); d == wire.None && s.SrcPort == port {
			f(p, &s)
		}
	}
}

// sentTo calls f with each segment that the peer has sent to the end.
func (e *end) sentTo(f func(p *trace.Packet, s *wire.TCP)) {
	e.each(e.tuple.Remote, e.tuple.RemotePort, f)
}

// overtaken reports whether the first packet that acknowledges the end's FIN, a bare ACK sent before the peer's RST or FIN
// and not denied by another FIN, could have arrived before the end left FIN-WAIT-1, and has not. An end that left it by a
// FIN that acknowledges its own did not get those that the peer has sent before.
func (e *end) overtaken(to tcp.State, left clock.Time) bool {
	fastest, ack := time.Duration(math.MaxInt64), (*trace.Packet)(nil)
	over := false
	e.sentTo(func(p *trace.Packet, s *wire.TCP) {
		if len(p.Arrivals) > 0 {
			fastest = min(fastest, p.Arrivals[0].Time.Sub(p.Time))
		}
		over = over || s.Flags.Has(wire.FIN) && (to != tcp.TimeWait || !s.Ack.Less(e.ack)) || s.Flags.Has(wire.RST)
		if !over && s.Flags.Has(wire.ACK) && !s.Ack.Less(e.ack) {
			ack, over = p, true
		}
	})
	return ack != nil && ack.Time.Add(fastest) <= left && e.lastFIN <= ack.Time && (len(ack.Arrivals) == 0 || ack.Arrivals[0].Time >= left)
}

// established reports whether the peer has ended the handshake before the RST that came then,
// and that did not come, nor was it asked for again.
func (e *end) established(then clock.Time) (did bool) {
	reset := false
	e.sentTo(func(p *trace.Packet, s *wire.TCP) {
		reset = reset || s.Flags.Has(wire.RST)
		did = did || !reset && s.Flags.Has(wire.ACK) && !s.Flags.Has(wire.SYN) && p.Time >= e.lastSYN && (len(p.Arrivals) == 0 || p.Arrivals[0].Time >= then)
	})
	return did
}

// finIsLate reports whether the peer's FIN was sent before what acknowledged the end's own
// then, and had not come, and nothing shows it.
func (e *end) finIsLate(then clock.Time) (late bool) {
	fin, over := (*trace.Packet)(nil), false
	var behind seq.Num
	fastest := time.Duration(math.MaxInt64)
	e.sentTo(func(p *trace.Packet, s *wire.TCP) {
		if len(p.Arrivals) > 0 {
			fastest = min(fastest, p.Arrivals[0].Time.Sub(p.Time))
		}
		if over {
			return
		}
		if over = s.Flags.Has(wire.ACK) && !s.Ack.Less(e.ack) && len(p.Arrivals) > 0 && p.Arrivals[0].Time <= then; over {
			late = fin != nil && len(fin.Arrivals) > 0 && fin.Arrivals[0].Time > then
		}
		if s.Flags.Has(wire.FIN) {
			fin, behind = p, s.Seq.Add(textAnd(p, s))
		}
	})
	return late && !e.isWithout(behind, fin.Time.Add(fastest), then)
}

// isWithout reports whether the end has sent something that does not acknowledge a FIN when that could have come, and an
// acknowledgement of it after that, when the own FIN's had come.
func (e *end) isWithout(fin seq.Num, could, had clock.Time) (told bool) {
	without, over := clock.Time(0), false
	e.each(e.tuple.Local, e.tuple.LocalPort, func(p *trace.Packet, s *wire.TCP) {
		switch {
		case over:
		case !s.Ack.Less(fin):
			over, told = true, without > 0 && without < p.Time && had < p.Time
		case p.Time >= could && without == 0:
			without = p.Time
		}
	})
	return told
}

// hears adds what a RST would have done that was lost, or that came with a number that is not the next, as text before it
// was lost. What came behind it, and has done nothing, answers what was sent before that.
func (e *end) hears() {
	var next seq.Num
	lost, odd := false, false
	e.sentTo(func(p *trace.Packet, s *wire.TCP) {
		if s.Flags.Has(wire.RST) {
			came := len(p.Arrivals) > 0
			lost, odd = lost || !came, odd || came && s.Seq == next
			return
		}
		lost, odd = false, false
		if n := s.Seq.Add(textAnd(p, s)); s.Flags.Has(wire.SYN) || next.Less(n) {
			next = n
		}
	})
	if (lost || odd) && e.state.Synchronized() && e.state != tcp.TimeWait {
		e.goes(tcp.Closed)
		e.why = append(e.why, map[bool]string{true: lostReset, false: oddReset}[lost])
	}
}

// textAnd is how many numbers a segment has.
func textAnd(p *trace.Packet, s *wire.TCP) seq.Size {
	n := seq.Size(len(p.Data) - wire.IPv4Size - s.HeaderLen())
	for _, f := range [2]wire.Flags{wire.SYN, wire.FIN} {
		if s.Flags.Has(f) {
			n++
		}
	}
	return n
}

// found are runs beyond the thousand that showed what lateFIN, lostThird and oddReset are, a RST that
// comes when an earlier one did not, SYN-ACKs that deny no ACK that is under way, an ACK that came with
// text alone; FINs that wait behind lost text, that text sent again and arriving or not, both FINs
// repeated, ends that are faster than before, and RSTs that show it, or do not.
var found = []uint64{1059, 1132, 1275, 1535, 1683, 2135, 2191, 2251, 2278, 2416, 2627, 2651, 3563, 3575, 4204, 7331, 7503, 9011, 10439, 12699,
	12785, 12886, 13219, 13910, 15031, 16063, 16252, 17207, 18243, 18572, 18715, 18836, 19275, 19427, 19863, 20131, 27751, 28627, 30947, 35711, 59075}

// Of a thousand random connections the inferred states of both ends are the engines', but
// for what no capture shows.
func TestStatesOfRandomRuns(t *testing.T) {
	runs, beyond, hidden := 1000, found, map[string]int{}
	if testing.Short() {
		runs, beyond = 40, nil
	}
	for i := range runs + len(beyond) {
		seed := uint64(i)
		if i >= runs {
			seed = beyond[i-runs]
		}
		s, err := lab.Load("random", strings.NewReader(randomScenario(seed)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Run(lab.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		conns, _ := analyze(t, captured(t, r), capture.Options{})
		got := map[wire.Tuple][]string{}
		for _, c := range conns {
			got[c.Tuple] = append(got[c.Tuple], inferred(c.Sides[capture.Client].Moves)...)
			got[c.Tuple.Reverse()] = append(got[c.Tuple.Reverse()], inferred(c.Sides[capture.Server].Moves)...)
		}
		for tuple, engine := range engineStates(r) {
			want, why := shownOf(r, tuple)
			if !slices.Equal(got[tuple], want) {
				t.Errorf("seed %d: %v %v\n   engine   %v\n   shown    %v\n   inferred %v", seed, tuple, why, engine, want, got[tuple])
			}
			if slices.Equal(engine, want) != (len(why) == 0) {
				t.Errorf("seed %d: %v: %v: %v, of %v", seed, tuple, why, want, engine)
			}
			for _, w := range why {
				if i < runs {
					hidden[w]++
				}
			}
		}
	}
	t.Logf("%d runs of two ends; not shown: %v", runs, hidden)
	for why, most := range map[string]int{unsentFIN: 25, lostAck: 8, lostReset: 1, lateFIN: 5, lostThird: 3, oddReset: 2} { // of a thousand ends
		if n := hidden[why]; n > max(2*runs*most/1000, 1) {
			t.Errorf("%d of %d ends: %s", n, 2*runs, why)
		}
	}
}
