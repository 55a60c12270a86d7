// Package verdicts tells a fleet what the flood detector of each host says: by messages of a
// NATS subject.
package verdicts

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/natsat"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/inspect"
)

const (
	// lookEvery is how often the detector is asked, and so how often something is said at most.
	lookEvery = time.Second
	// quietEvery is how often a host says that all is quiet.
	quietEvery = 10 * time.Second
	// patience is how long a server may be silent, or take nothing, until another one is asked.
	patience = 10 * time.Second
)

// Message is what a host says.
type Message struct {
	Host  string         `json:"host"` // the machine's name
	Name  string         `json:"name"` // the command's, such as guard
	PID   int            `json:"pid"`
	Time  time.Time      `json:"time"`
	Flood *inspect.Flood `json:"flood"`
}

// Publisher publishes the verdicts of one host. Its methods may be called by several goroutines
// at the same time.
type Publisher struct {
	conn    *nats.Conn
	subject string
	look    func() *inspect.Flood
	says    Message

	published, lost atomic.Uint64
	ended           chan struct{}
	working         sync.WaitGroup
	once            sync.Once
}

// Open publishes on nats://user:password@host:4222/subject, or tls://…, what look says: each
// second while it is not quiet, at once when that changes, and every ten seconds otherwise. It goes on
// without a server, which is looked for again and again; what was to be said meanwhile is
// counted and forgotten. Look may be asked by another goroutine until Close has returned.
func Open(where, name string, look func() *inspect.Flood) (*Publisher, error) {
	place, err := natsat.Form("subject").Parse(where)
	if err != nil {
		return nil, err
	}
	subject := natsat.Path(&place)
	if !isSubject(subject) {
		return nil, say.Errorf(say.Text{"%s is not nats://host:4222/subject", "%s 不是 nats://host:4222/subject 的形式"}, place.Shown)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	p := &Publisher{subject: subject, look: look, says: Message{Host: host, Name: name, PID: os.Getpid()}, ended: make(chan struct{})}
	// An old verdict is worth nothing: nothing is kept for a server that is away.
	p.conn, err = natsat.Connect(&place, nats.Name("handfast "+name), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(lookEvery),
		nats.ReconnectBufSize(-1), nats.PingInterval(patience), nats.FlusherTimeout(patience))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place.Shown, err)
	}
	p.working.Go(p.work)
	return p, nil
}

// isSubject reports whether messages can be published on a subject.
func isSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.ContainsAny(token, "*>/ \t\r\n") {
			return false
		}
	}
	return true
}

// Connected reports whether there is a server now.
func (p *Publisher) Connected() bool { return p.conn.IsConnected() }

// work publishes until the end.
func (p *Publisher) work() {
	turn := time.NewTicker(lookEvery)
	defer turn.Stop()
	said, at := "", time.Time{}
	for {
		f := p.look()
		if f != nil && (f.Level != said || f.Level != detect.Quiet.String() || time.Since(at) >= quietEvery) {
			if p.publish(f) {
				said, at = f.Level, time.Now()
			}
		}
		select {
		case <-turn.C:
		case <-p.ended:
			return
		}
	}
}

// publish says something, and reports whether there is a server that takes it.
func (p *Publisher) publish(f *inspect.Flood) bool {
	m := p.says
	m.Time, m.Flood = time.Now().UTC(), f
	text, err := json.Marshal(m)
	if err == nil && !p.conn.IsConnected() {
		err = nats.ErrConnectionClosed
	}
	if err == nil {
		err = p.conn.Publish(p.subject, text)
	}
	if err != nil {
		p.lost.Add(1)
		return false
	}
	p.published.Add(1)
	return true
}

// WriteMetrics writes in Prometheus' text format how much was said, and how much nobody took.
func (p *Publisher) WriteMetrics(w io.Writer) {
	fmt.Fprintf(w, `# HELP handfast_verdicts_published_total Verdicts that were published.
# TYPE handfast_verdicts_published_total counter
handfast_verdicts_published_total %d
# HELP handfast_verdicts_lost_total Verdicts that no server was there to take.
# TYPE handfast_verdicts_lost_total counter
handfast_verdicts_lost_total %d
`, p.published.Load(), p.lost.Load()) // a failure is the reader's to see
}

// Close ends it.
func (p *Publisher) Close() {
	p.once.Do(func() { close(p.ended) })
	p.working.Wait()
	p.conn.Close()
}
