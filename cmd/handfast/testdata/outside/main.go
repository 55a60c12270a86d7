// Outside is a program of others: a web server on a host of Handfast's, and a client on another
// one that asks it for a page, over a link in memory.
package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

func main() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost("10.0.0.1/24", a), newHost("10.0.0.2/24", b)
	defer server.Close()
	defer client.Close()
	page := make([]byte, 1<<20)
	rand.Read(page)
	l, err := server.Listen("tcp", ":80")
	check(err)
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(page) }))
	visitor := http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
	answer, err := visitor.Get("http://10.0.0.1/")
	check(err)
	got, err := io.ReadAll(answer.Body)
	check(err)
	if !bytes.Equal(got, page) {
		log.Fatalf("%d bytes came, and not the %d that were sent", len(got), len(page))
	}
	fmt.Println(len(got), "bytes came as they were sent")
}

func newHost(address string, l link.Link) *handfast.Host {
	h, err := handfast.New(handfast.Config{})
	check(err)
	check(h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}}))
	return h
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
