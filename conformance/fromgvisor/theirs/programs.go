package theirs

import (
	"context"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Tun2socks carries all that a TUN brings on by a proxy.
func Tun2socks(device stack.LinkEndpoint, proxy Dialer) (*stack.Stack, error) {
	s, err := NewStack(device, netip.MustParseAddr("198.18.0.1"))
	if err != nil {
		return nil, err
	}
	if err := ForwardAll(s); err != nil {
		return nil, err
	}
	ForwardTCP(s, proxy)
	ForwardUDP(s, proxy)
	return s, nil
}

// Outbounds chooses a way for each flow, by a rule.
type Outbounds struct {
	Rule func(network string, to netip.AddrPort) Dialer // nil: refuse
}

// DialContext dials by the way that the rule chose.
func (o Outbounds) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	d := o.Rule(network, to)
	if d == nil {
		return nil, net.ErrClosed
	}
	return d.DialContext(ctx, network, address)
}

// Router carries each flow on by the way that a rule chooses.
func Router(device stack.LinkEndpoint, rule func(network string, to netip.AddrPort) Dialer) (*stack.Stack, error) {
	return Tun2socks(device, Outbounds{rule})
}

// Node is a machine in a private network: it has an address with services of its
// own, and is a way to a subnet behind it. The forwarder gets what no endpoint has.
func Node(device stack.LinkEndpoint, own netip.Addr, subnet netip.Prefix, out Dialer) (*stack.Stack, net.Listener, error) {
	s, err := NewStack(device, own)
	if err != nil {
		return nil, nil, err
	}
	l, err := Listen(s, netip.AddrPortFrom(own, 22))
	if err != nil {
		return nil, nil, err
	}
	if err := ForwardAll(s); err != nil {
		return nil, nil, err
	}
	inSubnet := Outbounds{func(_ string, to netip.AddrPort) Dialer {
		if !subnet.Contains(to.Addr()) {
			return nil
		}
		return out
	}}
	ForwardTCP(s, inSubnet)
	ForwardUDP(s, inSubnet)
	return s, l, nil
}
