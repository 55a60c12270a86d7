package door

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// newServer returns a host with an address of its own, and the path of its door.
func newServer(t *testing.T) (h *handfast.Host, path string) {
	t.Helper()
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	end, _ := pipe.New(pipe.Options{})
	if err := h.Attach(end, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")}}); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "door")
	d, err := Open(path, h)
	if err != nil {
		t.Skip("no such socket here: ", err)
	}
	t.Cleanup(func() { d.Close() })
	return h, path
}

// enter returns a host that has gone through the door.
func enter(t *testing.T, path string) *handfast.Host {
	t.Helper()
	v, err := Enter(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Attach(v, handfast.LinkOptions{Addresses: v.Addresses(), Routes: []handfast.Route{
		{Destination: netip.MustParsePrefix("0.0.0.0/0")}, {Destination: netip.MustParsePrefix("::/0")}}}); err != nil {
		t.Fatal(err)
	}
	return h
}

// Several visitors at once each have an address, over IPv4 and IPv6, and get what
// is meant for them; when one goes, the next gets its place.
func TestVisitors(t *testing.T) {
	server, path := newServer(t)
	l, err := server.Listen("tcp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	var hosts []*handfast.Host
	for i := range 3 {
		h := enter(t, path)
		hosts = append(hosts, h)
		for _, address := range []string{"10.77.0.2:7", "[fd77::2]:7"} {
			echo(t, h, address, fmt.Sprintf("visitor %d", i))
		}
	}
	for _, h := range hosts {
		h.Close()
	}
	for range 2 * maxVisitors { // more than there is room for at one time
		h := enter(t, path)
		echo(t, h, "10.77.0.2:7", "again")
		h.Close()
	}
}

func echo(t *testing.T, h *handfast.Host, address, text string) {
	t.Helper()
	c, err := h.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, text)
	c.(*handfast.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); err != nil || string(b) != text {
		t.Errorf("%s: %q, %v", address, b, err)
	}
}

// One visitor too many is told so, and does not disturb the others.
func TestNoRoom(t *testing.T) {
	_, path := newServer(t)
	var all []*Visit
	for range maxVisitors {
		v, err := Enter(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if v, err := Enter(path); err != errNoRoom {
		t.Errorf("%v, %v", v, err)
	}
	for _, v := range all {
		v.Close()
	}
}

// What is no packet, or for nobody, does no harm.
func TestRubbish(t *testing.T) {
	_, path := newServer(t)
	c, err := net.Dial("unixpacket", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := range 64 {
		c.Write(make([]byte, n))
	}
	h := enter(t, path)
	defer h.Close()
	if _, err := h.Dial("tcp", "10.77.0.2:9"); err == nil {
		t.Error("somebody listens")
	}
	for _, b := range [][]byte{nil, make([]byte, 40), {0x45}, {0x60}} {
		if n := destination(b); n != 0 {
			t.Errorf("% x is for %d", b, n)
		}
	}
}

// What was written before Close arrives: a last ACK, without which the far end would
// repeat its FIN for long.
func TestLastPacketArrives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "door")
	l, err := net.Listen("unixpacket", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 300 {
		go func() {
			v, err := Enter(path)
			if err != nil {
				t.Error(err)
				return
			}
			for range i%3 + 1 {
				p := buf.NewPacket()
				p.Data = append(p.ReceiveInto(100)[:0], "a packet"...)
				v.Write(0, []*buf.Packet{p})
			}
			v.Close()
		}()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("10.0.0.1/24"))
		n := 0
		for b := make([]byte, 100); ; n++ {
			if k, err := c.Read(b); k == 0 || err != nil {
				break
			}
		}
		c.Close()
		if n != i%3+1 {
			t.Fatalf("%d packets of %d arrived", n, i%3+1)
		}
	}
}
