package handfast_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
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

func ExampleHost_ListenMulticastUDP() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost(a, "10.0.0.1/24"), newHost(b, "10.0.0.2/24")
	defer server.Close()
	defer client.Close()

	group := &net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: 5353}
	member, err := server.ListenMulticastUDP("udp4", nil, group)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.ListenPacket("udp4", "")
	if err != nil {
		log.Fatal(err)
	}
	c.WriteTo([]byte("who is there?"), group)
	p := make([]byte, 1500)
	n, from, err := member.ReadFromUDP(p)
	fmt.Println(string(p[:n]), from.IP, err)
	// Output: who is there? 10.0.0.2 <nil>
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

// A transparent proxy takes the connections to every address, and decides before
// it answers the SYN.
func ExampleHost_Forward() {
	a, b := pipe.New(pipe.Options{})
	client := newHost(a, "10.0.0.2/24")
	defer client.Close()
	proxy, err := handfast.New(handfast.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer proxy.Close()
	err = proxy.Attach(b, handfast.LinkOptions{Routes: []handfast.Route{{Destination: netip.MustParsePrefix("10.0.0.0/24")}}})
	if err != nil {
		log.Fatal(err)
	}

	l, err := proxy.Forward(handfast.ListenOptions{Verdict: func(r *handfast.Request) {
		if r.Local().Port() == 25 {
			r.Reset()
			return
		}
		r.Accept()
	}})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			fmt.Fprintf(c, "I am %v", c.LocalAddr())
			c.Close()
		}
	}()

	c, err := client.Dial("tcp", "10.0.0.77:80")
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(c)
	fmt.Println(string(text), err)
	_, err = client.Dial("tcp", "10.0.0.77:25")
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	// Output:
	// I am 10.0.0.77:80 <nil>
	// true
}

// A Dialer says where a connection comes from, and where it must not go.
func ExampleDialer() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost(a, "10.0.0.1/24"), newHost(b, "10.0.0.2/24")
	defer server.Close()
	defer client.Close()
	l, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	d := handfast.Dialer{
		Host:      client,
		LocalAddr: &net.TCPAddr{Port: 40000},
		Control: func(network, address string, _ syscall.RawConn) error {
			if netip.MustParseAddrPort(address).Port() != 80 {
				return errors.New("only web servers")
			}
			return nil
		},
	}
	c, err := d.Dial("tcp", "10.0.0.1:80")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.LocalAddr(), "to", c.RemoteAddr())
	_, err = d.Dial("tcp", "10.0.0.1:22")
	fmt.Println(err)
	// Output:
	// 10.0.0.2:40000 to 10.0.0.1:80
	// dial tcp :40000->10.0.0.1:22: only web servers
}

// counting is a link of your own: it hands everything to another one, and counts
// the SYNs that leave.
type counting struct {
	link.Link
	syns atomic.Int32
}

func (c *counting) Write(queue int, batch []*buf.Packet) error {
	for _, p := range batch {
		if header := p.Data[p.L3:]; header[9] == 6 && header[20+13]&2 != 0 {
			c.syns.Add(1)
		}
	}
	return c.Link.Write(queue, batch)
}

// Whatever has the four methods of link.Link is a link: here one that looks at
// packets on their way to another one.
func ExampleHost_Attach() {
	a, b := pipe.New(pipe.Options{})
	own := &counting{Link: b}
	server, client := newHost(a, "10.0.0.1/24"), newHost(own, "10.0.0.2/24")
	defer server.Close()
	l, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for range 3 {
		if _, err := client.Dial("tcp", "10.0.0.1:80"); err != nil {
			log.Fatal(err)
		}
	}
	client.Close() // waits for all who use the link
	fmt.Println(own.syns.Load(), "SYNs")
	// Output: 3 SYNs
}

// With a linger of 0 Close sends a RST: nothing lingers, neither data nor a
// TIME-WAIT, and the peer is told that the connection broke off.
func ExampleTCPConn_SetLinger() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost(a, "10.0.0.1/24"), newHost(b, "10.0.0.2/24")
	defer server.Close()
	defer client.Close()
	l, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Dial("tcp", "10.0.0.1:80")
	if err != nil {
		log.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	c.(*handfast.TCPConn).SetLinger(0)
	c.Close()
	_, err = peer.Read(make([]byte, 1))
	fmt.Println(errors.Is(err, syscall.ECONNRESET))
	// Output: true
}

func ExampleHost_FloodVerdict() {
	a, b := pipe.New(pipe.Options{})
	server, client := newHost(a, "10.0.0.1/24"), newHost(b, "10.0.0.2/24")
	defer server.Close()
	defer client.Close()
	if _, err := server.Listen("tcp", ":80"); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Dial("tcp", "10.0.0.1:80"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.FloodVerdict().Level)
	// Output: quiet
}
