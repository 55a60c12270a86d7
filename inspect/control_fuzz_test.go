package inspect

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/handfast-tcp/handfast"
)

// FuzzControl gives the control socket any request: it is answered, and by nothing that says
// that the fault is ours.
func FuzzControl(f *testing.F) {
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: handfast\r\n\r\n",
		"GET /v1/report?limit=1 HTTP/1.1\r\nHost: handfast\r\n\r\n",
		"GET /v1/summary HTTP/1.1\r\nHost: handfast\r\n\r\n",
		"GET /metrics HTTP/1.0\r\n\r\n",
		"POST /v1/kill HTTP/1.1\r\nHost: handfast\r\nContent-Length: 70\r\n\r\n{\"local\":{\"addr\":\"10.77.0.2\",\"port\":80},\"remote\":{\"addr\":\"::1\",\"port\":9}}\n",
		"POST /v1/kill HTTP/1.1\r\nHost: handfast\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	} {
		f.Add([]byte(request))
	}
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { h.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	l.Close() // requests come by no socket
	s := serverOf(h, "fuzz")
	s.done = make(chan struct{})
	s.start(l)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		r.Body = http.MaxBytesReader(nil, r.Body, 1<<16)
		w := httptest.NewRecorder()
		s.web.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			body, _ := io.ReadAll(w.Body)
			t.Fatalf("%s %s: %d %s", r.Method, r.URL, w.Code, body)
		}
	})
}
