package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
)

// nearLines are what stands above what is shown of one connection.
const nearLines = 3

// body is how many lines have room below that.
func (m *Model) body() int { return max(m.Height-nearLines-1, 1) }

// near shows one connection.
func (m *Model) near() []string {
	c := m.open
	state := tcp.State(c.State).String()
	look := stateStyle(tcp.State(c.State))
	if m.gone {
		state, look = words.gone[m.Lang], faint
	}
	if m.paused {
		state += "  " + words.paused[m.Lang]
	}
	title := fit(ends(c)+"  "+nameOf(c.Host, c.PID, m.Lang), m.Width-columnsOf(state)-1)
	lines := []string{m.paint(bold, title) + " " + m.paint(look, state), m.tabs(), ""}
	content := m.content()
	m.clamp(len(content))
	from := min(m.scroll, max(len(content)-m.body(), 0))
	return append(lines, content[from:min(from+m.body(), len(content))]...)
}

func (m *Model) tabs() string {
	var all []string
	for i, name := range []say.Text{words.ladder, words.states, words.numbers} {
		text := fmt.Sprintf(" %d %s ", i+1, name[m.Lang])
		look := faint
		if i == m.tab {
			look = chosen
		}
		all = append(all, m.paint(look, text))
	}
	return strings.Join(all, " ")
}

// content is what the chosen way to look shows, all of it.
func (m *Model) content() []string {
	switch m.tab {
	case tabStates:
		return m.diagram()
	case tabNumbers:
		return m.figures()
	}
	return m.ladder()
}

// ladder draws what has passed, or where that is not known the states that were
// seen.
func (m *Model) ladder() []string {
	switch {
	case m.told != nil && len(m.told.Steps) > 0:
		var b strings.Builder
		story.Ladder{Lanes: m.told.Lanes, Width: m.Width, Color: m.Color}.Write(&b, m.told.Steps) // a Builder takes all
		return splitLines(b.String())
	case !m.asked:
		return []string{words.waiting[m.Lang]}
	}
	lines := story.Wrap(words.noEvents[m.Lang], m.Width)
	if m.why != nil {
		lines = append(story.Wrap(say.Error(m.why, m.Lang), m.Width), lines...)
	}
	lines = append(lines, "")
	for _, s := range m.open.Stays {
		lines = append(lines, fmt.Sprintf("  %s  %s  ", s.Since.Format("15:04:05"), m.paint(stateStyle(s.State), s.State.String()))+
			fit(story.Meaning(s.State, m.Lang), m.Width-26))
	}
	return lines
}

// diagram is the state diagram with the present state lit.
func (m *Model) diagram() []string {
	if m.Width < story.FigureWidth {
		return []string{fmt.Sprintf(words.small[m.Lang], story.FigureWidth, minHeight)}
	}
	var b strings.Builder
	story.Figure{Lit: []tcp.State{tcp.State(m.open.State)}, Color: m.Color, Lang: m.Lang}.Write(&b) // a Builder takes all
	lines := story.Wrap(tcp.State(m.open.State).String()+": "+story.Meaning(tcp.State(m.open.State), m.Lang), m.Width)
	return append(append(lines, ""), splitLines(b.String())...)
}

// stateLine is where in the diagram the present state stands.
func (m *Model) stateLine() int {
	name := tcp.State(m.open.State).String()
	for i, line := range m.diagram() {
		if i > 0 && strings.Contains(line, name) { // the first one says what it means
			return i
		}
	}
	return 0
}

func splitLines(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") }

// figures are what TCP knows of the connection.
func (m *Model) figures() (lines []string) {
	c, l := m.open, m.Lang
	spark := max(min(m.Width-40, 2*30), 20) / 2
	line := func(name say.Text, format string, args ...any) {
		lines = append(lines, "  "+m.paint(faint, fit(name[l], 14))+fit(fmt.Sprintf(format, args...), m.Width-16))
	}
	line(words.in, "%-12s", orNone(speed(c.In)))
	line(words.out, "%-12s", orNone(speed(c.Out)))
	lines = append(lines, "  "+m.paint(faint, fit(trendColumn.name[l], 14))+m.paint(cyan, c.Trend.Spark(spark)), "")
	line(words.queues, "Recv-Q %s   Send-Q %s", size(float64(c.RecvQ)), size(float64(c.SendQ)))
	if c.Timer != "" {
		line(words.timer, "%s %s", c.Timer, short(time.Duration(c.Expires)))
	}
	if c.Details != nil {
		m.details(line, c)
	}
	lines = append(lines, "", m.paint(faint, "  "+fmt.Sprintf(words.seen[l], age(m.beat.Time.Sub(c.Since)))))
	return lines
}

func orNone(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// details writes the figures with the names of ss -i.
func (m *Model) details(line func(say.Text, string, ...any), c *pulse.Conn) {
	d := c.Details
	ms := func(s inspect.Seconds) string { return orNone(short(time.Duration(s))) }
	line(words.rttLine, "rtt %s ± %s   minrtt %s", ms(d.RTT), ms(d.RTTVar), ms(d.MinRTT))
	line(words.rto, "rto %s   backoff %d", ms(d.RTO), d.Backoff)
	line(words.congestion, "%s %s   cwnd %d   ssthresh %s", d.Congestion, d.CAState, d.Cwnd, threshold(d.Ssthresh))
	line(words.flight, "unacked %d   lost %d   sacked %d   reordering %d", d.Unacked, d.Lost, d.Sacked, d.Reordering)
	line(words.window, "snd_wnd %s   rcv_wnd %s", size(float64(d.SndWnd)), size(float64(d.RcvWnd)))
	line(words.mss, "mss %d   rcvmss %d   pmtu %d", d.MSS, d.RcvMSS, d.PMTU)
	line(words.sent, "%s   segs_out %d", size(float64(d.BytesSent)), d.SegsOut)
	line(words.received, "%s   segs_in %d", size(float64(d.BytesReceived)), d.SegsIn)
	line(words.retransmitted, "retrans %d/%d   bytes_retrans %s   dsack_dups %d", d.Retrans, d.TotalRetrans, size(float64(d.BytesRetrans)), d.DsackDups)
	line(words.pacing, "delivery %s   pacing %s", orNone(speed(float64(d.DeliveryRate))), orNone(speed(float64(d.PacingRate))))
	line(words.options, "%s", strings.Join(d.Options, " "))
	if k := d.Memory; k != nil {
		line(words.memory, "rcvbuf %s   sndbuf %s", size(float64(k[1])), size(float64(k[3])))
	}
}

// threshold writes a slow-start threshold; that of the beginning is beyond any window.
func threshold(n int) string {
	if n <= 0 || n >= 1<<30 {
		return "–"
	}
	return fmt.Sprint(n)
}
