// Package proxy carries flows through another machine: TCP by SOCKS5 or by HTTP's CONNECT,
// and UDP by SOCKS5 where the machine grants that.
package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// Proxy is a gateway.Dialer. What it returns has half-close, linger and all else of a
// connection of the system's.
type Proxy struct {
	address string // host:port
	open    func(ctx context.Context, c net.Conn, address string) error
	socks   *socks      // nil: it speaks HTTP
	noUDP   atomic.Bool // it has said so
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
		if p.socks, err = newSocks(u); err == nil {
			p.open = p.socks.connect
		}
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

// DialContext opens a connection of TCP, or has datagrams relayed. When the proxy says why
// it does not, the error is what the system would say; what is wrong with the proxy itself
// is no such error.
func (p *Proxy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasPrefix(network, "udp") {
		return p.dialUDP(ctx, address)
	}
	c, err := p.dial(ctx)
	if err != nil {
		return nil, err
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

// dial connects to the proxy.
func (p *Proxy) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, say.Errorf(say.Text{"proxy: %v", "代理：%v"}, err)
	}
	return c, nil
}

// errEnded is an end where more was to come.
var errEnded = say.Errorf(say.Text{"it ends the connection", "它断开连接"})

// aboutProxy keeps of an error only what it says: an errno in it would be taken for one
// about the destination. That time is over is so for both.
func aboutProxy(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return errEnded
	}
	return say.Errorf(say.All("%v"), err)
}
