package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// maxKill bounds a request to end connections, in bytes.
const maxKill = 64 << 20

// ends are what a connection is named by.
type ends struct {
	Local  Endpoint `json:"local"`
	Remote Endpoint `json:"remote"`
}

func (e Endpoint) addrPort() netip.AddrPort { return netip.AddrPortFrom(e.Addr, e.Port) }

// Kill ends the connections of rows, as ss -K does: the peer gets a reset, the
// program an error. Listeners and UDP sockets are left alone. It returns the rows
// of those that were there.
func (i Instance) Kill(ctx context.Context, rows []Row) (killed []Row, err error) {
	var asked []Row
	var request bytes.Buffer
	out := json.NewEncoder(&request)
	for _, r := range rows {
		if r.UDP() || r.State == State(tcp.Listen) {
			continue
		}
		if err := out.Encode(ends{r.Local, r.Remote}); err != nil {
			return nil, err
		}
		asked = append(asked, r)
	}
	body, err := i.ask(ctx, http.MethodPost, "/v1/kill", &request)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	answers := json.NewDecoder(io.LimitReader(body, maxReport))
	for _, r := range asked {
		var ok bool
		if err := answers.Decode(&ok); err != nil {
			return killed, err
		}
		if ok {
			killed = append(killed, r)
		}
	}
	return killed, nil
}

// kill ends connections: their ends come one a line, and whether there was one
// is answered the same way.
func (s *Server) kill(w http.ResponseWriter, r *http.Request) {
	in, out := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxKill)), json.NewEncoder(w)
	var all []ends
	for {
		var e ends
		err := in.Decode(&e)
		if err == io.EOF {
			break
		}
		if err != nil {
			http.Error(w, `one {"local":{"addr":"…","port":…},"remote":{…}} a line, please: `+err.Error(), http.StatusBadRequest)
			return
		}
		all = append(all, e)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	for _, e := range all {
		out.Encode(s.host != nil && s.host.Kill(e.Local.addrPort(), e.Remote.addrPort())) // a failure is the client's to see
	}
}
