package web

import (
	"fmt"
	"sync"
)

// The rings: so much of the past there is for who comes later, or comes again.
const (
	keptPoints = 600 // ten minutes
	keptNews   = 500
)

// maxViewers is how many may look at once.
const maxViewers = 64

// cursor is what a viewer has seen of each ring.
type cursor struct {
	points, news uint64
}

// hub is what viewers read.
type hub struct {
	epoch string // numbers of another one mean nothing

	mu      sync.Mutex
	points  ring // of the charts
	news    ring // what began and ended
	beat    *beat
	version uint64        // of what is recorded
	changed chan struct{} // is closed when there is more
	viewers int
	closed  bool
}

func newHub(epoch string) *hub {
	return &hub{epoch: epoch, points: newRing(keptPoints), news: newRing(keptNews), changed: make(chan struct{})}
}

// tell changes what there is to see, and wakes the viewers. It waits for none.
func (h *hub) tell(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	change()
	close(h.changed)
	h.changed = make(chan struct{})
}

// close sends the viewers away.
func (h *hub) close() {
	h.tell(func() { h.closed = true })
}

// enter takes a viewer in, unless there are too many.
func (h *hub) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.viewers >= maxViewers || h.closed {
		return false
	}
	h.viewers++
	return true
}

func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers--
}

// watched reports whether anybody looks.
func (h *hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.viewers > 0
}

// view is what is new to a viewer.
type view struct {
	points, news []message
	skipped      uint64
	beat         *beat
	version      uint64
	at           cursor
	more         <-chan struct{}
	closed       bool
}

// since returns what is new to a viewer who has seen so much.
func (h *hub) since(at cursor) *view {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := &view{more: h.changed, closed: h.closed, at: cursor{h.points.next, h.news.next}}
	v.points, _ = h.points.since(at.points) // a chart has a gap there
	v.news, v.skipped = h.news.since(at.news)
	v.beat, v.version = h.beat, h.version
	return v
}

// id is what a browser says when it comes again.
func (h *hub) id(c cursor) string { return fmt.Sprintf("%s.%d.%d", h.epoch, c.points, c.news) }

// resume reads an id; what another program has said begins anew.
func (h *hub) resume(id string) (c cursor) {
	var epoch string
	for i := range id {
		if id[i] == '.' {
			epoch, id = id[:i], id[i+1:]
			break
		}
	}
	if n, err := fmt.Sscanf(id, "%d.%d", &c.points, &c.news); n != 2 || err != nil || epoch != h.epoch {
		return cursor{}
	}
	return c
}
