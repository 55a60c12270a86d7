package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// From so many columns on the list has trends, and both ends in full and both rates.
const (
	medium = 72
	wide   = 110
)

// column is one of the list.
type column struct {
	name   say.Text
	width  int
	left   bool // text, which begins where the column does
	sorts  pulse.Order
	sorted bool // it shows what sorts says
	text   func(c *pulse.Conn) string
}

var (
	stateColumn   = column{name: say.Text{"STATE", "状态"}, width: 10, left: true, text: func(c *pulse.Conn) string { return tcp.State(c.State).SS() }}
	commandColumn = column{name: say.Text{"COMMAND", "命令"}, width: 9, left: true, text: func(c *pulse.Conn) string { return c.Host }}
	portColumn    = column{name: say.Text{"LOCAL", "本端"}, width: 6, left: true, text: func(c *pulse.Conn) string { return ":" + strconv.Itoa(int(c.Local.Port)) }}
	localColumn   = column{name: say.Text{"LOCAL", "本端"}, width: 21, left: true, text: func(c *pulse.Conn) string { return c.Local.String() }}
	peerColumn    = column{name: say.Text{"PEER", "对端"}, width: 21, left: true, text: func(c *pulse.Conn) string { return c.Remote.String() }}
	rateColumn    = column{name: say.Text{"RATE", "速率"}, width: 9, sorts: pulse.ByRate, sorted: true, text: func(c *pulse.Conn) string { return speed(c.Rate()) }}
	inColumn      = column{name: say.Text{"IN", "接收"}, width: 9, text: func(c *pulse.Conn) string { return speed(c.In) }}
	outColumn     = column{name: say.Text{"OUT", "发送"}, width: 9, sorts: pulse.ByRate, sorted: true, text: func(c *pulse.Conn) string { return speed(c.Out) }}
	rttColumn     = column{name: say.All("RTT"), width: 7, sorts: pulse.ByRTT, sorted: true, text: func(c *pulse.Conn) string { return short(c.RTT()) }}
	againColumn   = column{name: say.Text{"RETR", "重传"}, width: 5, sorts: pulse.ByRetrans, sorted: true, text: func(c *pulse.Conn) string { return count(c.Retrans()) }}
	queueColumn   = column{name: say.Text{"QUEUE", "队列"}, width: 7, sorts: pulse.ByQueue, sorted: true, text: queued}
	trendColumn   = column{name: say.Text{"TREND", "走势"}, width: 8, left: true, text: func(c *pulse.Conn) string { return c.Trend.Spark(8) }}
)

func queued(c *pulse.Conn) string {
	if tcp.State(c.State) == tcp.Listen {
		return fmt.Sprintf("%d/%d", c.RecvQ, c.SendQ)
	}
	if c.Queued() == 0 {
		return ""
	}
	return size(float64(c.Queued()))
}

// columns are those that have room. What is left goes to the addresses.
func (m *Model) columns() []column {
	all := []column{stateColumn, portColumn, peerColumn, rateColumn, rttColumn, againColumn, queueColumn, trendColumn}
	grow := []int{2}
	if m.Width < medium {
		all = all[:len(all)-1]
	}
	if m.Width >= wide {
		all = []column{stateColumn, localColumn, peerColumn, inColumn, outColumn, rttColumn, againColumn, queueColumn, trendColumn}
		grow = []int{1, 2}
	}
	if m.Width >= wide && len(m.beat.Hosts) > 1 {
		all = append([]column{commandColumn}, all...)
		grow = []int{2, 3}
	}
	room := m.Width
	for _, c := range all {
		room -= c.width + 1
	}
	for i, at := range grow {
		all[at].width = max(all[at].width+(room+1)/(len(grow)-i), 8)
		room -= (room + 1) / (len(grow) - i)
	}
	return all
}

// table returns the list: a line of names and so many rows.
func (m *Model) table(rows int) []string {
	columns := m.columns()
	lines := []string{m.names(columns)}
	at := max(m.at(), 0)
	m.offset = min(m.offset, at, max(len(m.shown)-rows, 0))
	m.offset = max(m.offset, at-rows+1, 0)
	for i := m.offset; i < min(m.offset+rows, len(m.shown)); i++ {
		lines = append(lines, m.row(columns, &m.shown[i]))
	}
	if len(m.shown) == 0 {
		lines = append(lines, m.paint(faint, fit(words.none[m.Lang], m.Width)))
	}
	return lines
}

// names are the columns' names, with a mark at what the list is sorted by.
func (m *Model) names(columns []column) string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		name := c.name[m.Lang]
		if c.sorted && c.sorts == m.order {
			name = "▾" + name
		}
		if cells[i] = fitRight(name, c.width); c.left {
			cells[i] = fit(name, c.width)
		}
	}
	return m.paint(bold, strings.Join(cells, " "))
}

func (m *Model) row(columns []column, c *pulse.Conn) string {
	cells := make([]string, len(columns))
	for i, col := range columns {
		text := fitRight(col.text(c), col.width)
		if col.left {
			text = fit(col.text(c), col.width)
		}
		if c.ID != m.chosen {
			text = m.paint(cellStyle(&col, c), text)
		}
		cells[i] = text
	}
	line := strings.Join(cells, " ")
	if c.ID == m.chosen {
		return m.paint(chosen, line)
	}
	return line
}

// cellStyle colours states, and what is sent again right now.
func cellStyle(col *column, c *pulse.Conn) style {
	switch {
	case col.name == stateColumn.name:
		return stateStyle(tcp.State(c.State))
	case col.name == againColumn.name && c.Again > 0:
		return alarm
	case col.name == trendColumn.name:
		return cyan
	}
	return plain
}

// speed writes bytes a second: nothing where nothing moves.
func speed(x float64) string {
	if x < 0.5 {
		return ""
	}
	return size(x) + "/s"
}

// size writes bytes with at most three digits: 980 B, 1.2 kB, 31 MB.
func size(x float64) string { return scaled(x, []string{" B", " kB", " MB", " GB", " TB"}) }

// count writes a number with at most three digits and a unit.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return scaled(float64(n), []string{"", "k", "M", "G", "T"})
}

func scaled(x float64, units []string) string {
	u := 0
	for x >= 999.5 && u < len(units)-1 {
		x, u = x/1000, u+1
	}
	if x < 9.95 && u > 0 {
		return fmt.Sprintf("%.1f%s", x, units[u])
	}
	return fmt.Sprintf("%.0f%s", x, units[u])
}

// short writes a time with at most three digits: 250 µs, 1.2 ms, 31 ms, 1.2 s.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < 9950*time.Nanosecond:
		return fmt.Sprintf("%.1f µs", float64(d)/1e3)
	case d < 999500*time.Nanosecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case d < 9950*time.Microsecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
