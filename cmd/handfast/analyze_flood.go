package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/story"
)

var (
	floodLine = say.Text{"a SYN flood%s from %s to %s: %s SYNs, up to %s a second, from about %s sources, %.0f %% unanswered",
		"SYN 泛洪%s：%s 至 %s，共 %s 个 SYN，最高每秒 %s 个，约 %s 个来源，%.0f%% 没有得到回应"}
	floodPort = say.Text{" against port %d", "（端口 %d）"}
	floodWhy  = say.Text{"Of %d handshakes that were followed at its height %d came to nothing without a trace, and %d were reset; %d clients repeated their SYN. %s handshakes a second were completed, where %s were usual before.",
		"在其高峰，跟踪的 %d 次握手中有 %d 次毫无后续，%d 次被重置，%d 个客户端重发了 SYN。每秒完成的握手为 %s 次，此前通常为 %s 次。"}
)

// floods tells of the SYN floods of the capture, above all else. Of a calm one it says
// nothing.
func (a *analysis) floods() {
	l := a.stderr.lang
	for _, f := range a.tracker.Floods() {
		n := &f.Verdict.Numbers
		a.stderr.printf(say.All("%s\n"), floodText(&f, l))
		if a.explain {
			a.stderr.printf(say.All("  %s\n"), fmt.Sprintf(floodWhy[l], n.Followed, n.Silent, n.Reset, n.Repeated, roughly(n.CompletedRate), roughly(n.Usual)))
		}
	}
}

func floodText(f *capture.Flood, l story.Lang) string {
	port := ""
	if f.Port != 0 {
		port = fmt.Sprintf(floodPort[l], f.Port)
	}
	from, to := clockTimes(f.From, f.To)
	return fmt.Sprintf(floodLine[l], port, from, to, roughly(float64(f.SYNs)), roughly(f.Rate), roughly(f.Sources), 100*f.Unanswered)
}

// clockTimes writes two instants as clocks here have them, with their days unless it is
// the same.
func clockTimes(from, to clock.Time) (a, b string) {
	x, y := time.Unix(0, int64(from)), time.Unix(0, int64(to))
	form := time.TimeOnly
	if x.YearDay() != y.YearDay() || x.Year() != y.Year() {
		form = time.DateTime
	}
	return x.Format(form), y.Format(form)
}

// roughly writes a number of which two digits are worth a word.
func roughly(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e6, "M"}, {1e3, "k"}} {
		if v >= 0.995*u.size {
			digits := 0
			if v < 9.95*u.size {
				digits = 1
			}
			return strconv.FormatFloat(v/u.size, 'f', digits, 64) + u.name
		}
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// floodJSON is a flood as an object. Times are in seconds, rates per second.
type floodJSON struct {
	From       float64 `json:"from"`
	To         float64 `json:"to"`
	Port       uint16  `json:"port,omitempty"`
	SYNs       int     `json:"syns"`
	Rate       float64 `json:"syns_per_second"`
	Sources    float64 `json:"sources"`
	Unanswered float64 `json:"unanswered"`
	Why        string  `json:"why"`
}

// floodObjects writes the floods behind the connections.
func (a *analysis) floodObjects() error {
	for _, f := range a.tracker.Floods() {
		o := floodJSON{f.From.Seconds(), f.To.Seconds(), f.Port, f.SYNs, f.Rate, f.Sources, f.Unanswered, floodText(&f, a.stdout.lang)}
		if err := json.NewEncoder(a.stdout).Encode(map[string]floodJSON{"flood": o}); err != nil {
			return err
		}
	}
	return nil
}
