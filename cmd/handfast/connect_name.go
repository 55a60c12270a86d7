package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
)

// lookup finds addresses of a name and the number of a service.
type lookup interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupPort(ctx context.Context, network, service string) (int, error)
}

// resolve returns the addresses that HOST:PORT may mean, best first, and its port.
func resolve(ctx context.Context, l lookup, address string) (to []netip.Addr, port uint16, err error) {
	if a, err := netip.ParseAddrPort(address); err == nil && a.Port() != 0 {
		return []netip.Addr{a.Addr()}, a.Port(), nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil || host == "" || service == "" || service == "0" {
		return nil, 0, usagef("%q: write an address or a name, and a port, such as 10.77.0.2:80 or [fd77::2]:80", address)
	}
	n, err := l.LookupPort(ctx, "tcp", service)
	if err != nil || n == 0 {
		return nil, 0, usagef("%q: port %q is neither a number from 1 to 65535 nor the name of a service", address, service)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, uint16(n), nil
	}
	to, err = l.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, 0, explainLookup(err, host)
	}
	for i := range to {
		to[i] = to[i].Unmap()
	}
	return to, uint16(n), nil
}

// explainLookup explains why a name has no address.
func explainLookup(err error, host string) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("nobody is called %s: the system's resolver knows no address of it", host)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the system's resolver does not answer when asked for %s; write an address", host)
	}
	return fmt.Errorf("no address of %s: %w; write an address", host, err)
}

// choose returns the address to connect to: one that reachable accepts, or else
// the first that does not stay inside the kernel.
func choose(all []netip.Addr, reachable func(netip.Addr) bool) (netip.Addr, error) {
	if i := slices.IndexFunc(all, reachable); i >= 0 {
		return all[i], nil
	}
	if i := slices.IndexFunc(all, func(a netip.Addr) bool { return !a.IsLoopback() }); i >= 0 {
		return all[i], nil
	}
	return netip.Addr{}, usagef("%v never leaves the kernel; what listens on all addresses is at 10.77.1.1, by a TUN", all[0])
}
