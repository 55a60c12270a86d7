package web

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
)

// drawers is how many pictures are drawn at once; who comes then waits.
const drawers = 2

// drawing answers with a picture of one recorded connection: ?local=…&remote=…&lang=zh&why=1.
func (s *Server) drawing(draw func(io.Writer, *story.Telling, story.TellOptions) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, ok := tupleOf(r.FormValue("local"), r.FormValue("remote"))
		if !ok {
			http.Error(w, "local and remote are the ends of a connection, such as 10.77.0.2:80", http.StatusBadRequest)
			return
		}
		o := story.TellOptions{Explain: r.FormValue("why") != ""}
		if r.FormValue("lang") == "zh" {
			o.Lang = story.Chinese
		}
		select {
		case s.pens <- struct{}{}:
			defer func() { <-s.pens }()
		case <-r.Context().Done():
			return
		}
		telling := s.lives.album.Tell(t, o)
		if telling == nil || len(telling.Steps) == 0 {
			http.Error(w, "nothing is recorded of this connection", http.StatusNotFound)
			return
		}
		var b bytes.Buffer
		draw(&b, telling, o) // a Buffer takes all
		w.Header().Set("Content-Type", "image/svg+xml; charset=utf-8")
		w.Write(b.Bytes()) // a failure is the viewer's to see
	}
}

func tupleOf(local, remote string) (t wire.Tuple, ok bool) {
	l, err := netip.ParseAddrPort(local)
	if err != nil {
		return t, false
	}
	r, err := netip.ParseAddrPort(remote)
	if err != nil {
		return t, false
	}
	return wire.Tuple{Local: wire.AddrFrom(l.Addr()), LocalPort: l.Port(), Remote: wire.AddrFrom(r.Addr()), RemotePort: r.Port()}, true
}

func drawLadder(w io.Writer, t *story.Telling, o story.TellOptions) error {
	return story.Picture{Lanes: t.Lanes, Theme: story.Bare, Lang: o.Lang}.Write(w, t.Steps)
}

func drawStates(w io.Writer, t *story.Telling, o story.TellOptions) error {
	return story.Diagram{Paths: t.Paths(t.Steps[0].Time), Theme: story.Bare, Lang: o.Lang}.Write(w)
}
