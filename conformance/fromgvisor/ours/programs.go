package ours

import (
	"net"
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/link"
)

// Tun2socks carries all that a TUN brings on by a proxy.
func Tun2socks(device link.Link, proxy gateway.Dialer) (*handfast.Host, error) {
	h, err := NewHost(device, netip.MustParseAddr("198.18.0.1"))
	if err != nil {
		return nil, err
	}
	_, err = gateway.New(gateway.Config{Host: h, Dialer: proxy})
	return h, err
}

// Router carries each flow on by the way that a rule chooses.
func Router(device link.Link, rule func(network string, to netip.AddrPort) gateway.Dialer) (*handfast.Host, error) {
	h, err := NewHost(device, netip.MustParseAddr("198.18.0.1"))
	if err != nil {
		return nil, err
	}
	_, err = gateway.New(gateway.Config{Host: h, Policy: func(f gateway.Flow) gateway.Route {
		d := rule(f.Network, f.Destination)
		if d == nil {
			return gateway.Route{Verdict: gateway.Refuse} // or Drop, or Prohibit
		}
		return gateway.Route{Dialer: d}
	}})
	return h, err
}

// Node is a machine in a private network: it has an address with services of its
// own, and is a way to a subnet behind it.
func Node(device link.Link, own netip.Addr, subnet netip.Prefix, out gateway.Dialer) (*handfast.Host, net.Listener, error) {
	h, err := NewHost(device, own)
	if err != nil {
		return nil, nil, err
	}
	l, err := Listen(h, netip.AddrPortFrom(own, 22))
	if err != nil {
		return nil, nil, err
	}
	_, err = gateway.New(gateway.Config{Host: h, Prefix: subnet, Dialer: out})
	return h, l, err
}
