package web

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
)

const (
	patience   = 10 * time.Second       // for a viewer that does not read
	breath     = 100 * time.Millisecond // between two writes to one viewer
	heartbeat  = 15 * time.Second       // so that a viewer knows that we live
	livesApart = 250 * time.Millisecond // between two lists of what is recorded
)

// stream tells a viewer all that there is to see, in one stream of server-sent events:
// point and news, which have an id and are resumed by it; beat and lives, of which the newest
// counts; and skipped, with how many news were too many.
// https://html.spec.whatwg.org/multipage/server-sent-events.html
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	if !s.hub.enter() {
		http.Error(w, fmt.Sprintf("%d look at it already", maxViewers), http.StatusServiceUnavailable)
		return
	}
	defer s.hub.leave()
	s.pace.hurry()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	v := viewer{Server: s, to: http.NewResponseController(w), order: orderOf(r.FormValue("sort")), every: r.FormValue("all") != ""}
	v.at = s.hub.resume(cmp.Or(r.Header.Get("Last-Event-ID"), r.FormValue("since")))
	for {
		n := s.hub.since(v.at)
		if v.write(w, n) != nil || n.closed || !v.wait(r, n.more) {
			return
		}
	}
}

// viewer is one stream.
type viewer struct {
	*Server
	to    *http.ResponseController
	order pulse.Order
	every bool

	at    cursor
	beat  *beat  // that was told last
	lives uint64 // likewise, and when
	when  time.Time
	owes  bool // the lives have changed since
}

// write tells what is new. One that does not read it in time is let go.
func (v *viewer) write(w http.ResponseWriter, n *view) error {
	var b bytes.Buffer
	v.ringed(&b, n)
	if n.beat != nil && n.beat != v.beat {
		v.beat = n.beat
		event(&b, "beat", n.beat.told(v.order, v.every))
	}
	if v.owes = n.version != v.lives; v.owes && time.Since(v.when) >= livesApart {
		v.lives, v.when, v.owes = n.version, time.Now(), false
		event(&b, "lives", v.Server.lives.list())
	}
	if b.Len() == 0 {
		b.WriteString(":\n\n")
	}
	// A kind of connection that knows no deadline is one of a test.
	_ = v.to.SetWriteDeadline(time.Now().Add(patience))
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	return v.to.Flush()
}

// ringed tells what has an id.
func (v *viewer) ringed(b *bytes.Buffer, n *view) {
	if n.skipped > 0 {
		event(b, "skipped", strconv.AppendUint(nil, n.skipped, 10))
	}
	v.at.points, v.at.news = n.at.points-uint64(len(n.points)), n.at.news-uint64(len(n.news))
	for _, m := range n.points {
		v.at.points++
		fmt.Fprintf(b, "id: %s\n", v.hub.id(v.at))
		event(b, m.name, m.data)
	}
	for _, m := range n.news {
		v.at.news++
		fmt.Fprintf(b, "id: %s\n", v.hub.id(v.at))
		event(b, m.name, m.data)
	}
}

func event(b *bytes.Buffer, name string, data []byte) {
	fmt.Fprintf(b, "event: %s\ndata: %s\n\n", name, data)
}

// wait waits for more, a breath at least, so that much that happens at once is told at once.
func (v *viewer) wait(r *http.Request, more <-chan struct{}) bool {
	patient := heartbeat
	if v.owes {
		patient = livesApart
	}
	beat := time.NewTimer(patient)
	defer beat.Stop()
	select {
	case <-r.Context().Done():
		return false
	case <-time.After(breath):
	}
	select {
	case <-r.Context().Done():
		return false
	case <-more:
	case <-beat.C:
	}
	return true
}
