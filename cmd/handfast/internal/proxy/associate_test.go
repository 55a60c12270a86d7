package proxy

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// relay is a SOCKS server that grants associations: each datagram comes back as from where
// it was sent to, behind strays.
type relay struct {
	named   string            // the address that it names; empty: its own
	strays  [][]byte          // headers
	control chan *net.TCPConn // of each association
}

// serve is for listen.
func (r *relay) serve(c *net.TCPConn) {
	p := make([]byte, 512)
	io.ReadFull(c, p[:3]) // one method
	c.Write([]byte{5, 0})
	io.ReadFull(c, p[:10])
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil || p[1] != 3 {
		c.Close()
		return
	}
	named := u.LocalAddr().String()
	if r.named != "" {
		_, port, _ := net.SplitHostPort(named)
		named = net.JoinHostPort(r.named, port)
	}
	answer, _ := appendAddress([]byte{5, 0, 0}, named)
	c.Write(answer)
	r.control <- c
	for {
		n, from, err := u.ReadFrom(p)
		if err != nil {
			return
		}
		for _, header := range r.strays {
			u.WriteTo(append(header, "stray"...), from)
		}
		u.WriteTo(p[:n], from) // the far end says the same
	}
}

// ask sends text, and returns what comes back.
func ask(c net.Conn, text string) (string, error) {
	p := make([]byte, 1000)
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	n, err := c.Read(p)
	return string(p[:n]), err
}

// Datagrams go by the relay that the proxy names, to whom they are for and back; what is not from
// there, or a fragment, or no datagram of SOCKS, is dropped.
func TestAssociate(t *testing.T) {
	for _, named := range []string{"", "0.0.0.0", "::", "localhost"} {
		for _, to := range []string{"192.0.2.7:53", "[2001:db8::7]:53"} {
			right, _ := appendAddress([]byte{0, 0, 0}, to)
			other, _ := appendAddress([]byte{0, 0, 0}, "192.0.2.8:53")
			port, _ := appendAddress([]byte{0, 0, 0}, netip.MustParseAddrPort(to).Addr().String()+":54")
			name, _ := appendAddress([]byte{0, 0, 0}, "a-name:53")
			fragment := append([]byte{0, 0, 1}, right[3:]...)
			r := relay{named: named, control: make(chan *net.TCPConn, 1), strays: [][]byte{other, port, name, fragment, {}, {0, 0, 0}, {0, 0, 0, 9}, right[:9]}}
			p, err := Parse("socks5://" + listen(t, r.serve))
			if err != nil {
				t.Fatal(err)
			}
			c, err := p.DialContext(t.Context(), "udp", to)
			if err != nil {
				t.Fatalf("%s to %s: %v", named, to, err)
			}
			for _, text := range []string{"hello", "", strings.Repeat("x", 400)} {
				if got, err := ask(c, text); got != text || err != nil {
					t.Errorf("%s to %s: %q came back, %v, want %q", named, to, got, err, text)
				}
			}
			c.Close()
			if _, err := (<-r.control).Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("closed, and the proxy sees %v", err)
			}
		}
	}
}

// An association ends with the connection that asked for it; a deadline is one; and that the
// relay is gone says nothing about the far end.
func TestAssociationEnds(t *testing.T) {
	r := relay{control: make(chan *net.TCPConn, 1)}
	p, err := Parse("socks5://" + listen(t, r.serve))
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.DialContext(t.Context(), "udp", "192.0.2.7:53")
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Unix(1, 0))
	if _, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline: %v", err)
	}
	c.SetReadDeadline(time.Time{})
	(<-r.control).Close()
	if _, err := c.Read(make([]byte, 100)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the proxy has ended, and a read says %v", err)
	}
	gone, _ := net.ListenPacket("udp", "127.0.0.1:0")
	address := gone.LocalAddr().String()
	gone.Close()
	u, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	a := association{Conn: u}
	if _, err := ask(&a, "x"); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("no relay is there: %v", err)
	}
}

// A proxy that does not want to carry UDP says so once when it does not know how, and
// is asked again otherwise.
func TestNoUDP(t *testing.T) {
	for _, c := range []struct {
		scheme string
		server func(c *net.TCPConn)
		want   string // in the error
		again  bool
	}{
		{"socks5://", socksServer(7, ""), "command not supported", false},
		{"socks5://", socksServer(2, ""), "permission denied", true},
		{"socks5://", socksServer(1, ""), "general failure", true},
		{"socks5://", socksServer(99, ""), "unknown reply 99", true},
		{"socks5://user:wrong@", socksServer(0, "secret"), "it does not know this name and password", true},
		{"socks5://", socksServer(0, "secret"), "it wants another authentication", true},
		{"socks5://", func(c *net.TCPConn) { c.Close() }, "it ends the connection", true},
		{"socks5://", func(c *net.TCPConn) { io.ReadFull(c, make([]byte, 1)); c.SetLinger(0); c.Close() }, "it ends the connection", true},
		{"socks5://", func(c *net.TCPConn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); c.Close() }, "it does not speak SOCKS5", true},
		{"http://", httpServer(200, ""), "command not supported", false},
	} {
		p, err := Parse(c.scheme + listen(t, c.server))
		if err != nil {
			t.Fatal(err)
		}
		var no NoUDP
		_, err = p.DialContext(t.Context(), "udp", "192.0.2.7:53")
		if !errors.As(err, &no) || !strings.Contains(err.Error(), c.want) || errors.Is(err, syscall.EACCES) {
			t.Errorf("%s: %v, want %s", c.scheme, err, c.want)
		}
		if p.CarriesUDP() != c.again {
			t.Errorf("%s %s: it is asked again: %v", c.scheme, c.want, p.CarriesUDP())
		}
	}
}
