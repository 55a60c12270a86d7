package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/guard"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// world is clients, a guard, and back ends on the far side of it:
//
//	client - front | out - server
//
// Front and out are hosts of one program, which the guard joins. Times are virtual.
type world struct {
	*testing.T
	client, front, out, server *handfast.Host
	guard                      *guard.Guard
	served                     sync.WaitGroup

	mu      sync.Mutex
	changes []string
}

const (
	clientIP = "203.0.113.9"
	otherIP  = "203.0.113.77" // the client's, too
	frontIP  = "198.51.100.1"
	serverIP = "192.0.2.7"
)

// inWorld has back ends on so many ports of the server from 8001 on; each tells its name to
// who connects, and then echoes.
func inWorld(t *testing.T, living int, s guard.Settings, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t}
		a, b := pipe.New(pipe.Options{})
		w.client, w.front = w.host(a, clientIP+"/32", otherIP+"/32"), w.host(b, frontIP+"/32")
		a, b = pipe.New(pipe.Options{})
		w.out, w.server = w.host(a, "192.0.2.1/32"), w.host(b, serverIP+"/32")
		for i := range living {
			w.live(8001+i, w.greet)
		}
		w.start(s)
		l, err := w.front.Listen("tcp", ":443")
		if err != nil {
			t.Fatal(err)
		}
		w.served.Go(func() { w.guard.Serve(l) })
		synctest.Wait()
		f(w)
		w.guard.Close()
		w.served.Wait()
		if n := w.guard.Stats().Active; n != 0 {
			t.Errorf("closed, and %d are carried", n)
		}
		for _, h := range []*handfast.Host{w.client, w.front, w.out, w.server} {
			h.Close()
		}
	})
}

func (w *world) start(s guard.Settings) {
	dial := func(ctx context.Context, source netip.AddrPort, address string) (net.Conn, error) {
		return w.out.DialContext(ctx, "tcp", address)
	}
	changed := func(b guard.Backend, why error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changes = append(w.changes, fmt.Sprint(b.Address, " ", b.Alive))
	}
	if len(s.Backends) == 0 {
		s.Backends = []string{serverIP + ":8001"}
	}
	var err error
	if w.guard, err = guard.New(guard.Config{Settings: s, Dial: dial, Changed: changed}); err != nil {
		w.Fatal(err)
	}
}

// host has the default routes to the other end of its link.
func (w *world) host(l link.Link, addresses ...string) *handfast.Host {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		w.Fatal(err)
	}
	o := handfast.LinkOptions{Routes: []handfast.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0")}}}
	for _, a := range addresses {
		o.Addresses = append(o.Addresses, netip.MustParsePrefix(a))
	}
	if err := h.Attach(l, o); err != nil {
		w.Fatal(err)
	}
	return h
}

// live starts a back end, which stop kills.
func (w *world) live(port int, f func(c *handfast.TCPConn, name string)) (stop func()) {
	l, err := w.server.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		for c, err := l.AcceptTCP(); err == nil; c, err = l.AcceptTCP() {
			go f(c, fmt.Sprint(port))
		}
	}()
	return func() { l.Close() }
}

func (w *world) greet(c *handfast.TCPConn, name string) {
	io.WriteString(c, name)
	io.Copy(c, c)
	c.Close()
}

func (w *world) dialFrom(source string) (*handfast.TCPConn, error) {
	d := handfast.Dialer{Host: w.client, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), 0))}
	ctx, give := context.WithTimeout(w.Context(), 500*time.Millisecond)
	defer give()
	c, err := d.DialContext(ctx, "tcp", frontIP+":443")
	if err != nil {
		return nil, err
	}
	return c.(*handfast.TCPConn), nil
}

