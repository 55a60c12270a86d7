package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/proxy"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/gateway"
)

// proxyFlag is a flag that names a proxy, or none.
type proxyFlag struct {
	text  string
	proxy *proxy.Proxy
}

// Type names the flag's kind in the help.
func (*proxyFlag) Type() string { return "url" }

func (f *proxyFlag) String() string { return f.text }

// Set parses socks5://[user:password@]host:port or http://….
func (f *proxyFlag) Set(text string) (err error) {
	f.text = text
	f.proxy, err = proxy.Parse(text)
	return err
}

var (
	onlyTCP    = say.Text{"handfast: UDP and pings are refused: the proxy carries TCP only", "handfast: 拒绝 UDP 和 ping：代理只转发 TCP"}
	noPings    = say.Text{"handfast: pings are refused: a proxy carries none", "handfast: 拒绝 ping：代理不转发 ping"}
	refusedUDP = say.Text{"handfast: UDP is refused: %s\n", "handfast: 拒绝 UDP：%s\n"}
)

// policy has what another policy accepts go through the proxy. What that leads to an
// address of its own, such as the system's name server, it reaches from here.
func (f *proxyFlag) policy(below func(gateway.Flow) gateway.Route, stderr terminal) func(gateway.Flow) gateway.Route {
	if f.proxy == nil {
		return below
	}
	relayed := &relayed{proxy: f.proxy, stderr: stderr}
	sayOnlyTCP := sync.OnceFunc(func() { fmt.Fprintln(stderr, onlyTCP[stderr.lang]) })
	sayNoPings := sync.OnceFunc(func() { fmt.Fprintln(stderr, noPings[stderr.lang]) })
	return func(flow gateway.Flow) gateway.Route {
		r := below(flow)
		switch {
		case r.Verdict != gateway.Accept || r.Address != "":
			return r
		case flow.Network == "tcp":
			return gateway.Route{Dialer: f.proxy}
		case f.proxy.OnlyTCP():
			sayOnlyTCP()
		case flow.Network == "icmp":
			sayNoPings()
		case f.proxy.CarriesUDP():
			return gateway.Route{Dialer: relayed}
		}
		return gateway.Route{Verdict: gateway.Refuse}
	}
}

// relayed dials UDP through a proxy, and says once when that does not want to.
type relayed struct {
	proxy  *proxy.Proxy
	stderr terminal
	told   sync.Once
}

// DialContext opens a flow of UDP.
func (d *relayed) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.proxy.DialContext(ctx, network, address)
	var no proxy.NoUDP
	if errors.As(err, &no) {
		d.told.Do(func() { fmt.Fprintf(d.stderr, refusedUDP[d.stderr.lang], say.Error(no.Unwrap(), d.stderr.lang)) })
	}
	return c, err
}
