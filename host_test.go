package handfast_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// closings is how often TestCloseDuringEverything closes a host; -count says how
// often that is done.
func closings() int {
	if testing.Short() {
		return 200
	}
	return 2500
}

// A host is closed while dials, accepts, reads and writes are under way: all of
// them come back, and no goroutine stays.
func TestCloseDuringEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range closings() {
		closeDuringEverything(t, i)
	}
	wantGoroutines(t, before)
}

// wantGoroutines waits until there are as many goroutines as before.
func wantGoroutines(t *testing.T, before int) {
	t.Helper()
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i > 1<<20 {
			all := make([]byte, 1<<20)
			t.Fatalf("%d goroutines are left over:\n%s", runtime.NumGoroutine()-before, all[:runtime.Stack(all, true)])
		}
		runtime.Gosched()
	}
}

func closeDuringEverything(t *testing.T, i int) {
	a, b := pipe.New(pipe.Options{})
	client := mustHost(t, 1<<(i%3), a, clientIP+"/24")
	server := mustHost(t, 1<<(i%3), b, serverIP+"/24")
	l := listen(t, server, ":80")

	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if wantEnd(t, "Accept", err) {
				return
			}
			wg.Go(func() { echo(t, c) })
		}
	})
	for range 2 {
		wg.Go(func() {
			for {
				c, err := client.Dial("tcp", serverIP+":80")
				if wantEnd(t, "Dial", err) {
					return
				}
				ask(t, c.(*handfast.TCPConn))
			}
		})
	}
	for range i % 100 {
		runtime.Gosched()
	}
	hosts := []*handfast.Host{client, server}
	hosts[i/3%2].Close()
	hosts[1-i/3%2].Close()
	wg.Wait()
}

func mustHost(t *testing.T, shards int, l link.Link, address string) *handfast.Host {
	h, err := handfast.New(handfast.Config{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}}); err != nil {
		t.Fatal(err)
	}
	return h
}

// wantEnd reports whether a call failed, and complains when it did with an
// error that the end of a host does not explain.
func wantEnd(t *testing.T, call string, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, syscall.ECONNREFUSED), err == io.EOF:
	default:
		t.Errorf("%s: %v", call, err)
	}
	return true
}

func echo(t *testing.T, c *handfast.TCPConn) {
	defer c.Close()
	p := make([]byte, 4096)
	for {
		n, err := c.Read(p)
		if wantEnd(t, "Read", err) {
			return
		}
		if _, err := c.Write(p[:n]); wantEnd(t, "Write", err) {
			return
		}
	}
}

func ask(t *testing.T, c *handfast.TCPConn) {
	defer c.Close()
	p := make([]byte, 3000)
	if _, err := c.Write(p); wantEnd(t, "Write", err) {
		return
	}
	_, err := io.ReadFull(c, p)
	wantEnd(t, "Read", err)
}

// failingLink is a link whose device is gone when it is closed.
type failingLink struct{ link.Link }

func (l failingLink) Read(queue int, batch []*buf.Packet) (int, error) {
	n, err := l.Link.Read(queue, batch)
	return n, gone(err)
}

func (l failingLink) Write(queue int, batch []*buf.Packet) error {
	return gone(l.Link.Write(queue, batch))
}

func gone(err error) error {
	if err != nil {
		return syscall.ENODEV
	}
	return nil
}

// A link that goes takes the host with it, and every call says which link.
func TestLinkFails(t *testing.T) {
	a, b := pipe.New(pipe.Options{Name: "veth"})
	client := newTestHost(t, handfast.Config{}, failingLink{a}, clientIP+"/24")
	server := newTestHost(t, handfast.Config{}, b, serverIP+"/24")
	c, _ := connect(t, client, listen(t, server, ":80"))
	l := listen(t, client, ":80")
	u, err := client.ListenPacket("udp", ":80")
	if err != nil {
		t.Fatal(err)
	}

	calls := []func() error{
		func() error { _, err := c.Read(make([]byte, 1)); return err },
		func() error { _, err := c.Write(make([]byte, 64<<20)); return err },
		func() error { _, err := l.Accept(); return err },
		func() error { _, _, err := u.ReadFrom(make([]byte, 1)); return err },
		func() error { _, err := client.Dial("tcp", "10.0.0.77:80"); return err },
	}
	results := make(chan error)
	for _, call := range calls {
		go func() { results <- call() }()
	}
	a.Close()
	for range calls {
		wantLinkError(t, <-results)
	}
	<-client.Done()
	wantLinkError(t, client.Err())
	for _, call := range calls {
		wantLinkError(t, call())
	}
	_, err = client.Listen("tcp", ":81")
	wantLinkError(t, err)
	wantLinkError(t, client.Attach(b, handfast.LinkOptions{}))
}

