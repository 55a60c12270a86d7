package handfast_test

import (
	"errors"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
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

func TestConnectionsAndCounters(t *testing.T) {
	from, to := newNet(t, handfast.Config{}, pipe.Options{})
	c, s := connect(t, from, listen(t, to, ":80"))
	io.WriteString(c, "12345")
	io.ReadFull(s, make([]byte, 2))
	var seen []handfast.ConnInfo
	for info := range to.Connections() {
		seen = append(seen, info)
	}
	if len(seen) != 1 || seen[0].State != tcp.Established || seen[0].ReceiveQueue != 3 ||
		seen[0].Local.String() != serverIP+":80" || seen[0].Remote.String() != c.LocalAddr().String() {
		t.Errorf("connections: %+v", seen)
	}
	if n := to.Counters(); n.IpInReceives < 3 || n.TcpInSegs < 3 || n.TcpOutSegs < 1 {
		t.Errorf("counters: %+v", n)
	}
}

// A listener counts what it was asked for, over all shards, and its queues.
func TestListenerStats(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 4, Backlog: 64}, pipe.Options{})
	l := listen(t, server, serverIP+":80")
	listen(t, server, ":443")
	for range 5 {
		c, err := client.Dial("tcp", serverIP+":80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	for l.Stats().Completed < 5 { // the last ACK may still be on its way
		runtime.Gosched()
	}
	s := l.Stats()
	if s.SYNs != 5 || s.Completed != 5 || s.Waiting != 4 || s.Backlog != 64 || s.HalfOpen != 0 || s.Drops != 0 {
		t.Errorf("%+v", s)
	}
	var ports []uint16
	for l := range server.Listeners() {
		ports = append(ports, l.AddrPort().Port())
	}
	if len(ports) != 2 || ports[0] != 80 || ports[1] != 443 {
		t.Error("listeners:", ports)
	}
	l.Close()
	if s := l.Stats(); s != (handfast.ListenerStats{}) {
		t.Errorf("closed: %+v", s)
	}
}

// The counters go by Linux's names, each once.
func TestCounterNames(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 2}, pipe.Options{})
	connect(t, client, listen(t, server, serverIP+":80"))
	counters := server.Counters()
	got := map[[2]string]uint64{}
	for name, n := range counters.All() {
		if _, twice := got[name]; twice {
			t.Error("twice:", name)
		}
		got[name] = n
	}
	for name, want := range map[[2]string]uint64{{"Tcp", "PassiveOpens"}: 1, {"Tcp", "InSegs"}: counters.TcpInSegs,
		{"TcpExt", "SyncookiesSent"}: 0, {"Ip", "InReceives"}: counters.IpInReceives, {"Tcp", "RetransSegs"}: 0} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%v: %d, want %d", name, n, want)
		}
	}
}

// The limit of half-open connections is the host's, spread over its shards.
func TestHalfOpenLimit(t *testing.T) {
	_, server := newNet(t, handfast.Config{Shards: 4, HalfOpen: 128}, pipe.Options{})
	if d := server.Defence(); d.MaxHalfOpen != 128 || d.AttackEnter != 64 || d.AttackLeave != 32 || d.SynAckRetries != 5 || d.Attack {
		t.Errorf("%+v", d)
	}
}
