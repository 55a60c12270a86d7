package handfast_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// What Attach takes works, and what would not is refused in a sentence.
func TestLinkRanges(t *testing.T) {
	for i := range reflect.TypeFor[pipe.Options]().NumField() {
		field := reflect.TypeFor[pipe.Options]().Field(i)
		for _, v := range append(extremes, 67, 68, 69, 80, 100, 104, 116, 127, 128, 296, 576, 1279, 1280, 1499, 1500, 1501, 9000, 65534, 65536) {
			var o pipe.Options
			if !setNumber(reflect.ValueOf(&o).Elem().Field(i), v) {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", field.Name, v), func(t *testing.T) {
				taken := true
				switch field.Name {
				case "MTU":
					taken = v == 0 || v >= handfast.MinMTU
				case "MaxGSO":
					taken = v == 0 || v >= pipe.DefaultMTU
				case "Medium":
					taken = v <= int64(link.Ethernet)
				case "Queues", "Queue": // pipe takes the nearest that it can
				default:
					t.Fatal("this field has no range in this test")
				}
				a, _ := pipe.New(o)
				switch err := attachOnly(a, clientIP+"/24"); {
				case (err == nil) != taken:
					t.Fatalf("Attach: %v", err)
				case err != nil:
					if !strings.Contains(err.Error(), field.Name+" is ") {
						t.Errorf("%q does not name the field", err)
					}
				case field.Name != "Queue" || v == 0 || v >= 64: // a queue of fewer packets than a burst is a bad wire
					transferBothFamilies(t, handfast.Config{}, o)
				}
			})
		}
	}
}

func attachOnly(l link.Link, address string) error {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		return err
	}
	defer h.Close()
	return h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}})
}

// IPv6 needs links of 1280 bytes.
func TestIPv6NeedsLargerLinks(t *testing.T) {
	for _, mtu := range []int{68, 1279} {
		a, _ := pipe.New(pipe.Options{MTU: mtu})
		if err := attachOnly(a, "fd00::1/64"); err == nil || !strings.Contains(err.Error(), "IPv6 needs at least 1280 bytes") {
			t.Errorf("MTU %d: %v", mtu, err)
		}
	}
	a, _ := pipe.New(pipe.Options{MTU: 1280})
	if err := attachOnly(a, "fd00::1/64"); err != nil {
		t.Error(err)
	}
}

func TestAttachChecksAddresses(t *testing.T) {
	prefix := netip.MustParsePrefix
	for name, o := range map[string]handfast.LinkOptions{
		"no prefix":      {Addresses: []netip.Prefix{{}}},
		"no destination": {Routes: []handfast.Route{{}}},
		"mixed families": {Routes: []handfast.Route{{Destination: prefix("10.0.0.0/8"), Gateway: netip.MustParseAddr("fd00::1")}}},
		"multicast":      {Addresses: []netip.Prefix{prefix("224.0.0.1/24")}},
		"unspecified":    {Addresses: []netip.Prefix{prefix("0.0.0.0/24")}},
	} {
		h, err := handfast.New(handfast.Config{})
		if err != nil {
			t.Fatal(err)
		}
		a, _ := pipe.New(pipe.Options{})
		if err := h.Attach(a, o); err == nil {
			t.Errorf("%s: no error", name)
		}
		h.Close()
	}
}

// A packet that no route of its own names goes to the gateway.
func TestGateway(t *testing.T) {
	a, b := pipe.New(pipe.Options{})
	client, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.Attach(a, handfast.LinkOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix(clientIP + "/24"), netip.MustParsePrefix("fd00::1/64")},
		Gateway:   netip.MustParseAddr("10.0.0.254"),
		Routes:    []handfast.Route{{Destination: netip.MustParsePrefix("2001:db8::/32"), Gateway: netip.MustParseAddr("fd00::fe")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := newTestHost(t, handfast.Config{}, b, "192.0.2.1/0", "2001:db8::1/0")
	l := listen(t, server, ":80")
	for _, to := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
		if _, err := client.Dial("tcp", to); err != nil {
			t.Error(err)
		}
		if _, err := l.Accept(); err != nil {
			t.Error(err)
		}
	}
	if _, err := client.Dial("tcp", "[2001:dead::1]:80"); !errors.Is(err, syscall.ENETUNREACH) {
		t.Error("without a route:", err)
	}
}

// linkLog passes on what a host logs of links that are gone.
type linkLog chan string

func (l linkLog) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "link is gone") {
		l <- string(line)
	}
	return len(line), nil
}

// await waits until the host has done with a link, and returns what it said.
func (l linkLog) await(t *testing.T) string {
	t.Helper()
	select {
	case line := <-l:
		return line
	case <-time.After(time.Minute):
		t.Fatal("the host says nothing of its link")
		panic("not reached")
	}
}

// joined are two hosts with two pipes between them.
type joined struct {
	*testing.T
	hosts [2]*handfast.Host
	logs  [2]linkLog
	wires [2][2]*pipe.End // of each network, the ends of each host
}

