package handfast_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// newHost returns a host with one link and one address.
func newHost(l link.Link, address string) *handfast.Host {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		log.Fatal(err)
	}
	err = h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}})
	if err != nil {
		log.Fatal(err)
	}
	return h
}

// A web server and its client, each on a host of its own, joined by a link in
// memory.
func Example() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost(a, "10.0.0.1/24"), newHost(b, "10.0.0.2/24")
	defer server.Close()
	defer client.Close()

	l, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", r.URL.Path[1:])
	}))

	web := http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
	answer, err := web.Get("http://10.0.0.1/world")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(string(body), err)
	// Output: hello world <nil>
}

// The peer closes its sending side; ours goes on.
func ExampleTCPConn_CloseWrite() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost(a, "10.0.0.1/24"), newHost(b, "10.0.0.2/24")
	defer server.Close()
	defer client.Close()

	l, err := server.Listen("tcp", "10.0.0.1:7")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		question, _ := io.ReadAll(c)
		fmt.Fprintf(c, "%d bytes came", len(question))
		c.Close()
	}()

	c, err := client.Dial("tcp", "10.0.0.1:7")
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(c, "how many?")
	c.(*handfast.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	fmt.Println(string(answer), err)
	// Output: 9 bytes came <nil>
}

func ExampleHost_ListenPacket() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost(a, "10.0.0.1/24"), newHost(b, "10.0.0.2/24")
	defer server.Close()
	defer client.Close()

	socket, err := server.ListenPacket("udp", ":53")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		p := make([]byte, 1500)
		n, from, err := socket.ReadFrom(p)
		if err == nil {
			socket.WriteTo(append(p[:n], " yourself"...), from)
		}
	}()

	c, err := client.Dial("udp", "10.0.0.1:53")
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(c, "ask")
	p := make([]byte, 1500)
	n, err := c.Read(p)
	fmt.Println(string(p[:n]), err)
	// Output: ask yourself <nil>
}

func ExampleHost_Connections() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost(a, "10.0.0.1/24"), newHost(b, "10.0.0.2/24")
	defer server.Close()
	defer client.Close()

	l, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.Dial("tcp", "10.0.0.1:80"); err != nil {
		log.Fatal(err)
	}
	if _, err := l.Accept(); err != nil {
		log.Fatal(err)
	}
	for c := range server.Connections() {
		fmt.Println(c.Local, c.State)
	}
	// Output: 10.0.0.1:80 ESTABLISHED
}
