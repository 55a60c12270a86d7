package fromgvisor

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/conformance/fromgvisor/ours"
	"github.com/handfast-tcp/handfast/conformance/fromgvisor/theirs"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/link/pipe"
)

var (
	clientAddr = netip.MustParseAddr("10.0.0.9")
	stackAddr  = netip.MustParseAddr("10.0.0.1")
	subnet     = netip.MustParsePrefix("192.0.2.0/24")
)

type rule func(network string, to netip.AddrPort) gateway.Dialer

// side is one of the two stacks at the other end of a client's link, and what the
// guide does with it.
type side struct {
	dial        func(context.Context, netip.AddrPort) (net.Conn, error)
	dialFrom    func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error)
	dialTuned   func(netip.AddrPort) (net.Conn, error)
	listen      func(netip.AddrPort) (net.Listener, error)
	listenUDP   func(netip.AddrPort) (net.PacketConn, error)
	established func() uint64
	retransmits func() uint64
}

// program starts a side with one of the programs on it.
type program struct {
	plain     func(*testing.T) (*handfast.Host, side)
	tun2socks func(*testing.T, gateway.Dialer) *handfast.Host
	byHand    func(*testing.T, gateway.Dialer) *handfast.Host
	router    func(*testing.T, rule) *handfast.Host
	node      func(*testing.T, gateway.Dialer) (*handfast.Host, net.Listener)
}

var programs = map[string]program{
	"theirs": {
		plain: func(t *testing.T) (*handfast.Host, side) {
			client, ep := theirLink(t)
			s := must(theirs.NewStack(ep, stackAddr))(t)
			return client, theirSide(s)
		},
		tun2socks: func(t *testing.T, d gateway.Dialer) *handfast.Host {
			client, ep := theirLink(t)
			must(theirs.Tun2socks(ep, d))(t)
			return client
		},
		byHand: func(t *testing.T, d gateway.Dialer) *handfast.Host {
			client, ep := theirLink(t)
			must(theirs.Tun2socks(ep, d))(t)
			return client
		},
		router: func(t *testing.T, r rule) *handfast.Host {
			client, ep := theirLink(t)
			must(theirs.Router(ep, func(network string, to netip.AddrPort) theirs.Dialer {
				if d := r(network, to); d != nil {
					return d
				}
				return nil
			}))(t)
			return client
		},
		node: func(t *testing.T, d gateway.Dialer) (*handfast.Host, net.Listener) {
			client, ep := theirLink(t)
			_, l, err := theirs.Node(ep, stackAddr, subnet, d)
			return client, must(l, err)(t)
		},
	},
	"ours": {
		plain: func(t *testing.T) (*handfast.Host, side) {
			client, end := ourLink(t)
			h := must(ours.NewHost(end, stackAddr))(t)
			t.Cleanup(func() { h.Close() })
			return client, ourSide(h)
		},
		tun2socks: func(t *testing.T, d gateway.Dialer) *handfast.Host {
			client, end := ourLink(t)
			h := must(ours.Tun2socks(end, d))(t)
			t.Cleanup(func() { h.Close() })
			return client
		},
		byHand: func(t *testing.T, d gateway.Dialer) *handfast.Host {
			client, end := ourLink(t)
			h := must(ours.NewHost(end, stackAddr))(t)
			t.Cleanup(func() { h.Close() })
			must(ours.ForwardTCP(h, d))(t)
			return client
		},
		router: func(t *testing.T, r rule) *handfast.Host {
			client, end := ourLink(t)
			h := must(ours.Router(end, r))(t)
			t.Cleanup(func() { h.Close() })
			return client
		},
		node: func(t *testing.T, d gateway.Dialer) (*handfast.Host, net.Listener) {
			client, end := ourLink(t)
			h, l, err := ours.Node(end, stackAddr, subnet, d)
			must(l, err)(t)
			t.Cleanup(func() { h.Close() })
			return client, l
		},
	},
}

func theirSide(s *stack.Stack) side {
	return side{
		func(ctx context.Context, to netip.AddrPort) (net.Conn, error) { return theirs.Dial(ctx, s, to) },
		func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
			return theirs.DialFrom(ctx, s, from, to)
		},
		func(to netip.AddrPort) (net.Conn, error) { return theirs.DialTuned(s, to) },
		func(at netip.AddrPort) (net.Listener, error) { return theirs.Listen(s, at) },
		func(at netip.AddrPort) (net.PacketConn, error) { return theirs.ListenUDP(s, at) },
		func() uint64 { return theirs.Established(s) },
		func() uint64 { return theirs.Retransmits(s) },
	}
}

func ourSide(h *handfast.Host) side {
	return side{
		func(ctx context.Context, to netip.AddrPort) (net.Conn, error) { return ours.Dial(ctx, h, to) },
		func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
			return ours.DialFrom(ctx, h, from, to)
		},
		func(to netip.AddrPort) (net.Conn, error) { return ours.DialTuned(h, to) },
		func(at netip.AddrPort) (net.Listener, error) { return ours.Listen(h, at) },
		func(at netip.AddrPort) (net.PacketConn, error) { return ours.ListenUDP(h, at) },
		func() uint64 { return ours.Established(h) },
		func() uint64 { return ours.Retransmits(h) },
	}
}

// theirLink is a link endpoint of gVisor's with a client at the other end.
func theirLink(t *testing.T) (*handfast.Host, *channel.Endpoint) {
	client, far := newClient(t)
	ep := channel.New(1024, 1500, "")
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		for p := theirs.Next(ctx, ep); p != nil; p = theirs.Next(ctx, ep) {
			if ours.Inject(far, p) != nil {
				return
			}
		}
	}()
	go pump(far, func(p []byte) { theirs.Inject(ep, p) })
	return client, ep
}

// ourLink is a link of ours with a client at the other end. Packets pass between
// two pipes as bytes.
func ourLink(t *testing.T) (*handfast.Host, *pipe.End) {
	client, far := newClient(t)
	near, tunnel := pipe.New(pipe.Options{})
	t.Cleanup(func() { tunnel.Close() })
	go pump(far, func(p []byte) { ours.Inject(tunnel, p) })
	go pump(tunnel, func(p []byte) { ours.Inject(far, p) })
	return client, near
}

func pump(from *pipe.End, to func([]byte)) {
	batch := make([]*buf.Packet, 32)
	for ours.Next(from, batch, to) == nil {
	}
}

func newClient(t *testing.T) (*handfast.Host, *pipe.End) {
	near, far := pipe.New(pipe.Options{})
	client := must(ours.NewHost(near, clientAddr))(t)
	t.Cleanup(func() {
		client.Close()
		far.Close()
	})
	return client, far
}

// must returns what a call returned, and ends the test when it failed.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