// networks are where the two hosts are on each wire, and what is behind the other one.
var networks = [2]struct {
	addresses [2]string
	beyond    string
}{{[2]string{"10.1.0.1", "10.1.0.2"}, "172.16.0.0/12"}, {[2]string{"10.2.0.1", "10.2.0.2"}, "0.0.0.0/0"}}

func joinTwice(t *testing.T, cfg handfast.Config) *joined {
	j := &joined{T: t}
	for i := range j.hosts {
		j.logs[i] = make(linkLog, 8)
		cfg.Logger = slog.New(slog.NewTextHandler(j.logs[i], nil))
		h, err := handfast.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		j.hosts[i] = h
	}
	j.attach(0)
	j.attach(1)
	return j
}

// attach lays the wire of a network.
func (j *joined) attach(network int) {
	j.Helper()
	j.attachAs("net"+string(rune('0'+network)), network)
}

// attachAs is attach with the links' name.
func (j *joined) attachAs(name string, network int) {
	j.Helper()
	n := networks[network]
	a, b := pipe.New(pipe.Options{Name: name, Queues: 2})
	j.wires[network] = [2]*pipe.End{a, b}
	for i, h := range j.hosts {
		o := handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(n.addresses[i] + "/24")},
			Routes: []handfast.Route{{Destination: netip.MustParsePrefix(n.beyond), Gateway: netip.MustParseAddr(n.addresses[1-i])}}}
		if err := h.Attach(failingLink{j.wires[network][i]}, o); err != nil {
			j.Fatal(err)
		}
	}
}

// cut makes both hosts lose the link to a network.
func (j *joined) cut(network int) {
	j.Helper()
	for i := range j.hosts {
		j.wires[network][i].Close()
		j.logs[i].await(j.T)
	}
}

// connect opens a connection over a network, and tries it.
func (j *joined) connect(network int) (client, server *handfast.TCPConn) {
	j.Helper()
	l := listen(j, j.hosts[1], networks[network].addresses[1]+":0")
	defer l.Close()
	client, server = connect(j, j.hosts[0], l)
	j.exchange(client, server)
	return client, server
}

// exchange sends something over a connection that works.
func (j *joined) exchange(client, server *handfast.TCPConn) {
	j.Helper()
	sent, got := random(5000), make([]byte, 5000)
	if _, err := client.Write(sent); err != nil {
		j.Fatal(err)
	}
	if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, sent) {
		j.Fatalf("it does not arrive: %v", err)
	}
}

// A link that goes leaves the others alone. What would have to leave by it is an
// error that names it, and does not leave by another one.
func TestOneLinkFails(t *testing.T) {
	for _, shards := range []int{1, 4} {
		j := joinTwice(t, handfast.Config{Shards: shards})
		client := j.hosts[0]
		c, s := j.connect(1)
		u, err := client.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		j.wires[0][0].Close()
		if line := j.logs[0].await(t); !strings.Contains(line, "link=net0-a") || !strings.Contains(line, "left=1") {
			t.Error(line)
		}
		if err := client.Err(); err != nil {
			t.Errorf("the host has stopped: %v", err)
		}
		j.exchange(c, s)
		j.connect(1)
		for _, to := range []string{"10.1.0.2:80", "10.1.0.77:80", "172.16.1.1:80"} {
			for _, network := range []string{"tcp", "udp"} {
				_, err := client.Dial(network, to)
				wantDown(t, err)
			}
			_, err := u.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
			wantDown(t, err)
		}
		if _, err := u.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.2.0.2:9"))); err != nil {
			t.Error(err)
		}
		if _, err := client.Listen("tcp", "10.1.0.1:80"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("its address: %v", err)
		}
		wantLinks(t, client, "net0-a gone", "net1-a")
	}
}

func wantDown(t *testing.T, err error) {
	t.Helper()
	var op *net.OpError
	var gone *handfast.LinkError
	if !errors.As(err, &op) || !errors.As(err, &gone) || gone.Link != "net0-a" || !errors.Is(err, syscall.ENETDOWN) || !errors.Is(err, syscall.ENODEV) {
		t.Errorf("got %v", err)
	}
}

func wantLinks(t *testing.T, h *handfast.Host, want ...string) {
	t.Helper()
	var got []string
	for _, l := range h.Links() {
		if l.Err != nil {
			l.Name += " gone"
		}
		got = append(got, l.Name)
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("links are %q, want %q", got, want)
	}
}

// Without its last link a host stops.
func TestLastLinkFails(t *testing.T) {
	j := joinTwice(t, handfast.Config{})
	j.cut(0)
	j.cut(1)
	for i, h := range j.hosts {
		<-h.Done()
		var gone *handfast.LinkError
		if !errors.As(h.Err(), &gone) || gone.Link != "net1-"+string(rune('a'+i)) {
			t.Errorf("host %d: %v", i, h.Err())
		}
	}
}

