package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// held is what a process holds.
type held struct {
	goroutines, descriptors int
	heap                    uint64 // bytes
}

func holds(t *testing.T) held {
	t.Helper()
	runtime.GC()
	runtime.GC() // what pools hold goes by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return held{runtime.NumGoroutine(), len(fds), m.HeapAlloc + m.StackInuse}
}

// room makes n less where the system does not let a process have 2 n descriptors.
func room(t *testing.T, n int) int {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if most := int(min(l.Cur, 1<<20)) / 2; most < n {
		t.Logf("%d descriptors are allowed: %d instead of %d", l.Cur, most, n)
		return most
	}
	return n
}

// socketWorld is a client and a gateway that carries on by sockets of this system. So many SYNs at
// once are no attack for it as may be dialled.
func socketWorld(t *testing.T, cfg gateway.Config) *world {
	t.Helper()
	w := &world{T: t}
	a, b := pipe.New(pipe.Options{Queue: 4096})
	w.client, w.gate = w.host(a, clientIP+"/32"), w.hostWith(handfast.Config{HalfOpen: 8 * max(cfg.MaxDials, 1024)}, b, "10.0.0.254/32")
	cfg.Host = w.gate
	var err error
	if w.gateway, err = gateway.New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) end() {
	w.gateway.Close()
	w.client.Close()
	w.gate.Close()
}

// wantNothingLeft waits for goroutines to end: the last thing that one does is seen before its end.
func wantNothingLeft(t *testing.T, before held, n int) {
	t.Helper()
	after := holds(t)
	for end := time.Now().Add(time.Minute); after.goroutines > before.goroutines && time.Now().Before(end); after = holds(t) {
		time.Sleep(time.Millisecond)
	}
	if most := before.heap + 4<<20; after.goroutines > before.goroutines || after.descriptors > before.descriptors || after.heap > most {
		t.Errorf("before %d of them: %+v; after: %+v", n, before, after)
	}
	t.Logf("%d of them: before %+v, after %+v", n, before, after)
}

// socketFlow is what a client does, where to, and why that ends.
type socketFlow struct {
	port uint16
	do   func(c *handfast.TCPConn) // nil: there is no connection
	want error
}

// Ports of the world beyond the gateway.
const (
	echoes = 1 + iota
	resets
	refuses
	unreachable
	silent
)

var socketFlows = []socketFlow{
	{echoes, func(c *handfast.TCPConn) { c.CloseWrite(); io.Copy(io.Discard, c) }, nil}, // half-closes, and hears all
	{echoes, func(c *handfast.TCPConn) { c.SetLinger(0) }, syscall.ECONNRESET},
	{resets, func(c *handfast.TCPConn) { io.Copy(io.Discard, c) }, syscall.ECONNRESET},
	{refuses, nil, syscall.ECONNREFUSED},
	{unreachable, nil, syscall.EHOSTUNREACH},
	{silent, nil, context.DeadlineExceeded},
}

// socketServers answer on this system; a dialer leads to them.
type socketServers struct {
	echo, reset net.Listener
	running     sync.WaitGroup
}

func newServers(t *testing.T) *socketServers {
	s := new(socketServers)
	listen := func(answer func(c *net.TCPConn)) net.Listener {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.running.Go(func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				s.running.Go(func() { answer(c.(*net.TCPConn)); c.Close() })
			}
		})
		return l
	}
	// By read and write: pipes that io.Copy splices by stay open for a while.
	s.echo = listen(func(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) })
	s.reset = listen(func(c *net.TCPConn) {
		p := make([]byte, 5)
		io.ReadFull(c, p)
		c.Write(p)
		c.Read(p[:1]) // until the client says more
		c.SetLinger(0)
	})
	return s
}

func (s *socketServers) close() {
	s.echo.Close()
	s.reset.Close()
	s.running.Wait()
}

