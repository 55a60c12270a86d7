package fromgvisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/conformance/fromgvisor/ours"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/stream"
)

// Each program does the same on both stacks.
func TestBothDoTheSame(t *testing.T) {
	tests := map[string]func(*testing.T, program){
		"dial": dials, "listen": listens, "datagrams": receivesDatagrams, "tun2socks": carries,
		"by hand": carriesByHand, "router": routes, "node": isNode,
	}
	for name, p := range programs {
		for what, test := range tests {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				test(t, p)
			})
		}
	}
}

func dials(t *testing.T, p program) {
	client, s := p.plain(t)
	l := must(client.Listen("tcp", ":7"))(t)
	go echo(l)
	to := netip.AddrPortFrom(clientAddr, 7)
	asks(t, must(s.dial(context.Background(), to))(t))
	from := netip.AddrPortFrom(stackAddr, 4321)
	c := must(s.dialFrom(context.Background(), from, to))(t)
	if c.LocalAddr().String() != from.String() {
		t.Errorf("dialled from %v, not from %v", c.LocalAddr(), from)
	}
	if n := s.established(); n == 0 {
		t.Error("no connection is counted")
	}
	asks(t, c)
	asks(t, must(s.dialTuned(to))(t))
	if n := s.retransmits(); n != 0 {
		t.Errorf("%d segments were sent again, on a link that loses none", n)
	}
}

func listens(t *testing.T, p program) {
	client, s := p.plain(t)
	l := must(s.listen(netip.AddrPortFrom(stackAddr, 7)))(t)
	go echo(l)
	asks(t, must(client.Dial("tcp", "10.0.0.1:7"))(t))
}

func receivesDatagrams(t *testing.T, p program) {
	client, s := p.plain(t)
	u := must(s.listenUDP(netip.AddrPortFrom(stackAddr, 7)))(t)
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			u.WriteTo(b[:n], from)
		}
	}()
	answers(t, must(client.Dial("udp", "10.0.0.1:7"))(t), "x", "x")
}

func carries(t *testing.T, p program) {
	client := p.tun2socks(t, named{})
	asksWhere(t, must(client.Dial("tcp", "203.0.113.5:80"))(t), "tcp 203.0.113.5:80")
	answers(t, must(client.Dial("udp", "203.0.113.5:53"))(t), "x", "udp 203.0.113.5:53")
}

func carriesByHand(t *testing.T, p program) {
	client := p.byHand(t, named{})
	asksWhere(t, must(client.Dial("tcp", "203.0.113.5:80"))(t), "tcp 203.0.113.5:80")
}

func routes(t *testing.T, p program) {
	client := p.router(t, func(network string, to netip.AddrPort) gateway.Dialer {
		if to.Port() == 25 {
			return nil
		}
		return named{"by " + network + " to "}
	})
	asksWhere(t, must(client.Dial("tcp", "203.0.113.5:80"))(t), "by tcp to tcp 203.0.113.5:80")
	if _, err := client.Dial("tcp", "203.0.113.5:25"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("what the rule refuses: %v", err)
	}
}

func isNode(t *testing.T, p program) {
	client, l := p.node(t, named{})
	go echo(l)
	asks(t, must(client.Dial("tcp", "10.0.0.1:22"))(t))
	asksWhere(t, must(client.Dial("tcp", "192.0.2.7:80"))(t), "tcp 192.0.2.7:80")
}

// named is a dialer whose every destination says its name and ends.
type named struct{ prefix string }

// DialContext returns a connection on which the name of the destination can be read.
func (n named) DialContext(_ context.Context, network, address string) (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		if network == "udp" {
			far.Read(make([]byte, 1500))
			fmt.Fprint(far, n.prefix, network, " ", address)
			return
		}
		fmt.Fprint(far, n.prefix, network, " ", address)
		far.Close()
	}()
	return near, nil
}

func echo(l net.Listener) {
	for c, err := l.Accept(); err == nil; c, err = l.Accept() {
		go func() {
			io.Copy(c, c)
			c.Close()
		}()
	}
}

// asks sends something over a connection, reads it back, and closes.
func asks(t *testing.T, c net.Conn) {
	t.Helper()
	answers(t, c, "hello", "hello")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func answers(t *testing.T, c net.Conn, question, answer string) {
	t.Helper()
	io.WriteString(c, question)
	b := make([]byte, len(answer))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != answer {
		t.Errorf("%q was answered with %q, %v", question, b, err)
	}
}

func asksWhere(t *testing.T, c net.Conn, want string) {
	t.Helper()
	defer c.Close()
	if b, err := io.ReadAll(c); err != nil || string(b) != want {
		t.Errorf("the other side is %q, %v; not %q", b, err, want)
	}
}

// Two machines reach what the router carries on, and each other.
func TestMachines(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l := must(stream.Listen("unix", socket, stream.Options{}))(t)
	defer l.Close()
	router := must(ours.Machines(l, netip.MustParsePrefix("192.168.127.1/24"), named{}))(t)
	defer router.Close()
	machine := func(n byte) *handfast.Host {
		c := must(net.Dial("unix", socket))(t)
		device := must(stream.New(c, stream.Options{HardwareAddr: link.HardwareAddr{0x52, 0x54, 0, 0, 0, n}}))(t)
		h := must(handfast.New(handfast.Config{}))(t)
		t.Cleanup(func() { h.Close() })
		err := h.Attach(device, handfast.LinkOptions{
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, 127, n}), 24)},
			Gateway:   netip.MustParseAddr("192.168.127.1"),
		})
		return must(h, err)(t)
	}
	one, other := machine(2), machine(3)
	asksWhere(t, must(one.Dial("tcp", "203.0.113.5:80"))(t), "tcp 203.0.113.5:80")
	go echo(must(one.Listen("tcp", ":7"))(t))
	asks(t, must(other.Dial("tcp", "192.168.127.2:7"))(t))
}
