package web

import (
	"context"
	"embed"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/lab/story"
)

//go:embed assets
var files embed.FS

// maxConns is how many connections the page has at most; more wait.
const maxConns = 256

// Options say whose page it is.
type Options struct {
	Host  *handfast.Host
	Name  string // what the program calls itself
	Token string // that a viewer must know; "": none
}

// Server is a page about a host.
type Server struct {
	token string
	hub   *hub
	pace  *pacer
	lives *lives
	pens  chan struct{}
	web   *http.Server
	stop  func()
	work  sync.WaitGroup
}

// Serve answers on l, which it then owns, until Close.
func Serve(l net.Listener, o Options) *Server {
	hub := newHub(strconv.FormatInt(time.Now().UnixNano(), 36))
	s := &Server{token: o.Token, hub: hub, pace: newPacer(o.Host, o.Name, hub), lives: newLives(o.Host, hub, o.Name), pens: make(chan struct{}, drawers)}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.web = &http.Server{Handler: s.handler(), ReadHeaderTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	s.work.Go(func() { s.pace.run(ctx.Done()) })
	s.work.Go(func() { s.lives.run(ctx) })
	s.work.Go(func() { s.web.Serve(netutil.LimitListener(l, maxConns)) }) // ends with Close
	return s
}

// Close sends all viewers away.
func (s *Server) Close() {
	s.stop()
	s.hub.close()
	s.web.Close() // nothing is lost that anybody wants
	s.work.Wait()
}

func (s *Server) handler() http.Handler {
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // they are in this program
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(assets))
	for path, theme := range map[string]story.Theme{"light": story.Light, "dark": story.Dark} {
		mux.HandleFunc("GET /story-"+path+".css", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/css; charset=utf-8")
			io.WriteString(w, theme.CSS()) // a failure is the viewer's to see
		})
	}
	mux.HandleFunc("GET /events", s.stream)
	mux.HandleFunc("GET /ladder", s.drawing(drawLadder))
	mux.HandleFunc("GET /states", s.drawing(drawStates))
	return s.guard(mux)
}