func (s *socketServers) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	switch to, err := netip.ParseAddrPort(address); {
	case err != nil:
		return nil, err
	case to.Port() == echoes:
		return d.DialContext(ctx, "tcp4", s.echo.Addr().String())
	case to.Port() == resets:
		return d.DialContext(ctx, "tcp4", s.reset.Addr().String())
	case to.Port() == refuses:
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case to.Port() == unreachable:
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Ten thousand connections of all kinds, of which those that can be are open at the same time, leave
// no goroutine, no descriptor and no memory. What the runtime keeps of goroutines that have been is
// there after the first time, and is no more after the second.
func TestManyFlowsBySockets(t *testing.T) {
	n := room(t, many(10_000)) / len(socketFlows) * len(socketFlows)
	playFlows(t, n)
	before := holds(t)
	playFlows(t, n)
	wantNothingLeft(t, before, n)
}

func playFlows(t *testing.T, n int) {
	servers := newServers(t)
	ended := make(chan gateway.End, 10*n)
	w := socketWorld(t, gateway.Config{Dialer: servers, MaxDials: n, DialTimeout: 3 * time.Second, Ended: func(e gateway.End) { ended <- e }})
	var open, done sync.WaitGroup
	talk := make(chan struct{})
	for i := range n {
		f := &socketFlows[i%len(socketFlows)]
		open.Add(1)
		done.Go(func() { w.playFlow(f, &open, talk) })
	}
	open.Wait()
	t.Logf("at the peak: %+v, %+v", holds(t), w.gateway.Stats())
	close(talk)
	done.Wait()
	w.wantEnds(ended, n/len(socketFlows))
	if got := w.gateway.Stats(); got.Connections > 0 {
		t.Errorf("all have ended, and there are %+v", got)
	}
	w.end()
	servers.close()
}

// playFlow opens a flow, tells open, waits for talk, and does what the flow is for.
func (w *world) playFlow(f *socketFlow, open *sync.WaitGroup, talk <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	to := netip.AddrPortFrom(netip.MustParseAddr(serverIP), f.port)
	if f.port == silent || f.port == unreachable { // nobody says that it is of no use
		ctx, cancel = context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
	}
	c, err := w.client.DialContext(ctx, "tcp", to.String())
	if (err == nil) != (f.do != nil) {
		w.Errorf("port %d: %v", f.port, err)
	}
	p := []byte("hello")
	if err == nil {
		defer c.Close()
		if _, err = c.Write(p); err == nil {
			_, err = io.ReadFull(c, p)
		}
		if err != nil {
			w.Errorf("port %d: %v", f.port, err)
		}
	}
	open.Done()
	if <-talk; f.do == nil || c == nil {
		return
	}
	if f.port == resets {
		c.Write(p[:1])
	}
	f.do(c.(*handfast.TCPConn))
}

// wantEnds hears how flows have ended, so many of each kind. A SYN that is repeated while a flow is
// refused may be a flow of its own.
func (w *world) wantEnds(ended <-chan gateway.End, each int) {
	w.Helper()
	type end struct {
		port uint16
		why  error
	}
	want := map[end]int{}
	for _, f := range socketFlows {
		want[end{f.port, f.want}] += each
	}
	other := map[string]int{}
	for len(want) > 0 {
		select {
		case e := <-ended:
			k := end{port: e.Flow.Destination.Port(), why: e.Err}
			for _, f := range socketFlows {
				if f.want != nil && errors.Is(e.Err, f.want) {
					k.why = f.want
				}
			}
			if want[k]--; want[k] == 0 {
				delete(want, k)
			} else if want[k] < 0 {
				delete(want, k)
				other[fmt.Sprint(k)]++
			}
		case <-time.After(time.Minute):
			w.Errorf("%v have not ended; besides %v", want, other)
			return
		}
	}
	if len(other) > 0 {
		w.Logf("besides: %v", other)
	}
}

// A hundred thousand sessions by sockets of this system go through the table; what it holds goes
// with the gateway, and those that wait have no room for what may come.
func TestManySessionsBySockets(t *testing.T) {
	n := many(100_000)
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	before := holds(t)
	limit := room(t, 4096)
	var told sync.WaitGroup
	told.Add(n)
	w := socketWorld(t, gateway.Config{
		MaxSessions: limit, Ended: func(gateway.End) { told.Done() },
		Policy: func(gateway.Flow) gateway.Route { return gateway.Route{Address: server.LocalAddr().String()} },
	})
	p := make([]byte, 100)
	for i := range n {
		c, err := w.client.Dial("udp", netip.AddrPortFrom(netip.MustParseAddr(serverIP), uint16(1+i%65535)).String())
		if err == nil {
			_, err = c.Write([]byte("hello"))
		}
		if err != nil {
			t.Fatal(i, err)
		}
		server.SetReadDeadline(time.Now().Add(time.Minute))
		m, from, err := server.ReadFromUDP(p)
		if err != nil || string(p[:m]) != "hello" {
			t.Fatalf("session %d: %q, %v", i, p[:m], err)
		}
		if i%100 == 0 { // and there is a way back
			if _, err := server.WriteToUDP([]byte("you too"), from); err != nil {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(time.Minute))
			if m, err := c.Read(p); err != nil || string(p[:m]) != "you too" {
				t.Fatalf("session %d: %q, %v", i, p[:m], err)
			}
		}
		c.Close()
		if s := w.gateway.Stats().Sessions; s > limit {
			t.Fatalf("%d sessions, at most %d", s, limit)
		}
	}
	full := holds(t)
	t.Logf("at the end: %+v", full)
	if each := (full.heap - min(before.heap, full.heap)) / uint64(limit); each > 24<<10 {
		t.Errorf("%d bytes for each of %d sessions that wait", each, limit)
	}
	w.end()
	told.Wait()
	wantNothingLeft(t, before, n)
}
