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
					all := clientCloses(t, e, l, now, tuple, stamps)
					drain(e, now)
					if c.believed {
						e.cookies.needed(now)
					}
					if e.conns.count != 0 {
						t.Fatalf("%d connections live", e.conns.count)
					}
					now = now.Add(100 * time.Millisecond)
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
				})
			}
		}
	}
}

// clientCloses is a connection whose client says something and closes first. It returns the
// client's segments: a SYN, the last ACK of the handshake, one with text, and a FIN. Nothing was sent
// since the last ACK.
func clientCloses(t *testing.T, e *Endpoint, l *Listener, now clock.Time, tuple wire.Tuple, stamps bool) [4]Segment {
	t.Helper()
	syn := synSegment(tuple, 1000, stamps)
	e.Receive(now, path1500, &tuple, &syn)
	answer, _ := drain(e, now)
	ack := ackOf(tuple, syn.Seq, answer.TCP)
	e.Receive(now, path1500, &tuple, &ack)
	en := e.Accept(l)
	if en == nil {
		t.Fatal("no connection")
	}
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

// Whoever opens a connection of the same four-tuple in earnest gets one: with the last ACK of
// the one before it, a moment later, and after the time in which old segments may come.
func TestConnectionAfterTheSame(t *testing.T) {
	for _, mode := range []CookieMode{CookiesAuto, CookiesAlways, CookiesOff} {
		for _, later := range []time.Duration{-1, 0, 2*30*time.Second - 1, 2 * 30 * time.Second} { // -1: together
			for _, same := range []bool{false, true} { // its number is that of the one before
				e, l := server(t, Config{Cookies: mode})
				now, tuple := clock.Time(time.Hour), numbered(true, 5)
				old := clientCloses(t, e, l, now, tuple, true)
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
			e.endings.note(now, 30*time.Second, e.cookies.flow(&tuple), &e.cookies, seq.Num(i), seq.Num(i+7))
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
	if got := e.endings.find(now.Add(time.Minute-1), f, &e.cookies); got == nil || got.iss != 100_000-1 || got.nxt != 100_000+6 {
		t.Errorf("the last one is %+v", got)
	}
	for i := range 100 { // the others have found other places, or gone
		tuple := numbered(false, i)
		if got := e.endings.find(now, e.cookies.flow(&tuple), &e.cookies); got != nil && got.iss != seq.Num(i) {
			t.Errorf("of %d that of %d is known", i, got.iss)
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
