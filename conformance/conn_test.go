package conformance

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/impair"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// TestConn is what the Go project wants of a net.Conn.
func TestConn(t *testing.T) {
	for _, test := range []struct {
		name   string
		server string
		pipe   pipe.Options
		bad    bool // loses, repeats and reorders packets
	}{
		{name: "IPv4", server: "10.0.0.2"},
		{name: "IPv6", server: "fd00::2"},
		{name: "Ethernet", server: "10.0.0.2", pipe: pipe.Options{Medium: link.Ethernet}},
		{name: "Offload", server: "10.0.0.2", pipe: pipe.Options{MaxGSO: 65535, ChecksumOffload: true}},
		{name: "Bad", server: "10.0.0.2", bad: true},
		{name: "BadOffload", server: "10.0.0.2", pipe: pipe.Options{MaxGSO: 65535, ChecksumOffload: true}, bad: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			nettest.TestConn(t, func() (client, server net.Conn, stop func(), err error) {
				a, b := newLinks(t, test.pipe, test.bad)
				return connect(a, b, test.server)
			})
		})
	}
}

// newLinks returns the ends of a pipe, bad ones if that is wanted.
func newLinks(t *testing.T, o pipe.Options, bad bool) (a, b link.Link) {
	a, b = pipe.New(o)
	if bad {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		wire := netem.Config{Loss: 0.02, Duplicate: 0.02, Reorder: 0.05, ReorderDelay: time.Millisecond}
		made, err := impair.New(a, impair.Options{In: wire, Out: wire, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		a = made
	}
	return a, b
}

// connect returns the two ends of a connection between two hosts.
func connect(a, b link.Link, address string) (client, server net.Conn, stop func(), err error) {
	var hosts []*handfast.Host
	stop = func() {
		for _, h := range hosts {
			h.Close()
		}
	}
	for _, end := range []struct {
		link      link.Link
		addresses []string
	}{
		{a, []string{"10.0.0.1/24", "fd00::1/64"}},
		{b, []string{"10.0.0.2/24", "fd00::2/64"}},
	} {
		h, err := newHost(end.link, end.addresses)
		if err != nil {
			return nil, nil, stop, err
		}
		hosts = append(hosts, h)
	}
	l, err := hosts[1].Listen("tcp", net.JoinHostPort(address, "80"))
	if err != nil {
		return nil, nil, stop, err
	}
	if client, err = hosts[0].Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, stop, err
	}
	server, err = l.Accept()
	return client, server, stop, err
}

func newHost(l link.Link, addresses []string) (*handfast.Host, error) {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		return nil, err
	}
	var o handfast.LinkOptions
	for _, a := range addresses {
		o.Addresses = append(o.Addresses, netip.MustParsePrefix(a))
	}
	return h, h.Attach(l, o)
}