// A connection over a link that is gone ends by its own timer.
func TestConnOverLostLink(t *testing.T) {
	j := joinTwice(t, handfast.Config{TCP: tcp.Config{UserTimeout: time.Second}})
	c, _ := j.connect(0)
	j.wires[0][0].Close()
	j.logs[0].await(t)
	if _, err := c.Write([]byte("nobody gets this")); err != nil {
		t.Errorf("write: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("read: %v", err)
	}
}

// A link with the same addresses takes the place of one that is gone, and its
// connections go on.
func TestLinkComesBack(t *testing.T) {
	j := joinTwice(t, handfast.Config{})
	c, s := j.connect(0)
	j.cut(0)
	if _, err := c.Write([]byte("later")); err != nil {
		t.Error(err)
	}
	j.attach(0)
	got := make([]byte, 5)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "later" {
		t.Errorf("%q, %v", got, err)
	}
	j.connect(0)
	wantLinks(t, j.hosts[0], "net0-a gone", "net1-a", "net0-a")
}

// brokenLink can be read, but not written.
type brokenLink struct{ link.Link }

func (l brokenLink) Write(queue int, batch []*buf.Packet) error {
	for _, p := range batch {
		p.Release()
	}
	return syscall.EIO
}

// It is enough that writing fails, whoever does it.
func TestLinkFailsToWrite(t *testing.T) {
	j := joinTwice(t, handfast.Config{})
	a, _ := pipe.New(pipe.Options{Name: "broken"})
	client := j.hosts[0]
	if err := client.Attach(brokenLink{a}, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.3.0.1/24")}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	dialled := make(chan error)
	go func() {
		_, err := client.DialContext(ctx, "tcp", "10.3.0.2:80")
		dialled <- err
	}()
	if line := j.logs[0].await(t); !strings.Contains(line, "input/output error") {
		t.Error(line)
	}
	cancel()
	if err := <-dialled; err == nil {
		t.Error("connected over a link that cannot be written")
	}
	wantLinks(t, client, "net0-a", "net1-a", "broken-a gone")
	j.connect(0)
}

// conflictLog passes on what a host logs of its addresses.
type conflictLog chan string

func (l conflictLog) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "another host") {
		l <- string(line)
	}
	return len(line), nil
}

// Two hosts on an Ethernet with one address: who comes second lets it go, in all
// shards, and says so. Until then, and with its other address, it works.
func TestAddressOfAnotherHost(t *testing.T) {
	for _, shards := range []int{1, 4} {
		a, b := pipe.New(pipe.Options{Medium: link.Ethernet})
		// A host that does not check keeps the address from the first moment.
		server, err := handfast.New(handfast.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		addresses := func(all ...string) (o handfast.LinkOptions) {
			for _, p := range all {
				o.Addresses = append(o.Addresses, netip.MustParsePrefix(p))
			}
			return o
		}
		o := addresses(serverIP+"/24", "10.0.0.9/24")
		o.NoConflictDetection = true
		if err := server.Attach(b, o); err != nil {
			t.Fatal(err)
		}
		l := listen(t, server, serverIP+":80")

		lines := make(conflictLog, 8)
		client, err := handfast.New(handfast.Config{Shards: shards, Logger: slog.New(slog.NewTextHandler(lines, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		if err := client.Attach(a, addresses("10.0.0.9/24", clientIP+"/24")); err != nil {
			t.Fatal(err)
		}
		taken := listen(t, client, "10.0.0.9:80")
		defer taken.Close()

		select {
		case line := <-lines:
			if !strings.Contains(line, "link=pipe-a") || !strings.Contains(line, "address=10.0.0.9") || !strings.Contains(line, "02:00:00:00:00:0b") {
				t.Error(line)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing is said of the conflict")
		}
		info := client.Links()[0]
		if len(info.Lost) != 1 || !errors.Is(info.Lost[0], syscall.EADDRINUSE) || info.Lost[0].Address.String() != "10.0.0.9" ||
			len(info.Addresses) != 1 || info.Addresses[0].String() != clientIP+"/24" {
			t.Errorf("addresses %v, lost %v", info.Addresses, info.Lost)
		}
		for range 8 {
			c, s := connect(t, client, l)
			if from := s.RemoteAddr().String(); !strings.HasPrefix(from, clientIP+":") {
				t.Errorf("connection from %s", from)
			}
			c.Close()
			s.Close()
		}
		if _, err := client.Listen("tcp", "10.0.0.9:81"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("listening on it: %v", err)
		}
	}
}

// A host on an Ethernet works from the first moment.
func TestAttachDoesNotWaitForTheCheck(t *testing.T) {
	a, b := pipe.New(pipe.Options{Medium: link.Ethernet})
	server := newTestHost(t, handfast.Config{}, b, serverIP+"/24", "fd00::2/64")
	l := listen(t, server, ":80")
	start := time.Now()
	client := newTestHost(t, handfast.Config{}, a, clientIP+"/24", "fd00::1/64")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, to := range bothFamilies {
		c, err := client.DialContext(ctx, "tcp", to+":80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	t.Logf("two connections after %v", time.Since(start))
	if lost := client.Links()[0].Lost; lost != nil {
		t.Errorf("lost %v", lost)
	}
}
