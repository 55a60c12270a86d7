// Package pulse makes of looks at hosts, one after the other, what moves: how
// fast each connection is, what is sent again, how the half-open queue fills.
// The terminal and the page in the browser show the same figures by it.
package pulse

import (
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
)

// Host is one look at a host, or at the kernel.
type Host struct {
	PID  int
	Name string
	*inspect.Report
}

// Conn is a connection, with what can be told of it from two looks.
type Conn struct {
	inspect.Row
	ID    uint64 // the same as long as it is there
	Host  string // whose it is
	PID   int
	Since time.Time
	// In and Out are bytes a second that were received, and acknowledged by the
	// peer; Again is segments a second that were sent again.
	In, Out, Again float64
	// Trend is In and Out together, of the last looks.
	Trend Series
	// Stays are the states that it was seen in, the last few.
	Stays []Stay
}

// Stay is a state, and when it was first seen.
type Stay struct {
	State tcp.State
	Since time.Time
}

// maxStays is how many states are kept of a connection: a life has fewer.
const maxStays = 16

// Rate is how many bytes a second pass, both ways.
func (c *Conn) Rate() float64 { return c.In + c.Out }

// RTT is the smoothed round trip time; 0: not measured.
func (c *Conn) RTT() time.Duration {
	if c.Details == nil {
		return 0
	}
	return time.Duration(c.Details.RTT)
}

// Retrans is how many segments were sent again so far.
func (c *Conn) Retrans() int {
	if c.Details == nil {
		return 0
	}
	return int(c.Details.TotalRetrans)
}

// Queued is how many bytes wait on both ways; of a listener, connections.
func (c *Conn) Queued() int {
	if tcp.State(c.State) == tcp.Listen {
		return c.RecvQ
	}
	return c.RecvQ + c.SendQ
}

// Connected reports whether it is one that carries, or has carried, data: no
// listener, and neither half-open nor in TIME-WAIT.
func (c *Conn) Connected() bool { return !c.UDP() && connected.Match(&c.Row) }

var connected = inspect.ShowConnected

// Beat is what a look shows, with what has changed since the one before.
type Beat struct {
	Time    time.Time
	Hosts   []Host
	Conns   []Conn
	Omitted int // connections that were too many to be told
	Totals
}

// Totals are those of all hosts of a look. Rates are per second.
type Totals struct {
	Connected       int
	In, Out, Again  float64
	SYNs, Completed float64
	Cookies, Failed float64       // sent; and those that were no valid ones
	RTT             time.Duration // the median of those that are connected; 0: none
	HalfOpen, Limit int
	Attack, Sending bool // the attack mode is on; SYNs are answered without keeping anything
}

// Pulse remembers the look before.
type Pulse struct {
	last  time.Time
	ids   uint64
	known map[key]*past
	rates map[int]*counted // by process
}

// key is whose connection it is, and which.
type key struct {
	pid           int
	proto         string
	local, remote inspect.Endpoint
}

// past is what is remembered of a connection.
type past struct {
	id      uint64
	since   time.Time
	in, out uint64
	again   uint32
	trend   Series
	stays   []Stay
	seen    time.Time
}

// New returns a pulse that has seen nothing yet.
func New() *Pulse { return &Pulse{known: map[key]*past{}, rates: map[int]*counted{}} }

// Look takes what was seen at a moment. The first one has no rates.
func (p *Pulse) Look(now time.Time, hosts []Host) *Beat {
	b := &Beat{Time: now, Hosts: hosts}
	elapsed := now.Sub(p.last).Seconds()
	if p.last.IsZero() {
		elapsed = 0
	}
	for i := range hosts {
		h := &hosts[i]
		b.Omitted += h.Omitted
		for j := range h.Rows {
			if h.Rows[j].UDP() {
				continue
			}
			b.Conns = append(b.Conns, p.conn(now, elapsed, h, &h.Rows[j]))
		}
		p.count(&b.Totals, elapsed, h)
	}
	for k, c := range p.known {
		if c.seen != now {
			delete(p.known, k)
		}
	}
	p.last = now
	b.sum()
	return b
}

// conn tells of a connection what has changed.
func (p *Pulse) conn(now time.Time, elapsed float64, h *Host, r *inspect.Row) Conn {
	k := key{h.PID, r.Proto, r.Local, r.Remote}
	var in, out uint64
	var again uint32
	if d := r.Details; d != nil {
		in, out, again = d.BytesReceived, d.BytesAcked, d.TotalRetrans
	}
	o := p.known[k]
	// Fewer bytes than before: another connection with the same ends. In a small form
	// (half-open, TIME-WAIT) nothing is counted, and it is the same one.
	if o != nil && r.Details != nil && (in < o.in || out < o.out) {
		o = nil
	}
	if o == nil {
		p.ids++
		o = &past{id: p.ids, since: now}
		p.known[k] = o
	}
	c := Conn{Row: *r, ID: o.id, Host: h.Name, PID: h.PID, Since: o.since}
	if r.Details != nil {
		if elapsed > 0 {
			c.In, c.Out, c.Again = float64(in-o.in)/elapsed, float64(out-o.out)/elapsed, float64(again-min(again, o.again))/elapsed
		}
		o.in, o.out, o.again = in, out, again
	}
	o.trend = o.trend.Add(c.Rate())
	if s := tcp.State(r.State); len(o.stays) == 0 || o.stays[len(o.stays)-1].State != s {
		o.stays = append(o.stays, Stay{s, now})
		o.stays = o.stays[max(0, len(o.stays)-maxStays):]
	}
	o.seen, c.Trend, c.Stays = now, o.trend, o.stays
	return c
}

// sum adds up what the connections tell.
func (b *Beat) sum() {
	var all []time.Duration
	for i := range b.Conns {
		c := &b.Conns[i]
		b.In += c.In
		b.Out += c.Out
		if c.Connected() {
			b.Connected++
			if rtt := c.RTT(); rtt > 0 {
				all = append(all, rtt)
			}
		}
	}
	if len(all) > 0 {
		slices.Sort(all)
		b.RTT = all[len(all)/2]
	}
}

// counted are the counters of a host at the look before.
type counted struct{ again, completed, cookies, failed uint64 }

func countedOf(r *inspect.Report) counted {
	ext, basic := r.Counters["TcpExt"], r.Counters["Tcp"]
	return counted{basic["RetransSegs"], basic["PassiveOpens"], ext["SyncookiesSent"], ext["SyncookiesFailed"]}
}

// count adds what the counters of a host tell, and its defence.
func (p *Pulse) count(t *Totals, elapsed float64, h *Host) {
	n := countedOf(h.Report)
	if o := p.rates[h.PID]; o != nil && elapsed > 0 {
		since := func(now, before uint64) float64 { return float64(now-min(now, before)) / elapsed }
		t.Again += since(n.again, o.again)
		t.Completed += since(n.completed, o.completed)
		t.Cookies += since(n.cookies, o.cookies)
		t.Failed += since(n.failed, o.failed)
	}
	p.rates[h.PID] = &n
	if h.Flood != nil {
		t.SYNs += h.Flood.Numbers["syns_per_second"]
	}
	if d := h.Defence; d != nil {
		t.HalfOpen += d.HalfOpen
		t.Limit += d.MaxHalfOpen
		t.Attack = t.Attack || d.Attack
		t.Sending = t.Sending || d.SendingCookies
	}
}
