package web

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
)

// How often the host is looked at: while somebody watches, and for the charts of who
// comes later. A look takes a share of the time at most: of a host with a million
// connections there is one every minute.
const (
	watchedEvery   = time.Second
	unwatchedEvery = 5 * time.Second
	lookShare      = 50
)

// maxRows is how many connections a list has at most; the others are counted.
const maxRows = 200

// pacer looks at the host, again and again.
type pacer struct {
	host  *handfast.Host
	name  string
	hub   *hub
	pulse *pulse.Pulse
	came  chan struct{} // holds a word when a viewer has come
	level string        // of the verdict
}

func newPacer(h *handfast.Host, name string, hub *hub) *pacer {
	return &pacer{host: h, name: name, hub: hub, pulse: pulse.New(), came: make(chan struct{}, 1)}
}

// hurry asks for a look now: somebody has come.
func (p *pacer) hurry() {
	select {
	case p.came <- struct{}{}:
	default: // it hurries already
	}
}

// run looks until done is closed.
func (p *pacer) run(done <-chan struct{}) {
	for {
		began := time.Now()
		p.look(began)
		every := unwatchedEvery
		if p.hub.watched() {
			every = watchedEvery
		}
		next := time.NewTimer(max(every, lookShare*time.Since(began)) - time.Since(began))
		select {
		case <-done:
			next.Stop()
			return
		case <-next.C:
		case <-p.came:
			next.Stop()
			p.breathe(began, done)
		}
	}
}

// breathe keeps looks apart however many viewers come.
func (p *pacer) breathe(began time.Time, done <-chan struct{}) {
	select {
	case <-time.After(watchedEvery/4 - time.Since(began)):
	case <-done:
	}
}

func (p *pacer) look(now time.Time) {
	r := inspect.Collect(p.host, p.name, 0)
	b := &beat{Beat: p.pulse.Look(now, []pulse.Host{{PID: r.PID, Name: p.name, Report: r}}), known: map[telling][]byte{}}
	p.hub.tell(func() {
		p.hub.points.add(message{"point", pointOf(b.Beat)})
		if level := r.Flood.Level; level != p.level {
			if p.level != "" {
				p.hub.news.add(newsOf(news{Kind: "verdict", At: now.UnixMilli(), Text: verdict(r.Flood.Text), Level: level}))
			}
			p.level = level
		}
		p.hub.beat = b
	})
}

// pointOf is what charts are drawn from: the time in seconds, bytes a second in and out,
// the round trip time in milliseconds, segments sent again a second, half-open connections and
// their limit, SYNs and cookies a second.
func pointOf(b *pulse.Beat) []byte {
	rtt := any(nil) // a gap
	if b.RTT > 0 {
		rtt = digits(b.RTT.Seconds() * 1000)
	}
	out, _ := json.Marshal([]any{digits(float64(b.Time.UnixMilli()) / 1000), digits(b.In), digits(b.Out), rtt, digits(b.Again), b.HalfOpen, b.Limit, digits(b.SYNs), digits(b.Cookies)}) // numbers only
	return out
}

// digits leaves three digits behind the point.
func digits(x float64) float64 { return math.Round(x*1000) / 1000 }

// beat is a look, as it is told to viewers: once for each order that one of them wants.
type beat struct {
	*pulse.Beat
	mu    sync.Mutex
	known map[telling][]byte
}

type telling struct {
	order pulse.Order
	every bool
}

// row is a connection in a list.
type row struct {
	State  string    `json:"s"`
	Local  string    `json:"l"`
	Remote string    `json:"r"`
	In     float64   `json:"i"`
	Out    float64   `json:"o"`
	RTT    float64   `json:"t"` // milliseconds; 0: not known
	Sent   int       `json:"x"` // again, so far
	Again  bool      `json:"n"` // and just now
	Queue  int       `json:"q"`
	Trend  []float64 `json:"d,omitempty"`
}

// board is what stands on the page beside charts and ladders.
type board struct {
	At       int64    `json:"at"` // milliseconds
	Name     string   `json:"name"`
	PID      int      `json:"pid"`
	Open     int      `json:"open"`
	Level    string   `json:"level"`
	Verdict  text     `json:"verdict"`
	Reasons  []text   `json:"reasons"`
	HalfOpen int      `json:"half"`
	Limit    int      `json:"limit"`
	Cookies  string   `json:"cookies"`
	Sending  bool     `json:"sending"`
	Attack   bool     `json:"attack"`
	Rows     []row    `json:"rows"`
	More     int      `json:"more"`
	Listens  []string `json:"listens"`
}

// told returns what a viewer is told who wants this order.
func (b *beat) told(o pulse.Order, every bool) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := telling{o, every}
	if b.known[k] == nil {
		b.known[k], _ = json.Marshal(b.board(o, every)) // numbers and texts
	}
	return b.known[k]
}

func (b *beat) board(o pulse.Order, every bool) *board {
	h := b.Hosts[0]
	out := &board{At: b.Time.UnixMilli(), Name: h.Name, PID: h.PID, Open: b.Connected, Level: h.Flood.Level, Verdict: verdict(h.Flood.Text),
		HalfOpen: b.HalfOpen, Limit: b.Limit, Cookies: h.Defence.Cookies, Sending: b.Sending, Attack: b.Attack, Rows: []row{}, Reasons: []text{}, Listens: []string{}}
	for _, r := range h.Flood.Reasons {
		out.Reasons = append(out.Reasons, verdict(r))
	}
	var chosen []pulse.Conn
	for i := range b.Conns {
		c := &b.Conns[i]
		if tcp.State(c.State) == tcp.Listen {
			if len(out.Listens) < maxRows {
				out.Listens = append(out.Listens, c.Local.String())
			}
		} else if every || c.Connected() {
			chosen = append(chosen, *c)
		}
	}
	o.Sort(chosen)
	out.More = max(len(chosen)-maxRows, 0)
	for i := range chosen[:min(len(chosen), maxRows)] {
		out.Rows = append(out.Rows, rowOf(&chosen[i]))
	}
	return out
}

func rowOf(c *pulse.Conn) row {
	r := row{State: tcp.State(c.State).String(), Local: c.Local.String(), Remote: c.Remote.String(), In: math.Round(c.In), Out: math.Round(c.Out),
		RTT: digits(c.RTT().Seconds() * 1000), Sent: c.Retrans(), Again: c.Again > 0, Queue: c.Queued()}
	if slices.ContainsFunc(c.Trend, func(x float32) bool { return x > 0 }) {
		for _, x := range c.Trend {
			r.Trend = append(r.Trend, math.Round(float64(x)))
		}
	}
	return r
}

// orderOf reads what a viewer wants the list sorted by.
func orderOf(word string) pulse.Order {
	switch word {
	case "rtt":
		return pulse.ByRTT
	case "again":
		return pulse.ByRetrans
	case "queue":
		return pulse.ByQueue
	}
	return pulse.ByRate
}

var languages = [...]story.Lang{story.English, story.Chinese}
