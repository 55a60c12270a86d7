package conformance

import (
	"net"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
	"golang.org/x/net/nettest"
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
			wrap := func(l link.Link) link.Link { return l }
			if test.bad {
				wrap = newBadLinks(t)
			}
			nettest.TestConn(t, func() (client, server net.Conn, stop func(), err error) {
				a, b := pipe.New(test.pipe)
				return connect(config(test.bad), wrap(a), wrap(b), test.server)
			})
		})
	}
}

// config returns what hosts are made of. On a bad link the buffers are small:
// some of the tests fill them, and wait until all of it has gone there and back.
func config(bad bool) (cfg handfast.Config) {
	if bad {
		cfg.TCP.SendBuffer, cfg.TCP.ReceiveBuffer = 64<<10, 64<<10
	}
	return cfg
}

// connect returns the two ends of a connection between two hosts.
func connect(cfg handfast.Config, a, b link.Link, address string) (client, server net.Conn, stop func(), err error) {
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
		h, err := newHost(cfg, end.link, end.addresses)
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

func newHost(cfg handfast.Config, l link.Link, addresses []string) (*handfast.Host, error) {
	h, err := handfast.New(cfg)
	if err != nil {
		return nil, err
	}
	var o handfast.LinkOptions
	for _, a := range addresses {
		o.Addresses = append(o.Addresses, netip.MustParsePrefix(a))
	}
	return h, h.Attach(l, o)
}
