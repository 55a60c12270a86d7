package tcp

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A network may deliver a whole short connection twice, the second time when the first is
// over and nobody waits in TIME-WAIT here, since the client closed first. No program gets
// its text again, whether SYNs are kept, answered by cookies, or cookies are believed that
// another host has sent. https://www.rfc-editor.org/rfc/rfc9293#section-3.4.1
func TestConnectionThatComesTwice(t *testing.T) {
	for _, c := range []struct {
		mode     CookieMode
		believed bool // because another SYN needed one
	}{{CookiesAuto, false}, {CookiesAuto, true}, {CookiesAlways, true}, {CookiesOff, false}} {
		for _, stamps := range []bool{false, true} {
			for _, without := range []string{"", "SYN", "ACK"} {
				t.Run(fmt.Sprintf("%v,believed=%v,timestamps=%v,without=%s", c.mode, c.believed, stamps, without), func(t *testing.T) {
					e, l := server(t, Config{Cookies: c.mode})
					now, tuple := clock.Time(time.Hour), numbered(false, 5)
					all := clientCloses(t, e, l, now, tuple, 1000, stamps)
					drain(e, now)
					if c.believed {
						e.cookies.needed(now)
					}
					if e.conns.count != 0 {
						t.Fatalf("%d connections live", e.conns.count)
					}
					now = now.Add(100 * time.Millisecond)
					opensNothing(t, e, l, now, tuple, all, without)
				})
			}
		}
	}
}

// clientCloses is a connection whose client says something and closes first. It returns the
// client's segments: a SYN, the last ACK of the handshake, one with text, and a FIN. Nothing was sent
// since the last ACK.
func clientCloses(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple, isn seq.Num, stamps bool) [4]Segment {
	t.Helper()
	syn, ack, en := asked(t, e, l, now, tuple, isn, stamps)
	text, fin := ack, ack
	text.Views, text.Len = twoViews([]byte("a question")), 10
	fin.Seq, fin.Flags = ack.Seq.Add(10), wire.FIN|wire.ACK
	e.Receive(now, path1500, &tuple, &text)
	e.Receive(now, path1500, &tuple, &fin)
	e.Read(now, en, make([]byte, 10))
	e.Close(now, en)
	last, _ := drain(e, now)
	if !last.Flags.Has(wire.FIN) {
		t.Fatalf("%v, and no FIN", last.TCP)
	}
	done := fin
	done.Seq, done.Ack, done.Flags = fin.Seq+1, last.Seq+1, wire.ACK
	e.Receive(now, path1500, &tuple, &done)
	return [4]Segment{syn, ack, text, fin}
}

// Old segments may be those of a connection before the last of its four-tuple, and TIME-WAIT may
// be over before its time: they open nothing either.
func TestConnectionThatComesAfterAnother(t *testing.T) {
	ways := map[string]func(*testing.T, *Endpoint, *Listener, clock.Time, wire.Tuple) [4]Segment{
		"two of them": func(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple) [4]Segment {
			old := clientCloses(t, e, l, now, tuple, 1000, true)
			drain(e, now)
			clientCloses(t, e, l, now, tuple, 500_000, true)
			return old
		},
		"TIME-WAIT is reopened": func(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple) [4]Segment {
			old := serverCloses(t, e, l, now, tuple)
			clientCloses(t, e, l, now, tuple, 500_000, true)
			return old
		},
		"TIME-WAIT is reopened, and the SYN taken back": func(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple) [4]Segment {
			old := serverCloses(t, e, l, now, tuple)
			syn := synSegment(tuple, 500_000, true)
			e.Receive(now, path1500, &tuple, &syn)
			drain(e, now)
			syn.Seq, syn.Flags = syn.Seq+1, wire.RST
			e.Receive(now, path1500, &tuple, &syn)
			return old
		},
		"TIME-WAIT has no room": func(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple) [4]Segment {
			old := serverCloses(t, e, l, now, tuple)
			tuple.RemotePort++
			serverCloses(t, e, l, now, tuple)
			return old
		},
		"TIME-WAIT is challenged, and ended": func(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple) [4]Segment {
			old := serverCloses(t, e, l, now, tuple)
			syn := synSegment(tuple, 900, true)
			syn.Options.TSVal = old[1].Options.TSVal
			e.Receive(now, path1500, &tuple, &syn)
			challenge, _ := drain(e, now)
			syn.Seq, syn.Flags, syn.Options = challenge.Ack, wire.RST, wire.Options{}
			e.Receive(now, path1500, &tuple, &syn)
			return old
		},
		"TIME-WAIT is killed": func(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple) [4]Segment {
			old := serverCloses(t, e, l, now, tuple)
			if !e.Kill(now, tuple) {
				t.Error("there is none")
			}
			return old
		},
	}
	for name, happens := range ways {
		for _, without := range []string{"", "SYN"} {
			t.Run(name+", without "+without, func(t *testing.T) {
				e, l := server(t, Config{MaxTimeWait: 1})
				now, tuple := clock.Time(time.Hour), numbered(false, 5)
				all := happens(t, e, l, now, tuple)
				drain(e, now)
				e.cookies.needed(now)
				tuple.RemotePort = 5
				if e.InUse(tuple) {
					t.Fatal("there is still one")
				}
				opensNothing(t, e, l, now.Add(100*time.Millisecond), tuple, all, without)
			})
		}
	}
}

