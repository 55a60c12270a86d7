// Package proxy opens TCP connections through another machine: by SOCKS5 or by HTTP's
// CONNECT.
package proxy

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"golang.org/x/net/proxy"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// Proxy is a gateway.Dialer. What it returns has half-close, linger and all else of a
// connection of the system's.
type Proxy struct {
	address string // host:port
	open    func(ctx context.Context, c net.Conn, address string) error
}

// errForm says how a proxy is written.
var errForm = say.Errorf(say.Text{"write socks5://host:port, socks5://user:password@host:port or http://host:port", "写法：socks5://host:port, socks5://user:password@host:port 或 http://host:port"})

// Parse reads socks5://[user:password@]host[:port] and http://….
func Parse(text string) (*Proxy, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, errForm
	}
	p := &Proxy{address: u.Host}
	port := "1080"
	switch u.Scheme {
	case "socks5", "socks5h": // names are asked before us, so both are the same
		p.open, err = socks(u)
	case "http":
		p.open, port = connect(u), "8080"
	default:
		return nil, errForm
	}
	if u.Port() == "" {
		p.address = net.JoinHostPort(u.Hostname(), port)
	}
	return p, err
}

// DialContext opens a connection of TCP. When the proxy says why it does not, the error
// is what the system would say; what is wrong with the proxy itself is no such error.
func (p *Proxy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, say.Errorf(say.Text{"proxy %s carries TCP only, not %s", "代理 %s 只转发 TCP，不转发 %s"}, p.address, network)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, say.Errorf(say.Text{"proxy: %v", "代理：%v"}, err)
	}
	if err := p.open(ctx, c, address); err != nil {
		c.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, say.Errorf(say.Text{"proxy %s: %w", "代理 %s：%w"}, p.address, err)
	}
	return c, nil
}

// withConn is what the package's dialer can, and its interface does not say.
type withConn interface {
	DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
}

// socks speaks RFC 1928. https://www.rfc-editor.org/rfc/rfc1928
func socks(u *url.URL) (func(context.Context, net.Conn, string) error, error) {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", u.Host, auth, nil)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, c net.Conn, address string) error {
		_, err := d.(withConn).DialWithConn(ctx, c, "tcp", address)
		return reply(err)
	}, nil
}

// replies are what a SOCKS server says, as the package words it.
var replies = []struct {
	text  string
	errno error
}{
	{"connection not allowed by ruleset", syscall.EACCES},
	{"network unreachable", syscall.ENETUNREACH},
	{"host unreachable", syscall.EHOSTUNREACH},
	{"connection refused", syscall.ECONNREFUSED},
	{"TTL expired", syscall.EHOSTUNREACH},
}

// reply makes an error of the system's of what the server says about the destination.
func reply(err error) error {
	if err == nil {
		return nil
	}
	for _, r := range replies {
		if strings.HasSuffix(err.Error(), "unknown error "+r.text) {
			return r.errno
		}
	}
	return aboutProxy(err)
}

// aboutProxy keeps of an error only what it says: an errno in it would be taken for one
// about the destination. That time is over is so for both.
func aboutProxy(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return say.Errorf(say.All("%v"), err)
}
