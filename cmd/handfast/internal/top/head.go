package top

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/inspect"
)

// headLines are what stands above the list.
const headLines = 6

// head returns the totals, the gauge of the half-open queue, and the verdict.
func (m *Model) head() []string {
	b, l := m.beat, m.Lang
	spark := max(min(m.Width/4, 30), 8)
	figure := func(name say.Text, value string) string {
		return m.paint(faint, name[l]+" ") + fit(value, 10)
	}
	left := func(name say.Text, rate float64, trend string) string {
		return m.paint(faint, fit(name[l], 6)) + fitRight(cmp.Or(speed(rate), "0 B/s"), 9) + " " + m.paint(cyan, trend) + "  "
	}
	return []string{
		m.titleLine(),
		m.line(left(words.in, b.In, m.in.Spark(spark)), figure(words.connections, fmt.Sprint(b.Connected)), figure(words.rtt, cmp.Or(short(b.RTT), "–"))),
		m.line(left(words.out, b.Out, m.out.Spark(spark)), figure(words.again, perSecond(b.Again)), figure(words.syns, perSecond(b.SYNs))),
		m.gauge(spark + 9),
		m.verdict(),
		"",
	}
}

// line joins what has room; the rest is left out.
func (m *Model) line(parts ...string) string {
	out, used := "", 0
	for _, p := range parts {
		n := columnsOf(p)
		if used+n > m.Width {
			break
		}
		out, used = out+p, used+n
	}
	return out
}

func (m *Model) titleLine() string {
	state := m.beat.Time.Format("15:04:05")
	switch {
	case m.err != nil:
		state = words.lost[m.Lang]
	case m.paused:
		state = words.paused[m.Lang]
	}
	title := fit("handfast top  "+m.whose(), m.Width-columnsOf(state)-1)
	name, rest := title[:len("handfast top")], title[len("handfast top"):]
	return m.paint(bold, name) + rest + " " + m.paint(bold, state)
}

// gauge shows how full the half-open queue is, and what is done about it.
func (m *Model) gauge(width int) string {
	b, l := m.beat, m.Lang
	text := fmt.Sprintf(" %d/%d", b.HalfOpen, b.Limit)
	if b.Cookies > 0 || b.Sending {
		text += "  " + fmt.Sprintf(words.cookies[l], perSecond(b.Cookies))
	}
	if b.Attack {
		text += "  " + words.attack[l]
	}
	share := float64(b.HalfOpen) / float64(max(b.Limit, 1))
	name := fit(words.halfOpen[l], 10)
	return m.paint(faint, name) + m.paint(fillStyle(share), bar(share, width-4)) + fit(text, m.Width-columnsOf(name)-(width-4))
}

// bar is a gauge of so many columns, in eighths of one.
func bar(share float64, width int) string {
	full := int(min(max(share, 0), 1)*float64(8*width) + 0.5)
	if share > 0 {
		full = max(full, 1)
	}
	out := strings.Repeat("█", full/8)
	if full%8 > 0 {
		out += string([]rune(" ▏▎▍▌▋▊▉")[full%8])
	}
	return out + strings.Repeat("░", width-columnsOf(out))
}

func fillStyle(share float64) style {
	switch {
	case share >= 0.5: // from here on the attack mode is on
		return red
	case share >= 0.1:
		return yellow
	}
	return green
}

// verdict is the detector's, the worst where there are several hosts.
func (m *Model) verdict() string {
	worst, found := (*inspect.Flood)(nil), -1
	for i := range m.beat.Hosts {
		if f := m.beat.Hosts[i].Flood; f != nil && levelOf(f.Level) > found {
			worst, found = f, levelOf(f.Level)
		}
	}
	if worst == nil {
		return m.paint(faint, fit(words.noVerdict[m.Lang], m.Width))
	}
	s := faint
	switch detect.Level(found) {
	case detect.Quiet:
	case detect.Flood:
		s = alarm
	default:
		s = yellow
	}
	return m.paint(s, fit(say.Verdict(worst.Text, m.Lang), m.Width))
}

func levelOf(word string) int {
	for level := detect.Flood; level > detect.Quiet; level-- {
		if level.String() == word {
			return int(level)
		}
	}
	return 0
}

func perSecond(x float64) string { return scaled(x, []string{"", "k", "M", "G"}) + "/s" }
