package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listen has f do with each connection, and returns where.
func listen(t *testing.T, f func(c *net.TCPConn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go f(c.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

// destination speaks first, and then says in capitals what it has heard until the end.
func destination(c net.Conn) {
	io.WriteString(c, "welcome ")
	heard, _ := io.ReadAll(c)
	io.WriteString(c, strings.ToUpper(string(heard)))
	c.Close()
}

// socksServer is a server of RFC 1928 that answers with this reply, and is the
// destination itself when that is 0. A password is asked for if there is one.
func socksServer(reply byte, password string) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		p := make([]byte, 512)
		io.ReadFull(c, p[:2])
		io.ReadFull(c, p[:p[1]])
		if password == "" {
			c.Write([]byte{5, 0})
		} else {
			c.Write([]byte{5, 2})
			io.ReadFull(c, p[:2])
			io.ReadFull(c, p[:p[1]+1])
			n := p[len("user")]
			io.ReadFull(c, p[:n])
			if string(p[:n]) != password {
				c.Write([]byte{1, 1})
				c.Close()
				return
			}
			c.Write([]byte{1, 0})
		}
		io.ReadFull(c, p[:10])
		c.Write([]byte{5, reply, 0, 1, 0, 0, 0, 0, 0, 0})
		if reply != 0 {
			c.Close()
			return
		}
		destination(c)
	}
}

// httpServer answers CONNECT.
func httpServer(code int, password string) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil || r.Method != http.MethodConnect || r.Host != "192.0.2.7:80" {
			c.Close()
			return
		}
		r.Header.Set("Authorization", r.Header.Get("Proxy-Authorization"))
		if _, given, _ := r.BasicAuth(); given != password {
			code = http.StatusProxyAuthRequired
		}
		fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nVia: a test\r\n\r\n", code, http.StatusText(code))
		if code/100 == 2 {
			destination(c)
		}
		c.Close()
	}
}

// Through either kind a destination is reached that speaks first and hears a
// half-close; and why one is not is told as the system tells it.
func TestDial(t *testing.T) {
	for _, c := range []struct {
		scheme string
		server func(c *net.TCPConn)
		want   error
	}{
		{"socks5://", socksServer(0, ""), nil},
		{"socks5://user:secret@", socksServer(0, "secret"), nil},
		{"socks5://user:wrong@", socksServer(0, "secret"), errAny},
		{"socks5://", socksServer(1, ""), errAny},
		{"socks5://", socksServer(2, ""), syscall.EACCES},
		{"socks5://", socksServer(3, ""), syscall.ENETUNREACH},
		{"socks5://", socksServer(4, ""), syscall.EHOSTUNREACH},
		{"socks5://", socksServer(5, ""), syscall.ECONNREFUSED},
		{"socks5://", func(c *net.TCPConn) { c.Close() }, errAny},
		{"http://", httpServer(200, ""), nil},
		{"http://user:secret@", httpServer(204, "secret"), nil},
		{"http://user:wrong@", httpServer(200, "secret"), syscall.EACCES},
		{"http://", httpServer(403, ""), syscall.EACCES},
		{"http://", httpServer(502, ""), syscall.EHOSTUNREACH},
		{"http://", httpServer(404, ""), errAny},
		{"http://", func(c *net.TCPConn) { c.Close() }, errAny},
		{"http://", func(c *net.TCPConn) { io.Copy(c, zeros{}) }, errAny},
	} {
		p, err := Parse(c.scheme + listen(t, c.server))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := p.DialContext(t.Context(), "tcp", "192.0.2.7:80")
		if c.want != nil {
			if err == nil || c.want != errAny && !errors.Is(err, c.want) || c.want == errAny && errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %v, want %v", c.scheme, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.scheme, err)
			continue
		}
		io.WriteString(conn, "hello")
		conn.(*net.TCPConn).CloseWrite()
		if said, err := io.ReadAll(conn); string(said) != "welcome HELLO" || err != nil {
			t.Errorf("%s: %q, %v", c.scheme, said, err)
		}
		conn.Close()
	}
}

// errAny is any error that says nothing about the destination.
var errAny = errors.New("any")

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A proxy that is not there is not a destination that refuses, and one that says
// nothing is given up with the context.
func TestBrokenProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, scheme := range []string{"socks5://", "http://"} {
		p, err := Parse(scheme + l.Addr().String())
		if err == nil {
			_, err = p.DialContext(t.Context(), "tcp", "192.0.2.7:80")
		}
		if err == nil || errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v", scheme, err)
		}
		silent, err := Parse(scheme + listen(t, func(c *net.TCPConn) {}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := silent.DialContext(ctx, "tcp", "192.0.2.7:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", scheme, err)
		}
		cancel()
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"socks5://h": "h:1080", "socks5h://h:1": "h:1", "http://h": "h:8080", "http://[::1]:3128/": "[::1]:3128", "socks5://u:p@h:2": "h:2",
		"": "", "h:1080": "", "https://h": "", "socks4://h": "", "socks5://": "", "socks5://:p@h": "", "socks5://" + strings.Repeat("u", 256) + "@h": "", "http://h/path": "", "socks5://h:port": "",
	} {
		p, err := Parse(text)
		if (err == nil) != (want != "") || err == nil && p.address != want {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}
