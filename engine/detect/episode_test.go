package detect_test

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// What happens has a beginning and an end, and one name from the one to the
// other: nothing flaps, and a broken path does not become a flood when clients
// come for the third time.
func TestEpisodes(t *testing.T) {
	for _, label := range labels[:4] {
		for i := range uint64(3) {
			tr := draw(label, 900_000+i)
			tr.Rate = min(tr.Rate, 5000) // it is to last, not to be large
			lasts := 12 * time.Second
			if label == "broken" {
				lasts = time.Minute
			}
			w := newWorld(t, tr, tcp.CookiesAuto)
			w.over = w.onset.Add(lasts)
			var levels []detect.Level
			o := tr.playIn(w, lasts+20*time.Second, func(_ time.Duration, l detect.Level) {
				if l > detect.Elevated {
					levels = append(levels, l)
				}
			})
			if len(levels) != 1 || levels[0] != levelOf[label] || w.server.FloodLevel() > detect.Elevated {
				t.Errorf("%v: %v\n\t%v", tr, levels, &o)
			}
		}
	}
}

// The verdict does not hang on how cookies are used.
func TestCookieModes(t *testing.T) {
	for _, mode := range []tcp.CookieMode{tcp.CookiesAlways, tcp.CookiesOff} {
		for _, label := range labels {
			for i := range uint64(3) {
				tr := draw(label, 910_000+i)
				tr.Rate = min(tr.Rate, 20000)
				o := tr.playIn(newWorld(t, tr, mode), afterward, nil)
				if o.missed() || o.wrong != detect.Quiet {
					t.Errorf("cookies %v: %v\n\t%v", mode, tr, &o)
				}
			}
		}
	}
}
