package handfast_test

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A connection that is killed fails at both ends, and is killed once.
func TestKill(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 4}, pipe.Options{})
	c, s := connect(t, client, listen(t, server, serverIP+":80"))
	local, remote := addrPort(t, s.LocalAddr().String()), addrPort(t, s.RemoteAddr().String())
	if !server.Kill(local, remote) || server.Kill(local, netip.AddrPortFrom(remote.Addr(), 1)) {
		t.Error("another connection was killed than the one that is there")
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNABORTED) {
		t.Error("the killed end:", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || err == io.EOF {
		t.Error("its peer:", err)
	}
	if server.Kill(local, remote) {
		t.Error("killed twice")
	}
}

func addrPort(t *testing.T, s string) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// UDP sockets are seen with their ends and what waits in them; links with their
// addresses and routes.
func TestPacketConnsAndLinks(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 2}, pipe.Options{})
	var ends []string
	for _, n := range []struct{ network, address string }{{"udp", ":53"}, {"udp4", ":123"}, {"udp6", ":546"}, {"udp", serverIP + ":514"}} {
		u, err := server.ListenPacket(n.network, n.address)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
	}
	u, err := client.Dial("udp", serverIP+":514")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for i := range server.PacketConns() {
		if i.Remote.IsValid() || i.ReceiveBuffer == 0 {
			t.Errorf("%+v", i)
		}
		ends = append(ends, i.Local.String())
	}
	slices.Sort(ends)
	if want := []string{"0.0.0.0:123", serverIP + ":514", "[::]:546", "invalid AddrPort"}; !slices.Equal(ends, want) {
		t.Error(ends)
	}
	for i := range client.PacketConns() {
		if i.Remote != addrPort(t, serverIP+":514") {
			t.Errorf("%+v", i)
		}
	}
	links := server.Links()
	if len(links) != 1 || len(links[0].Addresses) == 0 || links[0].Addresses[0].Addr().String() != serverIP {
		t.Errorf("%+v", links)
	}
}
