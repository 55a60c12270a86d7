package kernel

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

func TestState(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) { kernelStates(t, address) })
	}
}

// kernelStates takes a kernel's connection through its close, client first.
func kernelStates(t *testing.T, address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	client, server := addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	want := func(why string, local, remote netip.AddrPort, states ...tcp.State) {
		t.Helper()
		if got, err := State(local, remote); !slices.Contains(states, got) || err != nil {
			t.Errorf("%s: %v, %v; want %v", why, got, err, states)
		}
	}
	want("client after the handshake", client, server, tcp.Established)
	want("no such socket", client, netip.AddrPortFrom(server.Addr(), 1), tcp.Closed)
	c.Close()
	want("client after its close", client, server, tcp.FinWait1, tcp.FinWait2) // the ACK may be delayed
	want("server before its close", server, client, tcp.CloseWait)
	s.Close()
	want("client after both", client, server, tcp.TimeWait)
	want("server after both", server, client, tcp.Closed)
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }
