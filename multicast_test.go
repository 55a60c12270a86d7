package handfast_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// hear takes one datagram, which has to be text.
func hear(t *testing.T, u *handfast.UDPConn, text string) (from net.Addr) {
	t.Helper()
	u.SetReadDeadline(time.Now().Add(time.Minute))
	p := make([]byte, 100)
	n, from, err := u.ReadFrom(p)
	if err != nil || string(p[:n]) != text {
		t.Errorf("%q, %v, want %q", p[:n], err, text)
	}
	return from
}

// Sockets of package net's shape that share a group and a port hear it, whichever shard a
// datagram comes to; what is heard where is what was set.
func TestListenMulticastUDP(t *testing.T) {
	for _, medium := range []link.Medium{link.Ethernet, link.IP} {
		for _, group := range []string{"239.1.2.3:5353", "[ff05::123]:5353"} {
			t.Run(fmt.Sprint(medium, group), func(t *testing.T) { playMulticast(t, medium, group) })
		}
	}
}

func playMulticast(t *testing.T, medium link.Medium, group string) {
	client, server := newNet(t, handfast.Config{Shards: 4}, pipe.Options{Medium: medium})
	to, err := net.ResolveUDPAddr("udp", group)
	if err != nil {
		t.Fatal(err)
	}
	listen := func(h *handfast.Host, ifi *net.Interface) *handfast.UDPConn {
		u, err := h.ListenMulticastUDP("udp", ifi, to)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	first, next := listen(server, nil), listen(server, &net.Interface{Name: server.Links()[0].Name})
	joins, err := server.ListenPacket("udp", group)
	if err != nil {
		t.Fatal(err)
	}
	if a := first.LocalAddr().(*net.UDPAddr); !a.IP.IsUnspecified() || a.Port != 5353 {
		t.Errorf("local address is %v", a)
	}
	if err := joins.JoinGroup(nil, &net.IPAddr{IP: to.IP}); err != nil {
		t.Fatal(err)
	}
	// Each from a port of its own, and so by a shard of its own.
	for i := range 8 {
		c, err := client.Dial("udp", group)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint("datagram ", i)
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		for _, u := range []*handfast.UDPConn{first, next, joins} {
			if from := hear(t, u, text); from.String() != c.LocalAddr().String() {
				t.Errorf("from %v, want %v", from, c.LocalAddr())
			}
		}
	}
	// Those of ListenMulticastUDP are not heard on their own host, as in package net, until they
	// want to be; by then what was not heard would have come.
	if _, err := first.WriteTo([]byte("abroad"), to); err != nil {
		t.Fatal(err)
	}
	if err := first.SetMulticastLoopback(true); err != nil {
		t.Fatal(err)
	}
	if err := first.SetMulticastTTL(0); err != nil {
		t.Fatal(err)
	}
	if _, err := first.WriteTo([]byte("at home"), to); err != nil {
		t.Fatal(err)
	}
	hear(t, next, "at home")
	hear(t, first, "at home")
	if err := joins.LeaveGroup(nil, to); err != nil {
		t.Fatal(err)
	}
	if err := joins.LeaveGroup(nil, to); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("left twice: %v", err)
	}
	hear(t, joins, "at home")
	first.WriteTo([]byte("the rest"), to)
	hear(t, next, "the rest")
	joins.SetReadDeadline(time.Now())
	if n, _, err := joins.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("heard %d bytes of a group that it has left", n)
	}
}

// Errors are those of package net.
func TestMulticastErrors(t *testing.T) {
	client, _ := newNet(t, handfast.Config{}, pipe.Options{})
	group := &net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: 5353}
	u, err := client.ListenMulticastUDP("udp4", nil, group)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 255 {
		if err := u.JoinGroup(nil, &net.IPAddr{IP: net.IPv4(239, 2, 0, byte(i))}); err != nil {
			t.Fatal(i, err)
		}
	}
	pings, err := client.ListenPacket("ip4:icmp", "")
	if err != nil {
		t.Fatal(err)
	}
	listen := func(network string, ifi *net.Interface, a *net.UDPAddr) error {
		_, err := client.ListenMulticastUDP(network, ifi, a)
		return err
	}
	away := &net.Interface{Name: "nowhere"}
	for name, c := range map[string]struct {
		err  error
		want error
		says string
	}{
		"network":       {listen("tcp", nil, group), net.UnknownNetworkError("tcp"), "listen"},
		"no address":    {listen("udp", nil, nil), nil, "missing address"},
		"family":        {listen("udp6", nil, group), nil, "no suitable address"},
		"a host":        {listen("udp", nil, &net.UDPAddr{IP: net.ParseIP(serverIP), Port: 1}), syscall.EINVAL, "setsockopt"},
		"no such link":  {listen("udp", away, group), syscall.ENODEV, `"nowhere"`},
		"one too many":  {listen("udp", nil, &net.UDPAddr{IP: net.IPv4(239, 1, 2, 4), Port: 5353}), syscall.ENOBUFS, "listen udp 239.1.2.4:5353"},
		"twice":         {u.JoinGroup(nil, group), syscall.EADDRINUSE, "setsockopt"},
		"not a group":   {u.JoinGroup(nil, &net.IPAddr{IP: net.ParseIP(serverIP)}), syscall.EINVAL, "setsockopt"},
		"no IP address": {u.JoinGroup(nil, &net.UnixAddr{}), syscall.EINVAL, "setsockopt"},
		"nothing":       {u.JoinGroup(nil, nil), syscall.EINVAL, "setsockopt"},
		"not a member":  {u.LeaveGroup(nil, &net.UDPAddr{IP: net.IPv4(239, 1, 2, 4)}), syscall.EADDRNOTAVAIL, "setsockopt"},
		"send by none":  {u.SetMulticastInterface(away), syscall.ENODEV, `"nowhere"`},
		"TTL":           {u.SetMulticastTTL(256), syscall.EINVAL, "setsockopt"},
		"hop limit":     {u.SetMulticastHopLimit(-1), syscall.EINVAL, "setsockopt"},
		"pings":         {pings.JoinGroup(nil, group), syscall.EINVAL, "setsockopt"},
	} {
		var op *net.OpError
		if !errors.As(c.err, &op) || c.want != nil && !errors.Is(c.err, c.want) || !strings.Contains(fmt.Sprint(c.err), c.says) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	u.Close()
	if err := u.SetMulticastTTL(2); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := listen("udp", nil, &net.UDPAddr{IP: net.IPv4(239, 1, 2, 4), Port: 5353}); err != nil {
		t.Errorf("after it was left: %v", err)
	}
}

