package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A SYN gets the same SYN-ACK, and is told of by the same events, whether nothing
// is kept of it, or an entry, or an entry until the program has decided.
func TestOneSynAck(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for offered := range 1 << 4 {
			for refused := range 1 << 3 {
				cfg := Config{NoTimestamps: refused&1 != 0, NoSACK: refused&2 != 0, NoWindowScale: refused&4 != 0}
				name := fmt.Sprintf("v6 %v, offered %04b, refused %03b", v6, offered, refused)
				cached, events := answerInForm(t, cfg, CookiesOff, false, v6, offered)
				if asked, _ := answerInForm(t, cfg, CookiesOff, true, v6, offered); asked != cached {
					t.Errorf("%s: after a verdict\n%+v, else\n%+v", name, asked, cached)
				}
				cookie, told := answerInForm(t, cfg, CookiesAlways, false, v6, offered)
				if cookie != cached {
					t.Errorf("%s: of a cookie\n%+v, of an entry\n%+v", name, cookie, cached)
				}
				if fmt.Sprint(told) != fmt.Sprint(events) || len(told) != 3 || told[2].Segment != cookie {
					t.Errorf("%s: of a cookie is told\n%+v, of an entry\n%+v", name, told, events)
				}
			}
		}
	}
}

// answerInForm returns the SYN-ACK of one SYN, which is kept in a form, and what is told of it.
func answerInForm(t *testing.T, cfg Config, mode CookieMode, ask, v6 bool, offered int) (wire.TCP, []Event) {
	t.Helper()
	cfg.Cookies = mode
	e, l := server(t, cfg)
	l.Ask = ask
	trace := &Trace{}
	e.SetTrace(trace)
	tuple := numbered(v6, 1000)
	s := Segment{TCP: wire.TCP{SrcPort: tuple.RemotePort, DstPort: 80, Seq: 77, Flags: wire.SYN, Window: 1000,
		Options: wire.Options{Set: wire.OptionSet(0), MSS: 1380, WindowScale: 5, TSVal: 4711}}}
	for i, o := range []wire.OptionSet{wire.OptMSS, wire.OptWindowScale, wire.OptSACKPermitted, wire.OptTimestamps} {
		if offered>>i&1 != 0 {
			s.Options.Set |= o
		}
	}
	now := clock.Time(time.Hour)
	if d := e.Receive(now, path1500, &tuple, &s); d != wire.None {
		t.Fatal(d)
	}
	if ask {
		y, ok := e.NextSyn()
		if !ok || !e.AcceptSyn(now, y) {
			t.Fatal("nothing to decide")
		}
	}
	var out Output
	if !e.Output(now, &out) {
		t.Fatal("no answer")
	}
	return out.TCP, trace.Take()
}
