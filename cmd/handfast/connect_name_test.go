package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// book is a resolver that knows what stands in it.
type book map[string][]netip.Addr

func (b book) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	switch all, ok := b[host]; {
	case ok:
		return all, nil
	case host == "slow.example":
		return nil, &net.DNSError{Name: host, IsTimeout: true}
	}
	return nil, &net.DNSError{Name: host, IsNotFound: true}
}

func (book) LookupPort(_ context.Context, network, service string) (int, error) {
	return net.DefaultResolver.LookupPort(context.Background(), network, service)
}

// What stands for HOST:PORT, and what the answer is to what does not.
func TestConnectNames(t *testing.T) {
	addr := netip.MustParseAddr
	b := book{"web.example": {addr("192.0.2.1"), addr("2001:db8::1")}, "ours.example": {addr("192.0.2.9"), addr("10.77.0.2")},
		"mapped.example": {addr("::ffff:192.0.2.3")}, "localhost": {addr("127.0.0.1"), addr("::1")}}
	ours := func(a netip.Addr) bool { return a == addr("10.77.0.2") }
	for _, c := range []struct {
		address, to, failure string
		usage                bool
	}{
		{address: "10.77.0.2:80", to: "10.77.0.2:80"},
		{address: "[fd77::2]:80", to: "[fd77::2]:80"},
		{address: "10.77.0.2:http", to: "10.77.0.2:80"},
		{address: "web.example:443", to: "192.0.2.1:443"},
		{address: "ours.example:80", to: "10.77.0.2:80"}, // what a running one has comes first
		{address: "mapped.example:80", to: "192.0.2.3:80"},
		{address: "nobody.example:80", failure: "no such host: nobody.example"},
		{address: "slow.example:80", failure: "does not answer when asked for slow.example; write an address"},
		{address: "localhost:80", failure: "127.0.0.1 never leaves the kernel", usage: true},
		{address: "[::1]:80", failure: "::1 never leaves the kernel", usage: true},
		{address: "10.77.0.2", failure: "write an address or a name, and a port", usage: true},
		{address: "10.77.0.2:0", failure: "write an address or a name, and a port", usage: true},
		{address: ":80", failure: "write an address or a name, and a port", usage: true},
		{address: "web.example:99999", failure: `port "99999" is neither`, usage: true},
		{address: "web.example:no-such-service", failure: `port "no-such-service" is neither`, usage: true},
	} {
		all, port, err := resolve(t.Context(), b, c.address)
		var to netip.Addr
		if err == nil {
			to, err = choose(all, ours)
		}
		switch usage := (usageError{}); {
		case c.failure == "":
			if got := netip.AddrPortFrom(to, port).String(); err != nil || got != c.to {
				t.Errorf("%s: %s, %v", c.address, got, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.failure) || errors.As(err, &usage) != c.usage:
			t.Errorf("%s: %v, want %q (usage %v)", c.address, err, c.failure, c.usage)
		}
	}
}