// A socket that has chosen its link sends to groups while another one is gone, and is told when
// its own is.
func TestMulticastByALink(t *testing.T) {
	a, _ := pipe.New(pipe.Options{Name: "first"})
	h := newTestHost(t, handfast.Config{}, a, "10.0.0.1/24")
	c, _ := pipe.New(pipe.Options{Name: "second"})
	if err := h.Attach(c, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")}}); err != nil {
		t.Fatal(err)
	}
	if err := h.AddRoute("first-a", handfast.Route{Destination: netip.MustParsePrefix("239.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	to := &net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: 5353}
	u, err := h.ListenMulticastUDP("udp", &net.Interface{Name: "second-a"}, to)
	if err != nil {
		t.Fatal(err)
	}
	for i, gone := range []*pipe.End{a, c} {
		gone.Close()
		for h.Links()[i].Err == nil {
			time.Sleep(time.Millisecond)
		}
		_, err := u.WriteTo([]byte("x"), to)
		if lost := new(handfast.LinkError); (i == 1) != errors.As(err, &lost) || i == 0 && err != nil {
			t.Errorf("link %d is gone: %v", i, err)
		}
	}
}

// A host that ends while it is in several groups leaves them all, in each shard.
func TestCloseLeavesGroups(t *testing.T) {
	client, _ := newNet(t, handfast.Config{Shards: 4}, pipe.Options{})
	for i := range 5 {
		if _, err := client.ListenMulticastUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(239, 1, 2, byte(i)), Port: 5000 + i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// A host tells of its groups, by link, with how many sockets are in each; one that was left is none.
func TestLinksTellGroups(t *testing.T) {
	client, _ := newNet(t, handfast.Config{Shards: 4}, pipe.Options{})
	join := func(group string, port int) *handfast.UDPConn {
		u, err := client.ListenMulticastUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(group), Port: port})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	told := func() (all string) {
		for _, l := range client.Links() {
			for _, a := range slices.SortedFunc(maps.Keys(l.Groups), netip.Addr.Compare) {
				all += fmt.Sprint(a, " ", l.Groups[a], ";")
			}
		}
		return all
	}
	join("239.1.2.3", 5000)
	second := join("239.1.2.3", 5000)
	join("ff15::7", 5001)
	if got, want := told(), "239.1.2.3 2;ff15::7 1;"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	second.Close()
	if got, want := told(), "239.1.2.3 1;ff15::7 1;"; got != want {
		t.Errorf("after one was closed: %s, want %s", got, want)
	}
	client.Close()
	if got := told(); got != "" {
		t.Errorf("after the end: %s", got)
	}
}

// Who is in a group stays in it when a link with the name or an address of one that has gone
// takes its place, whether that comes before or after.
func TestMembershipsMove(t *testing.T) {
	for _, shards := range []int{1, 4} {
		for _, name := range []string{"net0", "other"} {
			j := joinTwice(t, handfast.Config{Shards: shards})
			to := &net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: 5353}
			u, err := j.hosts[1].ListenMulticastUDP("udp", &net.Interface{Name: "net0-b"}, to)
			if err != nil {
				t.Fatal(err)
			}
			c, err := j.hosts[0].ListenPacket("udp", ":0")
			if err == nil {
				err = c.SetMulticastInterface(&net.Interface{Name: "net0-a"})
			}
			if err != nil {
				t.Fatal(err)
			}
			say := func(text string) {
				t.Helper()
				if _, err := c.WriteTo([]byte(text), to); err != nil {
					t.Fatal(err)
				}
				hear(t, u, text)
			}
			say("before")
			if name == "net0" {
				j.cut(0)
				j.attachAs(name, 0)
			} else {
				old := j.wires[0]
				j.attachAs(name, 0)
				fresh := j.wires[0]
				j.wires[0] = old
				j.cut(0)
				j.wires[0] = fresh
			}
			say("after")
			if groups := j.hosts[1].Links(); len(groups[0].Groups) != 0 || groups[2].Groups[netip.MustParseAddr("239.1.2.3")] != 1 {
				t.Errorf("%d shards, %s: the links' groups are %+v", shards, name, groups)
			}
		}
	}
}