func wantLinkError(t *testing.T, err error) {
	t.Helper()
	var gone *handfast.LinkError
	if !errors.As(err, &gone) || gone.Link != "veth-a" || !errors.Is(err, syscall.ENODEV) || !strings.Contains(err.Error(), "veth-a") {
		t.Errorf("got %v", err)
	}
}

func TestClosedHost(t *testing.T) {
	client, _ := newNet(t, handfast.Config{}, pipe.Options{})
	if client.Err() != nil {
		t.Error("Err before Close:", client.Err())
	}
	client.Close()
	<-client.Done()
	_, listen := client.Listen("tcp", ":0")
	_, dial := client.Dial("tcp", serverIP+":80")
	_, packet := client.ListenPacket("udp", ":0")
	a, _ := pipe.New(pipe.Options{})
	for call, err := range map[string]error{
		"Err": client.Err(), "Listen": listen, "Dial": dial, "ListenPacket": packet,
		"Attach": client.Attach(a, handfast.LinkOptions{}),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", call, err)
		}
	}
	if err := client.Close(); err != nil {
		t.Error("second Close:", err)
	}
}

// A host talks to itself without a link.
func TestSelf(t *testing.T) {
	h, _ := newNet(t, handfast.Config{}, pipe.Options{})
	l := listen(t, h, ":80")
	for _, address := range []string{clientIP + ":80", ":80", "[fd00::1]:80"} {
		c, err := h.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c.Write(random(200 << 10))
			c.Close()
		}()
		if got, err := io.ReadAll(s); len(got) != 200<<10 || err != nil {
			t.Errorf("%s: got %d bytes, %v", address, len(got), err)
		}
	}
}

// A listener is closed while its host is closed.
func TestListenerAndHostClose(t *testing.T) {
	for range closings() {
		h, err := handfast.New(handfast.Config{Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t, h, ":80")
		var wg sync.WaitGroup
		wg.Go(func() { l.Close() })
		wg.Go(func() { h.Close() })
		wg.Wait()
	}
}

// gate is where a goroutine of a host is held.
type gate struct {
	shut, held chan struct{}
	once       sync.Once
}

func newGate() *gate { return &gate{shut: make(chan struct{}), held: make(chan struct{})} }

// pass holds the first who comes until the gate is opened, and whoever comes
// while it is.
func (g *gate) pass() {
	g.once.Do(func() { close(g.held) })
	<-g.shut
}

// gatedLink writes through a gate, except for the first packets.
type gatedLink struct {
	link.Link
	gate *gate
	used atomic.Bool
}

func (l *gatedLink) Write(queue int, batch []*buf.Packet) error {
	if l.used.Swap(true) {
		l.gate.pass()
	}
	return l.Link.Write(queue, batch)
}

// gatedKeys are asked through a gate from the second time on.
type gatedKeys struct {
	*gate
	asked bool
}

func (k *gatedKeys) Keys(time.Time) (tcp.CookieKeys, error) {
	if k.asked {
		k.pass()
	}
	k.asked = true
	return tcp.CookieKeys{}, nil
}

// What a timer of the host's has begun ends before Close returns, whatever it
// hangs in.
func TestCloseWaitsForTimers(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, g *gate) *handfast.Host{
		"a shard's, in the link's Write": func(t *testing.T, g *gate) *handfast.Host {
			a, _ := pipe.New(pipe.Options{})
			h := newTestHost(t, handfast.Config{}, &gatedLink{Link: a, gate: g}, clientIP+"/24")
			go h.Dial("tcp", serverIP+":80") // the SYN goes out again after a second
			return h
		},
		"that of the cookie keys": func(t *testing.T, g *gate) *handfast.Host {
			a, _ := pipe.New(pipe.Options{})
			return newTestHost(t, handfast.Config{CookieKeys: &gatedKeys{gate: g}}, a, clientIP+"/24")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				h := start(t, g)
				<-g.held
				closed := make(chan struct{})
				for range 2 {
					go func() { h.Close(); closed <- struct{}{} }()
				}
				time.Sleep(time.Minute)
				select {
				case <-closed:
					t.Error("Close has returned before the timer's goroutine")
				default:
				}
				close(g.shut)
				<-closed
				<-closed
			})
		})
	}
}
