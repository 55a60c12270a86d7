package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// site is a page about a host that serves, and a client's way to that host.
type site struct {
	*Server
	t      *testing.T
	url    string
	host   *handfast.Host
	client *handfast.Host
}

var ours, theirs = netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("10.77.0.1/24")

func newHost(t *testing.T, l link.Link, address netip.Prefix, cfg handfast.Config) *handfast.Host {
	t.Helper()
	h, err := handfast.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{address}}); err != nil {
		t.Fatal(err)
	}
	return h
}

// newSite makes one; what arrives at the host's port 80 is echoed.
func newSite(t *testing.T, token string) *site {
	t.Helper()
	near, far := pipe.New(pipe.Options{MaxGSO: 65535, ChecksumOffload: true})
	s := &site{t: t}
	s.host = newHost(t, near, ours, handfast.Config{})
	s.client = newHost(t, far, theirs, handfast.Config{})
	echo, err := s.host.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(echo, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })) // until the host is closed
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	s.Server = Serve(l, Options{Host: s.host, Name: "serve", Token: token})
	t.Cleanup(s.Server.Close)
	return s
}

// fetch has the client ask the host for something once, on a connection of its own.
func (s *site) fetch(body string) {
	s.t.Helper()
	c := http.Client{Transport: &http.Transport{DialContext: s.client.DialContext, DisableKeepAlives: true}}
	answer, err := c.Post("http://10.77.0.2/", "text/plain", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); string(got) != body {
		s.t.Fatalf("%d bytes came back of %d: %v", len(got), len(body), err)
	}
}

// get asks the page for something.
func (s *site) get(path string, change ...func(*http.Request)) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range change {
		f(r)
	}
	answer, err := (&http.Transport{}).RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// sse is one server-sent event.
type sse struct{ name, data, id string }

// follow reads a stream of events until take is content.
func follow(t *testing.T, r io.Reader, take func(sse) bool) {
	t.Helper()
	var e sse
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "id":
			e.id = value
		case "":
			if e.name != "" && take(e) {
				return
			}
			e.name, e.data = "", ""
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
}

// hold opens a connection that stays open.
func (s *site) hold() net.Conn {
	s.t.Helper()
	c, err := s.client.DialContext(s.t.Context(), "tcp", "10.77.0.2:80")
	if err == nil {
		_, err = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("y", 1000))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}
