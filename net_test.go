package handfast_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// The addresses of the two hosts of a test.
const (
	clientIP = "10.0.0.1"
	serverIP = "10.0.0.2"
)

// newTestHost returns a host with one link; the test's end closes it.
func newTestHost(t testing.TB, cfg handfast.Config, l link.Link, addresses ...string) *handfast.Host {
	t.Helper()
	h, err := handfast.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	var o handfast.LinkOptions
	for _, a := range addresses {
		p := netip.MustParsePrefix(a)
		if p.Addr().Is4() || l.Attributes().MTU >= handfast.MinIPv6MTU {
			o.Addresses = append(o.Addresses, p)
		}
	}
	if err := h.Attach(l, o); err != nil {
		t.Fatal(err)
	}
	return h
}

// newNet returns two hosts that are joined by a pipe.
func newNet(t testing.TB, cfg handfast.Config, o pipe.Options) (client, server *handfast.Host) {
	t.Helper()
	a, b := pipe.New(o)
	client = newTestHost(t, cfg, a, clientIP+"/24", "fd00::1/64")
	server = newTestHost(t, cfg, b, serverIP+"/24", "10.0.0.3/24", "fd00::2/64", "fd00::3/64")
	return client, server
}

func listen(t testing.TB, h *handfast.Host, address string) *handfast.TCPListener {
	t.Helper()
	l, err := h.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newConns returns the two ends of a connection.
func newConns(t testing.TB, cfg handfast.Config, o pipe.Options) (client, server *handfast.TCPConn) {
	t.Helper()
	from, to := newNet(t, cfg, o)
	return connect(t, from, listen(t, to, serverIP+":80"))
}

// connect dials l and accepts.
func connect(t testing.TB, from *handfast.Host, l *handfast.TCPListener) (client, server *handfast.TCPConn) {
	t.Helper()
	at := l.Addr().(*net.TCPAddr)
	if at.IP.IsUnspecified() {
		at.IP = net.ParseIP(serverIP)
	}
	c, err := from.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	return c.(*handfast.TCPConn), server
}