// opensNothing lets all come again, but one.
func opensNothing(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple, all [4]Segment, without string) {
	t.Helper()
	for i, name := range []string{"SYN", "ACK", "text", "FIN"} {
		if name == without {
			continue
		}
		e.Receive(now, path1500, &tuple, &all[i])
		drain(e, now)
		if en := e.Accept(l); en != nil {
			t.Fatalf("the %s that comes again opens a connection in %v", name, en.State())
		}
	}
}

// serverCloses is a connection whose server closes first, and waits. It returns what
// clientCloses does.
func serverCloses(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple) [4]Segment {
	t.Helper()
	syn, ack, en := asked(t, e, l, now, tuple, 1000, true)
	text := ack
	text.Views, text.Len = twoViews([]byte("a question")), 10
	e.Receive(now, path1500, &tuple, &text)
	e.Read(now, en, make([]byte, 10))
	e.Close(now, en)
	last, _ := drain(e, now)
	fin := ack
	fin.Seq, fin.Ack, fin.Flags = ack.Seq.Add(10), last.Seq+1, wire.FIN|wire.ACK
	e.Receive(now, path1500, &tuple, &fin)
	drain(e, now)
	if e.timeWait.count == 0 {
		t.Fatal("nothing waits")
	}
	text.Views, text.Len = twoViews([]byte("a question")), 10
	return [4]Segment{syn, ack, text, fin}
}

// asked is a connection that was accepted, and the client's segments.
func asked(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple, isn seq.Num, stamps bool) (syn, ack Segment, en *Entry) {
	t.Helper()
	syn = synSegment(tuple, isn, stamps)
	e.Receive(now, path1500, &tuple, &syn)
	answer, _ := drain(e, now)
	ack = ackOf(tuple, syn.Seq, answer.TCP)
	e.Receive(now, path1500, &tuple, &ack)
	if en = e.Accept(l); en == nil {
		t.Fatal("no connection")
	}
	return syn, ack, en
}

// Whoever opens a connection of the same four-tuple in earnest gets one: with the last ACK of
// the one before it, a moment later, and after the time in which old segments may come.
func TestConnectionAfterTheSame(t *testing.T) {
	for _, mode := range []CookieMode{CookiesAuto, CookiesAlways, CookiesOff} {
		for _, later := range []time.Duration{-1, 0, 2*30*time.Second - 1, 2 * 30 * time.Second} { // -1: together
			for _, same := range []bool{false, true} { // its number is that of the one before
				e, l := server(t, Config{Cookies: mode})
				now, tuple := clock.Time(time.Hour), numbered(true, 5)
				old := clientCloses(t, e, l, now, tuple, 1000, true)
				if later >= 0 {
					drain(e, now)
				}
				now = now.Add(max(later, 0))
				syn := synSegment(tuple, 5000, true)
				if same {
					syn = old[0]
				}
				e.Receive(now, path1500, &tuple, &syn)
				answer, _ := drain(e, now)
				if first := old[1].Ack - 1; later < 2*30*time.Second && !first.Add(1).Less(answer.Seq) {
					t.Errorf("%v, %v later: begins at %d, and the one before did at %d", mode, later, answer.Seq, first)
				}
				if finish(t, e, l, now, tuple, syn.Seq, answer.TCP).State() != Established {
					t.Errorf("%v, %v later: no connection", mode, later)
				}
			}
		}
	}
}

