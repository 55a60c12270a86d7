package ours

import (
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
)

// NewHost makes a host with one link, one address and routes to everywhere.
func NewHost(device link.Link, address netip.Addr) (*handfast.Host, error) {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		return nil, err
	}
	return h, h.Attach(device, handfast.LinkOptions{
		Addresses: []netip.Prefix{netip.PrefixFrom(address, address.BitLen())},
		Routes: []handfast.Route{
			{Destination: netip.MustParsePrefix("0.0.0.0/0")},
			{Destination: netip.MustParsePrefix("::/0")},
		},
	})
}
