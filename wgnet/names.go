package wgnet

import (
	"context"
	"net"
	"net/netip"
	"slices"
)

// LookupHost is LookupContextHost without an end.
func (n *Net) LookupHost(host string) (addrs []string, err error) {
	return n.LookupContextHost(context.Background(), host)
}

// LookupContextHost asks the DNS servers for a name's addresses, of those families of
// which the network has an address itself: IPv6 first. Errors are *net.DNSError.
func (n *Net) LookupContextHost(ctx context.Context, host string) ([]string, error) {
	all, err := n.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	return texts, nil
}

func (n *Net) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.WithZone("")}, nil
	}
	family := "ip"
	switch {
	case n.host.Resolver() == nil || host == "" || !n.has4 && !n.has6:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	case !n.has6:
		family = "ip4"
	case !n.has4:
		family = "ip6"
	}
	if host[len(host)-1] != '.' {
		host += "." // the domains that the system searches are not ours
	}
	all, err := n.host.Resolver().LookupNetIP(ctx, family, host)
	for i, a := range all {
		all[i] = a.Unmap()
	}
	// IPv6 first, as netstack has it: programs take the first.
	slices.SortStableFunc(all, func(a, b netip.Addr) int { return b.BitLen() - a.BitLen() })
	return all, err
}