// What is remembered of ends has a bound, and grows only while ends put each other out.
func TestEndingsAreBounded(t *testing.T) {
	e, _ := server(t, Config{})
	if e.endings.slots != nil {
		t.Error("there is room for endings before any")
	}
	now := clock.Time(time.Hour)
	note := func(n int) {
		for i := range n {
			tuple := numbered(false, i)
			e.endings.note(now, 30*time.Second, e.cookies.flow(&tuple), &e.cookies, seq.Num(i+7), seq.Num(i))
		}
	}
	note(fewestEndings / 2)
	if n := len(e.endings.slots); n != fewestEndings {
		t.Errorf("%d places for few", n)
	}
	note(100_000)
	if n := len(e.endings.slots); n != mostEndings || n*int(unsafe.Sizeof(ending{})) > 48<<10 {
		t.Errorf("%d places for many", n)
	}
	tuple := numbered(false, 100_000-1)
	f := e.cookies.flow(&tuple)
	if got := e.endings.find(now.Add(time.Minute-1), f, &e.cookies); got == nil || got.nxt != 100_000+6 || got.rcv != 100_000-1 {
		t.Errorf("the last one is %+v", got)
	}
	for i := range 100 { // the others have found other places, or gone
		tuple := numbered(false, i)
		if got := e.endings.find(now, e.cookies.flow(&tuple), &e.cookies); got != nil && got.nxt != seq.Num(i+7) {
			t.Errorf("of %d that of another is known, %d", i, got.nxt)
		}
	}
	if e.endings.find(now.Add(time.Minute), f, &e.cookies) != nil {
		t.Error("what ended two MSL ago is remembered")
	}
	now = now.Add(time.Minute)
	e.endings.lost = 0
	note(100)
	if e.endings.lost > 10 {
		t.Errorf("%d of 100 have put others out, whose time was over", e.endings.lost)
	}
}

// A port may be both dialled from and listened on. A SYN that reopens such a connection in TIME-WAIT,
// which this end has opened, gets a number beyond the old ones, too.
func TestDialledConnectionIsReopened(t *testing.T) {
	for _, held := range []bool{false, true} {
		e, l := server(t, Config{})
		now, tuple := clock.Time(time.Hour), numbered(false, 5)
		en, err := e.Connect(now, path1500, tuple, "dialled")
		if err != nil {
			t.Fatal(err)
		}
		syn, _ := drain(e, now)
		s := ackOf(tuple, 999, syn.TCP)
		s.Seq, s.Flags, s.Window = 1000, wire.SYN|wire.ACK, 64240
		e.Receive(now, path1500, &tuple, &s)
		if e.CloseWrite(now, en); !held {
			e.Close(now, en)
		}
		last, _ := drain(e, now)
		fin := s
		fin.Seq, fin.Ack, fin.Flags = 1001, last.Seq+1, wire.FIN|wire.ACK
		e.Receive(now, path1500, &tuple, &fin)
		drain(e, now)
		again := synSegment(tuple, 500_000, false)
		e.Receive(now, path1500, &tuple, &again)
		answer, _ := drain(e, now)
		if answer.Flags != wire.SYN|wire.ACK || answer.Seq != fin.Ack.Add(beyondOld) {
			t.Errorf("held %v: answered by %v, and %d was used", held, answer.TCP, fin.Ack)
		}
		if finish(t, e, l, now, tuple, again.Seq, answer.TCP).State() != Established {
			t.Errorf("held %v: no connection", held)
		}
	}
}
