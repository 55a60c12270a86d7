package handfast_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// newWeb returns a server of net/http on one host and a client on the other.
func newWeb(t *testing.T, o pipe.Options, handler http.Handler) (url string, client *http.Client, server *http.Server) {
	from, to := newNet(t, handfast.Config{}, o)
	l := listen(t, to, serverIP+":80")
	s := httptest.NewUnstartedServer(handler)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	transport := &http.Transport{DialContext: from.DialContext, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return "http://" + serverIP, &http.Client{Transport: transport}, s.Config
}

// bodies serves as many bytes as the query asks for, and hashes what it gets.
var bodies = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		h := sha256.New()
		io.Copy(h, r.Body)
		fmt.Fprintf(w, "%x", h.Sum(nil))
		return
	}
	var n int
	fmt.Sscan(r.URL.Query().Get("n"), &n)
	w.Write(random(n))
})

func TestHTTPDownAndUp(t *testing.T) {
	for kind, o := range links {
		t.Run(kind, func(t *testing.T) {
			url, client, _ := newWeb(t, o, bodies)
			data := random(2 << 20)
			r, err := client.Get(fmt.Sprintf("%s/?n=%d", url, len(data)))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if got, err := io.ReadAll(r.Body); !bytes.Equal(got, data) || err != nil {
				t.Errorf("got %d bytes of %d, %v", len(got), len(data), err)
			}
			put, _ := http.NewRequest(http.MethodPut, url, bytes.NewReader(data))
			if r, err = client.Do(put); err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if got, err := io.ReadAll(r.Body); string(got) != fmt.Sprintf("%x", sha256.Sum256(data)) || err != nil {
				t.Errorf("the server has %s, %v", got, err)
			}
		})
	}
}

func TestHTTPManySmallRequests(t *testing.T) {
	url, client, _ := newWeb(t, pipe.Options{}, bodies)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := range 32 {
				r, err := client.Get(fmt.Sprintf("%s/?n=%d", url, n*100))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r.Body)
				r.Body.Close()
				if len(got) != n*100 || err != nil {
					t.Errorf("got %d bytes of %d, %v", len(got), n*100, err)
				}
			}
		})
	}
	wg.Wait()
}

// Shutdown waits for the request that is under way, no longer.
func TestHTTPShutdown(t *testing.T) {
	arrived, goOn := make(chan bool), make(chan bool)
	url, client, server := newWeb(t, pipe.Options{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-goOn
		io.WriteString(w, "done")
	}))
	answer := make(chan string)
	go func() {
		r, err := client.Get(url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer r.Body.Close()
		got, _ := io.ReadAll(r.Body)
		answer <- string(got)
	}()
	<-arrived
	down := make(chan error)
	go func() { down <- server.Shutdown(context.Background()) }()
	goOn <- true
	if got := <-answer; got != "done" {
		t.Error("the request under way:", got)
	}
	if err := <-down; err != nil {
		t.Error("Shutdown:", err)
	}
	if _, err := client.Get(url); err == nil {
		t.Error("a request after Shutdown was answered")
	}
}
