package top

import (
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Model is what a screen shows, and what is remembered for it. The zero value
// shows nothing; Lang, Width and Height are the user's.
type Model struct {
	Lang          story.Lang
	Width, Height int
	Color         bool

	beat    *pulse.Beat
	err     error
	in, out pulse.Series
	shown   []pulse.Conn // the connections of the beat that are listed, in order
	order   pulse.Order
	every   bool // listeners, half-open ones and TIME-WAIT are listed, too
	paused  bool
	chosen  uint64 // the connection under the cursor
	follows bool   // the cursor stays with it; else at the top
	offset  int    // of the list

	open   *pulse.Conn // the one that is shown from near
	gone   bool        // and has ended meanwhile
	tab    int
	scroll int // of what is shown; past the end it sticks there
	told   *story.Telling
	asked  bool  // for what has happened
	why    error // why nothing is told
}

// The ways to look at one connection.
const (
	tabLadder = iota
	tabStates
	tabNumbers

	numTabs = tabNumbers + 1
)

// end is a scroll position past every end.
const end = 1 << 30

// See takes a look. While the screen is held still, nothing changes.
func (m *Model) See(b *pulse.Beat, err error) {
	if m.paused {
		return
	}
	if m.err = err; err != nil {
		return
	}
	m.beat = b
	m.in, m.out = m.in.Add(b.In), m.out.Add(b.Out)
	m.list()
	if m.open == nil {
		return
	}
	for i := range b.Conns {
		if b.Conns[i].ID == m.open.ID {
			m.open, m.gone = &b.Conns[i], false
			return
		}
	}
	m.gone = true
}

// Told takes what the connection that is open has done so far, or why that is not
// known.
func (m *Model) Told(id uint64, t *story.Telling, err error) {
	if m.open == nil || m.open.ID != id || m.paused {
		return
	}
	m.asked, m.why = true, err
	if t != nil { // of one that is gone the last that was told stays
		m.told = t
	}
}

// Opened returns the connection that is shown from near; nil: none.
func (m *Model) Opened() *pulse.Conn { return m.open }

// list chooses and sorts the connections that are listed.
func (m *Model) list() {
	m.shown = m.shown[:0:0]
	if m.beat == nil {
		return
	}
	for i := range m.beat.Conns {
		if c := &m.beat.Conns[i]; m.every || c.Connected() {
			m.shown = append(m.shown, *c)
		}
	}
	m.order.Sort(m.shown)
	if len(m.shown) > 0 && (!m.follows || m.at() < 0) {
		m.chosen, m.follows = m.shown[0].ID, false
	}
}

// at returns where the chosen connection stands in the list; -1: nowhere.
func (m *Model) at() int {
	for i := range m.shown {
		if m.shown[i].ID == m.chosen {
			return i
		}
	}
	return -1
}

// Key does what a key means, and reports whether it ends the program.
func (m *Model) Key(key string) (quit bool) {
	switch key {
	case "q", "ctrl+c":
		return true
	case "p", "space":
		m.paused = !m.paused
	default:
		if m.open != nil {
			m.openKey(key)
		} else {
			m.listKey(key)
		}
	}
	return false
}

// orderKeys choose what is sorted by.
var orderKeys = map[string]pulse.Order{"r": pulse.ByRate, "t": pulse.ByRTT, "x": pulse.ByRetrans, "u": pulse.ByQueue}

func (m *Model) listKey(key string) {
	page := max(m.rows()-1, 1)
	switch key {
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-page)
	case "pgdown":
		m.move(page)
	case "home", "g":
		m.move(-end)
	case "end", "G":
		m.move(end)
	case "enter", "right", "l":
		m.enter()
	case "a":
		m.every = !m.every
		m.list()
	}
	if o, ok := orderKeys[key]; ok {
		m.order, m.offset = o, 0
		m.list()
	}
}

// move moves the cursor.
func (m *Model) move(by int) {
	if len(m.shown) > 0 {
		to := min(max(m.at()+by, 0), len(m.shown)-1)
		m.chosen, m.follows = m.shown[to].ID, to > 0
	}
}

// enter opens the chosen connection.
func (m *Model) enter() {
	if i := m.at(); i >= 0 {
		c := m.shown[i]
		m.open, m.gone, m.told, m.asked, m.why = &c, false, nil, false, nil
		m.show(m.tab)
	}
}

func (m *Model) openKey(key string) {
	page := max(m.body()-1, 1)
	switch key {
	case "esc", "backspace", "left", "h":
		m.open, m.told = nil, nil
	case "tab":
		m.show((m.tab + 1) % numTabs)
	case "shift+tab":
		m.show((m.tab + numTabs - 1) % numTabs)
	case "up", "k":
		m.scroll--
	case "down", "j":
		m.scroll++
	case "pgup":
		m.scroll -= page
	case "pgdown":
		m.scroll += page
	case "home", "g":
		m.scroll = 0
	case "end", "G":
		m.scroll = end
	default:
		if n, err := strconv.Atoi(key); err == nil && n >= 1 && n <= numTabs {
			m.show(n - 1)
		}
	}
	if m.open != nil {
		m.clamp(len(m.content()))
	}
}

// show changes to another way to look: a ladder grows at its end, in the diagram the
// present state is wanted, and numbers begin at their top.
func (m *Model) show(tab int) {
	m.tab, m.scroll = tab, 0
	switch tab {
	case tabLadder:
		m.scroll = end
	case tabStates:
		m.scroll = m.stateLine() - m.body()/2
	}
}

// clamp keeps the scroll position where something is. At the end it sticks there, as more may come.
func (m *Model) clamp(lines int) {
	last := max(lines-m.body(), 0)
	if m.scroll >= last && m.tab == tabLadder {
		m.scroll = end
		return
	}
	m.scroll = min(max(m.scroll, 0), last)
}

// ends writes both ends of a connection.
func ends(c *pulse.Conn) string {
	if tcp.State(c.State) == tcp.Listen {
		return c.Local.String()
	}
	return c.Local.String() + " ⇄ " + c.Remote.String()
}

// age writes how long ago something was.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	}
	return strconv.Itoa(int(d.Hours())) + " h"
}

// whose names the hosts that are looked at.
func (m *Model) whose() string {
	if m.beat == nil {
		return ""
	}
	var all []string
	for i := range m.beat.Hosts {
		all = append(all, nameOf(m.beat.Hosts[i].Name, m.beat.Hosts[i].PID, m.Lang))
	}
	return strings.Join(all, ", ")
}

func nameOf(name string, pid int, l story.Lang) string {
	if pid == 0 {
		return say.Text{"the kernel", "内核"}[l]
	}
	return name + " " + strconv.Itoa(pid)
}
