package tcp

import (
	"testing"
	"time"
)

// DeferAccept lasts until a SYN-ACK would be repeated, and not longer than these are.
func TestDeferral(t *testing.T) {
	for _, c := range []struct{ asked, want time.Duration }{
		{0, 0}, {-time.Second, 0}, {time.Millisecond, time.Second}, {time.Second, time.Second}, {1001 * time.Millisecond, 3 * time.Second},
		{5 * time.Second, 7 * time.Second}, {time.Hour, 31 * time.Second},
	} {
		l := &Listener{DeferAccept: c.asked, cfg: (&Config{}).withDefaults()}
		if l.options = l.cfg.initial; l.Deferral() != c.want {
			t.Errorf("%v lasts %v, not %v", c.asked, l.Deferral(), c.want)
		}
	}
}

// A client that speaks late, or never, is accepted once: with its text, or at the end of the
// time. One that falls silent altogether is forgotten.
func TestDeferAccept(t *testing.T) {
	for name, c := range map[string]struct {
		speaks time.Duration // after the handshake; 0: never
		deaf   bool          // after its ACK
		want   time.Duration // from when it is there; 0: never
	}{
		"text at once":    {speaks: 50 * time.Millisecond, want: 50 * time.Millisecond},
		"text late":       {speaks: 2 * time.Second, want: 2 * time.Second},
		"text after that": {speaks: 20 * time.Second, want: 7 * time.Second},
		"never":           {want: 7 * time.Second},
		"never, and gone": {deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, Config{})
			p.listen = func(l *Listener) { l.DeferAccept = 5 * time.Second }
			client, l := p.begin()
			p.until("connected", func() bool { return client.state == Established })
			p.run(10 * time.Millisecond) // the ACK arrives
			p.fate = func(from int, _ *Output) (bool, time.Duration) { return c.deaf && from == 1, 0 }
			at := time.Duration(0)
			for passed := time.Duration(0); passed < 2*time.Minute; passed += 50 * time.Millisecond {
				if passed == c.speaks && c.speaks > 0 {
					p.write(0, client, []byte("hello"))
				}
				p.run(50 * time.Millisecond)
				if en := p.ends[1].Accept(l); en != nil && at == 0 {
					at = passed
				} else if en != nil {
					t.Fatal("it was accepted twice")
				}
			}
			if late := at - c.want; c.want == 0 && at != 0 || late < -50*time.Millisecond || late > 200*time.Millisecond {
				t.Errorf("it is there after %v, not %v", at, c.want)
			}
			if c.deaf && p.ends[1].Len() != 0 {
				t.Error("it is not forgotten")
			}
			if n := p.ends[1].Counters().TCPDeferAcceptDrop; n == 0 {
				t.Error("no ACK was put off")
			}
		})
	}
}
