package ours

import (
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/link/bridge"
	"github.com/handfast-tcp/handfast/link/stream"
)

// Machines joins the virtual machines that come to a socket by a switch, with a router
// on it that carries their flows on.
func Machines(l *stream.Listener, router netip.Prefix, out gateway.Dialer) (*handfast.Host, error) {
	b, err := bridge.New(bridge.Options{})
	if err != nil {
		return nil, err
	}
	device, err := b.Host(bridge.Host{})
	if err != nil {
		return nil, err
	}
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		return nil, err
	}
	if err := h.Attach(device, handfast.LinkOptions{Addresses: []netip.Prefix{router}}); err != nil {
		return nil, err
	}
	if _, err := gateway.New(gateway.Config{Host: h, Dialer: out}); err != nil {
		return nil, err
	}
	go func() {
		for machine, err := l.Accept(); err == nil; machine, err = l.Accept() {
			go b.Serve(machine)
		}
	}()
	return h, nil
}