func (w *world) dial() *handfast.TCPConn {
	w.Helper()
	c, err := w.dialFrom(clientIP)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// name reads which back end a connection has.
func (w *world) name(c net.Conn) string {
	p := make([]byte, 4)
	if _, err := io.ReadFull(c, p); err != nil {
		return err.Error()
	}
	return string(p)
}

func backends(ports ...int) (all []string) {
	for _, p := range ports {
		all = append(all, fmt.Sprintf("%s:%d", serverIP, p))
	}
	return all
}

// Each direction ends alone, and all of it arrives.
func TestHalfClose(t *testing.T) {
	inWorld(t, 1, guard.Settings{}, func(w *world) {
		text := strings.Repeat("what is asked ", 100_000)
		c := w.dial()
		go func() {
			io.WriteString(c, text)
			c.CloseWrite()
		}()
		if got, err := io.ReadAll(c); string(got) != "8001"+text || err != nil {
			t.Errorf("%d bytes of %d came back, %v", len(got), len(text), err)
		}
		c.Close()
		synctest.Wait()
		if s := w.guard.Stats(); s.Active != 0 || s.Carried != 1 || s.Failed != 0 || s.Sent != int64(len(text)) || s.Received != int64(len(text))+4 {
			t.Errorf("%+v", s)
		}
	})
}

// A reset on one side is a reset on the other.
func TestResets(t *testing.T) {
	inWorld(t, 0, guard.Settings{Backends: backends(8001, 8002)}, func(w *world) {
		heard := make(chan error, 1)
		w.live(8001, func(c *handfast.TCPConn, _ string) {
			if _, err := c.Read(make([]byte, 1)); err == nil { // no check
				c.SetLinger(0)
			}
			c.Close()
		})
		time.Sleep(3 * time.Second)
		c := w.dial()
		io.WriteString(c, "x")
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset by the back end: %v", err)
		}
		w.live(8002, func(c *handfast.TCPConn, _ string) {
			if n, err := io.Copy(io.Discard, c); n > 0 {
				heard <- err
			}
			c.Close()
		})
		if err := w.guard.Set(guard.Settings{Backends: backends(8002)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		c = w.dial()
		io.WriteString(c, "x")
		synctest.Wait()
		c.SetLinger(0)
		c.Close()
		if err := <-heard; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset by the client: %v", err)
		}
		synctest.Wait()
		if s := w.guard.Stats(); s.Failed != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// Without a living back end the SYN itself is answered by a RST, or by nothing; and again by a
// SYN-ACK when one has come.
func TestVerdictBeforeTheSynAck(t *testing.T) {
	for silent, want := range map[bool]error{false: syscall.ECONNREFUSED, true: context.DeadlineExceeded} {
		inWorld(t, 0, guard.Settings{Silent: silent}, func(w *world) {
			if _, err := w.dialFrom(clientIP); !errors.Is(err, want) {
				t.Errorf("silent %v: %v", silent, err)
			}
			if n := w.front.Counters().TCP.PassiveOpens; n != 0 {
				t.Errorf("%d connections were opened", n)
			}
			stop := w.live(8001, w.greet)
			time.Sleep(3 * time.Second)
			c := w.dial()
			if name := w.name(c); name != "8001" {
				t.Error(name)
			}
			stop()
			time.Sleep(6 * time.Second) // two checks must fail
			if _, err := w.dialFrom(clientIP); !errors.Is(err, want) {
				t.Errorf("dead again, silent %v: %v", silent, err)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if want := []string{serverIP + ":8001 true", serverIP + ":8001 false"}; fmt.Sprint(w.changes) != fmt.Sprint(want) {
				t.Errorf("%q", w.changes)
			}
		})
	}
}

// Back ends take turns, and one that is dead is passed over: by its clients before the checks
// have found out.
func TestRoundRobin(t *testing.T) {
	inWorld(t, 2, guard.Settings{Backends: backends(8001, 8002, 8003), CheckInterval: time.Hour}, func(w *world) {
		stop := w.live(8003, w.greet)
		if err := w.guard.Set(guard.Settings{Backends: backends(8001, 8002, 8003, 8004), CheckInterval: time.Hour}); err != nil {
			t.Fatal(err)
		}
		var names []string
		for range 5 {
			names = append(names, w.name(w.dial()))
		}
		// 8003 was dead at the first look, and 8004 is.
		if got := strings.Join(names, " "); got != "8001 8002 8001 8002 8001" && got != "8002 8001 8002 8001 8002" {
			t.Error(got)
		}
		stop()
	})
	inWorld(t, 2, guard.Settings{Backends: backends(8001, 8002, 8003), CheckInterval: time.Hour}, func(w *world) {
		if s := w.guard.Stats(); !s.Backends[0].Alive || !s.Backends[1].Alive || s.Backends[2].Alive {
			t.Errorf("%+v", s)
		}
	})
}

// A client whose back end has died a moment ago gets another one.
func TestAnotherBackend(t *testing.T) {
	inWorld(t, 1, guard.Settings{Backends: backends(8001)}, func(w *world) {
		stop := w.live(8002, w.greet)
		s := guard.Settings{Backends: backends(8001, 8002), CheckInterval: time.Hour}
		if err := w.guard.Set(s); err != nil {
			t.Fatal(err)
		}
		stop()
		for range 4 {
			if name := w.name(w.dial()); name != "8001" {
				t.Error(name)
			}
		}
		synctest.Wait()
		if s := w.guard.Stats(); s.NoBackend != 0 || s.Carried != 4 || s.Backends[1].Alive || s.Backends[1].Errors != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// Who has the fewest gets the next one.
func TestLeastConnections(t *testing.T) {
	inWorld(t, 2, guard.Settings{Backends: backends(8001, 8002), Balance: guard.LeastConnections}, func(w *world) {
		var conns []*handfast.TCPConn
		count := map[string]int{}
		for range 6 {
			c := w.dial()
			conns = append(conns, c)
			count[w.name(c)]++
		}
		if count["8001"] != 3 || count["8002"] != 3 {
			t.Fatalf("%v", count)
		}
		for i, c := range conns { // all of the one, and none of the other
			if i%2 == 0 {
				c.Close()
			}
		}
		synctest.Wait()
		first := w.name(w.dial())
		for range 2 {
			if name := w.name(w.dial()); name != first {
				t.Errorf("%s, and then %s", first, name)
			}
		}
	})
}

// A client, and a site, has no more than its limit, and has it again when a connection ends.
func TestLimits(t *testing.T) {
	inWorld(t, 1, guard.Settings{PerSource: 2, PerPrefix: 3}, func(w *world) {
		opened := func(source string) (*handfast.TCPConn, bool) {
			c, err := w.dialFrom(source)
			if err != nil {
				return nil, false
			}
			return c, w.name(c) == "8001"
		}
		var first *handfast.TCPConn
		for i, want := range []bool{true, true, false} {
			c, ok := opened(clientIP)
			if ok != want {
				t.Errorf("connection %d of one client: %v", i+1, ok)
			}
			if i == 0 {
				first = c
			}
		}
		if _, ok := opened(otherIP); !ok {
			t.Error("the neighbour has none")
		}
		if _, ok := opened(otherIP); ok {
			t.Error("the site has four")
		}
		first.Close()
		synctest.Wait()
		if _, ok := opened(otherIP); !ok {
			t.Error("one has ended, and there is no room for another")
		}
		if s := w.guard.Stats(); s.OverLimit != 2 || s.Active != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// Settings that change cut nobody off, not even from back ends that are no longer named.
func TestSet(t *testing.T) {
	inWorld(t, 2, guard.Settings{}, func(w *world) {
		old := w.dial()
		if name := w.name(old); name != "8001" {
			t.Error(name)
		}
		if err := w.guard.Set(guard.Settings{Backends: backends(8002)}); err != nil {
			t.Fatal(err)
		}
		if name := w.name(w.dial()); name != "8002" {
			t.Error(name)
		}
		if err := w.guard.Set(guard.Settings{Backends: []string{"nowhere"}}); err == nil {
			t.Error("a back end without a port was taken")
		}
		io.WriteString(old, "more")
		if more := w.name(old); more != "more" {
			t.Errorf("the old connection says %s", more)
		}
		if s := w.guard.Stats(); len(s.Backends) != 1 || s.Active != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// While a guard drains nobody new is let in, and nobody who is in is cut off; it ends with the
// last of them, or with patience.
func TestDrain(t *testing.T) {
	inWorld(t, 1, guard.Settings{}, func(w *world) {
		c := w.dial()
		w.name(c)
		done := make(chan error)
		go func() { done <- w.guard.Drain(w.Context()) }()
		synctest.Wait()
		if _, err := w.dialFrom(clientIP); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a new client: %v", err)
		}
		time.Sleep(time.Minute)
		io.WriteString(c, "more")
		if more := w.name(c); more != "more" {
			t.Errorf("the old connection says %s", more)
		}
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	inWorld(t, 1, guard.Settings{}, func(w *world) {
		c := w.dial()
		w.name(c)
		ctx, give := context.WithTimeout(w.Context(), time.Minute)
		defer give()
		if err := w.guard.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a client that stays: %v", err)
		}
		w.guard.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("it is told %v", err)
		}
	})
}

// What the back end reads first is who the client is; a check says that it is none.
func TestHeaders(t *testing.T) {
	for h, wants := range map[guard.Header][2]string{
		guard.NoHeader: {"", ""},
		guard.ProxyV1:  {"PROXY TCP4 203.0.113.9 198.51.100.1 ", "PROXY UNKNOWN\r\n"},
		guard.ProxyV2:  {"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc6\x33\x64\x01", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"},
	} {
		inWorld(t, 0, guard.Settings{Header: h}, func(w *world) {
			heard := make(chan string, 100)
			w.live(8001, func(c *handfast.TCPConn, _ string) {
				said, _ := io.ReadAll(c)
				heard <- string(said)
				c.Close()
			})
			time.Sleep(3 * time.Second)
			if said := <-heard; said != wants[1] {
				t.Errorf("%v: a check says %q", h, said)
			}
			c := w.dial()
			port := c.LocalAddr().(*net.TCPAddr).Port
			io.WriteString(c, "hello")
			c.CloseWrite()
			io.ReadAll(c)
			said, rest := <-heard, ""
			switch h {
			case guard.ProxyV1:
				rest = fmt.Sprintf("%d 443\r\n", port)
			case guard.ProxyV2:
				rest = string([]byte{byte(port >> 8), byte(port), 1, 443 & 255})
			}
			if want := wants[0] + rest + "hello"; said != want {
				t.Errorf("%v: %q, want %q", h, said, want)
			}
		})
	}
}
