package main

import (
	"fmt"
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

var onlyTCP = say.Text{"handfast: UDP and pings are refused: the proxy carries TCP only", "handfast: 拒绝 UDP 和 ping：代理只转发 TCP"}

// policy has what another policy accepts go through the proxy. What that leads to an
// address of its own, such as the system's name server, it reaches from here.
func (f *proxyFlag) policy(below func(gateway.Flow) gateway.Route, stderr terminal) func(gateway.Flow) gateway.Route {
	if f.proxy == nil {
		return below
	}
	var once sync.Once
	return func(flow gateway.Flow) gateway.Route {
		r := below(flow)
		switch {
		case r.Verdict != gateway.Accept || r.Address != "":
			return r
		case flow.Network != "tcp":
			once.Do(func() {
				fmt.Fprintln(stderr, onlyTCP[stderr.lang])
			})
			return gateway.Route{Verdict: gateway.Refuse}
		}
		r.Dialer = f.proxy
		return r
	}
}
