package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

// The fleet's network: clients at 10.8.0.2 behind a router, which is this namespace, and guard N
// at 10.9.N.2 of the kernel's and 10.9.N.3 of its own. All guards have the same address.
const (
	fleetSize    = 3
	fleetAddress = "10.9.100.1"
	fleetClient  = "10.8.0.2"
)

// fleet is three guards behind a router that spreads clients over them.
type fleet struct {
	clients *stage.Space
	hops    [fleetSize]*netlink.NexthopInfo
	moved   atomic.Int64          // handshakes whose next hop was changed
	lost    atomic.Pointer[error] // what went wrong with that
}

// newFleet starts guards of these kinds: guard and kernel.
func newFleet(t *testing.T, kinds, seeds [fleetSize]string) *fleet {
	t.Helper()
	needDevice(t)
	if os.Geteuid() != 0 {
		t.Skip("namespaces beside each other need root")
	}
	for name, value := range map[string]string{"ip_forward": "1", "fib_multipath_hash_policy": "1", "conf/all/rp_filter": "0", "conf/default/rp_filter": "0"} {
		routerSysctl(t, "net/ipv4/"+name, value)
	}
	f := &fleet{}
	f.attachClients(t)
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	servePage := func(l net.Listener) {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") }))
		s.Listener.Close()
		s.Listener = l
		s.Start()
		t.Cleanup(s.Close)
	}
	servePage(l)
	for i, kind := range kinds {
		space := newSpace(t)
		f.hops[i] = attachGuard(t, space, i, kind)
		args := []string{"guard", "--listen", fleetAddress + ":80", "--device", "eth0", "--cookie-seeds", seeds[i]}
		if kind == "kernel" {
			var served net.Listener
			err := space.Do(func() (err error) {
				var lc net.ListenConfig
				lc.SetMultipathTCP(false)
				served, err = lc.Listen(t.Context(), "tcp", fleetAddress+":80")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			servePage(served)
			args = append(args, "--kernel", "--cookies", "always")
		} else {
			near := fmt.Sprintf("10.9.%d.", i)
			args = append(args, "--link", "packet", "--addr", fleetAddress+"/32", "--addr", near+"3/24", "--gateway", near+"1",
				"--to", near+"1:"+fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
		}
		err := space.Do(func() error {
			p := (&longCommand{"Ctrl-C", args}).begin(t)
			t.Cleanup(func() { p.Process.Kill(); p.end() }) // the last of a connection may be another's: it would not drain
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// routerSysctl has a value for as long as the test lasts: other tests are in the router's namespace, too, and what
// comes to one end of their cables it would send back by the other.
func routerSysctl(t *testing.T, name, value string) {
	t.Helper()
	back, err := changeSysctl(name, value)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := back(); err != nil {
			t.Error(err)
		}
	})
}

// changeSysctl is setSysctl that can be taken back.
func changeSysctl(name, value string) (back func() error, err error) {
	before, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return nil, err
	}
	return func() error { return setSysctl(name, string(before)) }, setSysctl(name, value)
}

func newSpace(t *testing.T) *stage.Space {
	t.Helper()
	s, err := stage.NewSpace()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// attachClients puts the clients' namespace behind a way on which each SYN-ACK is seen before the
// client has it.
func (f *fleet) attachClients(t *testing.T) {
	t.Helper()
	f.clients = newSpace(t)
	open := func(name, addr string) link.Link {
		d, err := tun.Open(tun.Options{Name: name})
		if err == nil {
			t.Cleanup(func() { d.Close() })
			err = stage.Configure(name, []netip.Prefix{netip.MustParsePrefix(addr)})
		}
		if err != nil {
			t.Error(err)
		}
		return d
	}
	near := open("hffleet", "10.8.0.1/24")
	var far link.Link
	err := f.clients.Do(func() error {
		far = open("eth0", fleetClient+"/24")
		return routeEverywhere("eth0")
	})
	if err != nil || t.Failed() {
		t.Fatal(err)
	}
	go carryWatched(far, near, nil)
	go carryWatched(near, far, f.move)
}

// carryWatched takes packets from one link to another, and shows those that come to it before.
func carryWatched(from, to link.Link, show func(*wire.IP, *wire.TCP)) {
	batch := make([]*buf.Packet, 64)
	for {
		n, err := from.Read(0, batch)
		if err != nil {
			return
		}
		for _, p := range batch[:n] {
			var ip wire.IP
			var h wire.TCP
			if b := p.Data[p.L3:]; show != nil && wire.ParseIP(b, &ip) == wire.None && ip.Proto == wire.ProtoTCP {
				if _, drop := wire.ParseTCP(b[ip.HeaderLen:], &h); drop == wire.None {
					show(&ip, &h)
				}
			}
		}
		if to.Write(0, batch[:n]) != nil {
			return
		}
	}
}

// attachGuard makes a cable from the router to guard i, and returns the way to it.
func attachGuard(t *testing.T, space *stage.Space, i int, kind string) *netlink.NexthopInfo {
	t.Helper()
	name, near := fmt.Sprintf("hffleet%d", i), fmt.Sprintf("10.9.%d.", i)
	pair := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "eth0", PeerNamespace: netlink.NsFd(space.FD())}
	pair.Name = name
	if err := netlink.LinkAdd(pair); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { netlink.LinkDel(pair) })
	theirs := []netip.Prefix{netip.MustParsePrefix(near + "2/24")}
	hop := near + "3"
	if kind == "kernel" {
		theirs, hop = append(theirs, netip.MustParsePrefix(fleetAddress+"/32")), near+"2"
	}
	err := space.Do(func() error { // there is a carrier when both ends are up
		far, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(far)
	})
	if err == nil {
		err = stage.Configure(name, []netip.Prefix{netip.MustParsePrefix(near + "1/24")})
	}
	if err == nil {
		err = space.Do(func() error {
			if err := stage.Configure("eth0", theirs); err != nil {
				return err
			}
			return netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(near + "1")})
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	dev, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return &netlink.NexthopInfo{LinkIndex: dev.Attrs().Index, Gw: net.ParseIP(hop)}
}

// spread has the router spread clients over all guards but one; -1 is none.
func (f *fleet) spread(but int) error {
	r := &netlink.Route{Dst: &net.IPNet{IP: net.ParseIP(fleetAddress).To4(), Mask: net.CIDRMask(32, 32)}}
	for i, hop := range f.hops {
		if i != but {
			r.MultiPath = append(r.MultiPath, hop)
		}
	}
	return netlink.RouteReplace(r)
}

// guardOf asks the router to which guard it sends what a client sends from a port.
func (f *fleet) guardOf(port uint16) (int, error) {
	out, err := exec.Command("ip", "-4", "route", "get", fleetAddress, "from", fleetClient, "iif", "hffleet", "ipproto", "tcp",
		"sport", fmt.Sprint(port), "dport", "80").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	for i, hop := range f.hops {
		if strings.Contains(string(out), "via "+hop.Gw.String()+" ") {
			return i, nil
		}
	}
	return 0, fmt.Errorf("no guard in %s", out)
}

// move takes the guard away from the router that has sent a SYN-ACK, before the client has it: the
// ACK comes to another one.
func (f *fleet) move(_ *wire.IP, h *wire.TCP) {
	if h.Flags != wire.SYN|wire.ACK {
		return
	}
	from, err := f.guardOf(uint16(h.DstPort))
	if err == nil {
		err = f.spread(from)
	}
	to := from
	if err == nil {
		to, err = f.guardOf(uint16(h.DstPort))
	}
	if err == nil && to == from {
		err = errors.New("the next hop has not changed")
	}
	if err != nil {
		f.lost.Store(&err)
		return
	}
	f.moved.Add(1)
}

// visit asks for the page, and waits so long for it.
func (f *fleet) visit(patience time.Duration) (answer string, err error) {
	if err := f.spread(-1); err != nil {
		return "", err
	}
	var c net.Conn
	err = f.clients.Do(func() (err error) {
		c, err = (&net.Dialer{Timeout: untilLimit}).Dial("tcp", fleetAddress+":80")
		return err
	})
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n") // an answer tells
	b, err := io.ReadAll(c)
	return string(b), err
}

// Between the SYN-ACK and the ACK the router takes the guard away that has sent the one, and another
// gets the other: with the same seeds every handshake completes, whatever kinds of guards the fleet
// has. With different seeds none does.
func TestFleetBehindARouter(t *testing.T) {
	dir := t.TempDir()
	var shared, own [fleetSize]string
	for i := range own {
		own[i], shared[i] = filepath.Join(dir, fmt.Sprint("seeds", i)), filepath.Join(dir, "seeds0")
		if err := os.WriteFile(own[i], fmt.Appendf(nil, "a-seed-of-16-bytes-and-more-%d\n", i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name     string
		kinds    [fleetSize]string
		seeds    [fleetSize]string
		visitors int
	}{
		{"guards", [...]string{"guard", "guard", "guard"}, shared, 30},
		{"kernels", [...]string{"kernel", "kernel", "kernel"}, shared, 15},
		{"both", [...]string{"guard", "kernel", "guard"}, shared, 15},
		{"guards with different seeds", [...]string{"guard", "guard", "guard"}, own, 4},
		{"kernels with different seeds", [...]string{"kernel", "kernel", "kernel"}, own, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(t, c.kinds, c.seeds)
			patience := untilLimit
			if c.seeds != shared {
				patience = 2 * time.Second // for what does not come
			}
			for range c.visitors {
				answer, err := f.visit(patience)
				if good := err == nil && strings.HasSuffix(answer, "here"); good != (c.seeds == shared) {
					t.Errorf("%q, %v", answer, err)
				}
			}
			if err := f.lost.Load(); err != nil || f.moved.Load() < int64(c.visitors) {
				t.Errorf("%d handshakes moved, %v", f.moved.Load(), err)
			}
		})
	}
}
