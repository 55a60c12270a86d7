package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/handfast-tcp/handfast"
)

// maxRows is how many connections an answer has at most.
const maxRows = 1 << 20

// patience is how long a request may take to come, and an answer to be read.
const patience = 10 * time.Second

// Server answers, on a Unix socket that only its owner may open, what a host is
// doing. It speaks HTTP:
//
//	GET /             what there is, as text
//	GET /v1/report    a Header, then Rows: JSON, one value a line
//	GET /v1/summary   the Header alone
//	GET /v1/events    the last events of connections, where the host keeps them; text
//	GET /v1/capture   what happens to connections from now on; pcapng
//	POST /v1/kill     ends connections: their ends come one a line
//	GET /metrics      Prometheus' text format, as WriteMetrics writes it
//
// So from a shell: curl --unix-socket PATH http://handfast/metrics
type Server struct {
	host *handfast.Host // nil for ServeReports
	look func(limit int) *Report
	head func() Header
	name string
	path string
	web  *http.Server
	turn sync.Mutex // one look at the host at a time
	more atomic.Pointer[func(io.Writer)]
	done chan struct{}
}

// Serve opens a control socket for h and answers until Close. name is what the
// program calls itself, such as "serve": letters, digits, '-' and '_'.
func Serve(h *handfast.Host, name string) (*Server, error) {
	return serve(serverOf(h, name))
}

func serverOf(h *handfast.Host, name string) *Server {
	return &Server{host: h, name: name, look: func(limit int) *Report { return Collect(h, name, limit) },
		head: func() Header { return header(h, name) }}
}

// ServeReports is Serve for what is no Host, such as a guard whose connections are the kernel's:
// collect tells what is known of it, and is called by one goroutine at a time. No events are kept
// there, and no connection can be ended.
func ServeReports(name string, collect func() *Report) (*Server, error) {
	s := &Server{name: name}
	s.look = func(limit int) *Report {
		r := collect()
		if n := len(r.Rows) - limit; limit > 0 && n > 0 {
			r.Rows, r.Omitted = r.Rows[:limit], r.Omitted+n
		}
		return r
	}
	s.head = func() Header { return s.collect(0).Header }
	return serve(s)
}

// serve opens the socket of a server that has a name.
func serve(s *Server) (*Server, error) {
	name := s.name
	// The name becomes part of a path, and is read back out of it: no slash, no dot.
	if strings.ContainsFunc(name, func(r rune) bool { return !isNameRune(r) }) || name == "" {
		return nil, fmt.Errorf("inspect: %q is not a valid name for a control socket", name)
	}
	dir, err := makePlace()
	if err != nil {
		return nil, err
	}
	s.path, s.done = filepath.Join(dir, strconv.Itoa(os.Getpid())+"-"+name+suffix), make(chan struct{})
	// What lies there is of a process that has gone: PIDs come again.
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", s.path)
	if err == nil {
		err = os.Chmod(s.path, 0o600) // no other user could enter the folder anyway
	}
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s.start(l)
	return s, nil
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

func (s *Server) start(l net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /v1/report", s.report)
	mux.HandleFunc("GET /v1/summary", s.summary)
	mux.HandleFunc("POST /v1/kill", s.kill)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/capture", s.capture)
	mux.HandleFunc("GET /metrics", s.metrics)
	// Each bound is for a client that is stuck: it would hold a goroutine, and the
	// next look at the host, for as long.
	s.web = &http.Server{Handler: mux, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: patience,
		MaxHeaderBytes: 4 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		defer close(s.done)
		s.web.Serve(l) // ends with Close
	}()
}

// Path returns where the socket is.
func (s *Server) Path() string { return s.path }

// Close removes the socket and ends every answer.
func (s *Server) Close() error {
	err := s.web.Close()
	<-s.done
	return err
}

// collect looks at the host; one at a time, as a look may take memory.
func (s *Server) collect(limit int) *Report {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.look(limit)
}

// index lists what there is, for who looks with curl.
func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s, process %d\n\n%s", s.name, os.Getpid(), `GET  /v1/report    everything: a header, then a connection a line; JSON. ?limit=N: N connections at most
GET  /v1/summary   the header alone: links, defence, flood verdict, counters; JSON
GET  /v1/events    the last events of connections, where they are kept; text. ?local=:80&remote=10.0.0.1:4000: of these; ?format=json
GET  /v1/capture   what happens to connections, as it happens; pcapng. ?local= and ?remote=, as above
GET  /metrics      for Prometheus
POST /v1/kill      ends connections with a reset: {"local":{"addr":"10.77.0.2","port":80},"remote":{…}}, one a line
`) // a failure is the client's to see
}

func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	limit := maxRows
	if n, err := strconv.Atoi(r.FormValue("limit")); err == nil && n > 0 {
		limit = min(n, maxRows)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	writeReport(w, s.collect(limit)) // a failure is the client's to see
}

// writeReport writes a header and rows, one a line.
func writeReport(w io.Writer, r *Report) error {
	out := json.NewEncoder(w)
	err := out.Encode(&r.Header)
	for i := 0; i < len(r.Rows) && err == nil; i++ {
		err = out.Encode(&r.Rows[i])
	}
	return err
}

func (s *Server) summary(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	h := s.head()
	json.NewEncoder(w).Encode(&h) // a failure is the client's to see
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	writeMetrics(w, s.collect(maxRows)) // a failure is the client's to see
	if more := s.more.Load(); more != nil {
		(*more)(w)
	}
}

// AddMetrics has GET /metrics answer what write writes, too: families of metrics of the
// program's own, in Prometheus' text format. Several requests may call it at the same time.
// Nil adds nothing.
func (s *Server) AddMetrics(write func(w io.Writer)) {
	if write == nil {
		s.more.Store(nil)
		return
	}
	s.more.Store(&write)
}
