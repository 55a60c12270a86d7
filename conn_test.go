package handfast_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/link/impair"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// random returns n bytes that do not repeat.
func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// links are the kinds of pipe that data is sent over.
var links = map[string]pipe.Options{
	"plain":    {},
	"ethernet": {Medium: 1},
	"small":    {MTU: 576},
	"offload":  {MaxGSO: 65535, ChecksumOffload: true},
}

// shuttles are the ways to send and to receive.
var shuttles = map[string]struct {
	send    func(c *handfast.TCPConn, p []byte) error
	receive func(c *handfast.TCPConn) ([]byte, error)
}{
	"one Write, small Reads": {
		func(c *handfast.TCPConn, p []byte) error { _, err := c.Write(p); return err },
		func(c *handfast.TCPConn) ([]byte, error) { return io.ReadAll(onlyReader{c}) },
	},
	"small Writes, large Reads": {
		func(c *handfast.TCPConn, p []byte) error {
			_, err := io.CopyBuffer(onlyWriter{c}, onlyReader{bytes.NewReader(p)}, make([]byte, 777))
			return err
		},
		func(c *handfast.TCPConn) ([]byte, error) {
			var b bytes.Buffer
			_, err := io.CopyBuffer(onlyWriter{&b}, onlyReader{c}, make([]byte, 1<<20))
			return b.Bytes(), err
		},
	},
	"ReadFrom and WriteTo": {
		func(c *handfast.TCPConn, p []byte) error { _, err := c.ReadFrom(bytes.NewReader(p)); return err },
		func(c *handfast.TCPConn) ([]byte, error) {
			var b bytes.Buffer
			_, err := c.WriteTo(&b)
			return b.Bytes(), err
		},
	},
	"ReadFrom a slow source": {
		func(c *handfast.TCPConn, p []byte) error {
			_, err := c.ReadFrom(iotest.HalfReader(bytes.NewReader(p)))
			return err
		},
		func(c *handfast.TCPConn) ([]byte, error) { return io.ReadAll(c) },
	},
}

type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

func TestBytesArrive(t *testing.T) {
	for kind, o := range links {
		for how, s := range shuttles {
			t.Run(kind+"/"+strings.ReplaceAll(how, " ", "-"), func(t *testing.T) {
				client, server := newConns(t, handfast.Config{}, o)
				data := random(2<<20 + 17)
				sent := make(chan error, 1)
				go func() {
					sent <- errors.Join(s.send(client, data), client.CloseWrite())
				}()
				got, err := s.receive(server)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("received %d bytes of %d, right or wrong, and %v", len(got), len(data), err)
				}
				if err := <-sent; err != nil {
					t.Error("sending:", err)
				}
			})
		}
	}
}

func TestIPv6(t *testing.T) {
	from, to := newNet(t, handfast.Config{}, pipe.Options{})
	client, server := connect(t, from, listen(t, to, "[fd00::2]:80"))
	if got := client.RemoteAddr().String(); got != "[fd00::2]:80" {
		t.Error("RemoteAddr:", got)
	}
	if client.LocalAddr().String() != server.RemoteAddr().String() {
		t.Errorf("client is %v, the server says %v", client.LocalAddr(), server.RemoteAddr())
	}
	io.WriteString(client, "six")
	client.Close()
	if got, err := io.ReadAll(server); string(got) != "six" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// Each Write is one piece of the stream, whoever else writes.
func TestWritesDoNotMix(t *testing.T) {
	client, server := newConns(t, handfast.Config{}, pipe.Options{})
	const writers, size = 8, 300 << 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			if _, err := client.Write(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
				t.Error(err)
			}
		})
	}
	got := make([]byte, size)
	for range writers {
		if _, err := io.ReadFull(server, got); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(got, got[:1]); n != size {
			t.Errorf("%d of %d bytes are of the same Write", n, size)
		}
	}
	wg.Wait()
}

func TestHalfClose(t *testing.T) {
	client, server := newConns(t, handfast.Config{}, pipe.Options{})
	io.WriteString(client, "question")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server); string(got) != "question" || err != nil {
		t.Errorf("server got %q, %v", got, err)
	}
	io.WriteString(server, "answer")
	server.Close()
	if got, err := io.ReadAll(client); string(got) != "answer" || err != nil {
		t.Errorf("client got %q, %v", got, err)
	}
}

// Bytes that were written before Close arrive, however full the buffers were.
func TestCloseLosesNothing(t *testing.T) {
	client, server := newConns(t, handfast.Config{}, pipe.Options{})
	data := random(600 << 10)
	if _, err := client.Write(data); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if got, err := io.ReadAll(server); !bytes.Equal(got, data) || err != nil {
		t.Errorf("got %d bytes of %d, %v", len(got), len(data), err)
	}
}

func TestLingerZeroResets(t *testing.T) {
	client, server := newConns(t, handfast.Config{}, pipe.Options{})
	client.SetLinger(0)
	client.Close()
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error("server's Read:", err)
	}
}

// The kernel of the peer acknowledges what nobody reads, so Close comes back
// as soon as that is done.
func TestLingerWaitsForAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newConns(t, handfast.Config{}, pipe.Options{})
		client.SetLinger(10)
		client.Write(random(100 << 10))
		start := time.Now()
		client.Close()
		if d := time.Since(start); d != 0 { // the peer has it at once, and no timer has to fire for us to see that
			t.Error("Close took", d)
		}
		if got, err := io.ReadAll(server); len(got) != 100<<10 || err != nil {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
}

// What Close waits for is the ACK of the end of the stream, too, with nothing else on its way.
func TestLingerWaitsForAckOfEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New(pipe.Options{})
		slow := netem.Config{Delay: 50 * time.Millisecond}
		wire, err := impair.New(a, impair.Options{In: slow, Out: slow})
		if err != nil {
			t.Fatal(err)
		}
		client := newTestHost(t, handfast.Config{}, wire, clientIP+"/24")
		server := newTestHost(t, handfast.Config{}, b, serverIP+"/24")
		c, s := connect(t, client, listen(t, server, serverIP+":80"))
		time.Sleep(time.Second)
		c.SetLinger(10)
		start := time.Now()
		c.Close()
		if d := time.Since(start); d < 100*time.Millisecond || d > 200*time.Millisecond {
			t.Error("Close took", d, "on a way of 100 ms")
		}
		s.Close()
	})
}

// What came before a reset is read first.
func TestBytesBeforeReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newConns(t, handfast.Config{}, pipe.Options{})
		client.Write([]byte("all that there was"))
		synctest.Wait()
		client.SetLinger(0)
		client.Close()
		synctest.Wait()
		b := make([]byte, 100)
		if n, err := server.Read(b); string(b[:n]) != "all that there was" || err != nil {
			t.Errorf("read %q, %v", b[:n], err)
		}
		if n, err := server.Read(b); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("then %d bytes, %v", n, err)
		}
	})
}

// A peer whose window is closed does not acknowledge: Close waits as long as
// it was told to, and the bytes arrive all the same.
func TestLingerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newConns(t, handfast.Config{TCP: tcp.Config{ReceiveBuffer: 64 << 10}}, pipe.Options{})
		client.SetLinger(3)
		client.Write(random(500 << 10))
		start := time.Now()
		client.Close()
		if d := time.Since(start); d != 3*time.Second {
			t.Error("Close took", d)
		}
		if got, err := io.ReadAll(server); len(got) != 500<<10 || err != nil {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	read := func(c *handfast.TCPConn) error { _, err := c.Read(make([]byte, 1)); return err }
	write := func(c *handfast.TCPConn) error { _, err := c.Write(make([]byte, 3<<20)); return err }
	for _, test := range []struct {
		name string
		call func(*handfast.TCPConn) error
		set  func(*handfast.TCPConn, time.Time) error
	}{
		{"Read", read, (*handfast.TCPConn).SetReadDeadline},
		{"Read, both", read, (*handfast.TCPConn).SetDeadline},
		{"Write", write, (*handfast.TCPConn).SetWriteDeadline},
		{"Write, both", write, (*handfast.TCPConn).SetDeadline},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Run("past", func(t *testing.T) { testDeadline(t, test.call, test.set, -time.Hour, 0) })
			t.Run("now", func(t *testing.T) { testDeadline(t, test.call, test.set, 0, 0) })
			t.Run("ahead", func(t *testing.T) { testDeadline(t, test.call, test.set, time.Second, time.Second) })
			t.Run("moved", func(t *testing.T) { testMovedDeadline(t, test.call, test.set) })
		})
	}
}

// testDeadline calls with a deadline after d and wants the failure after want;
// then it goes on without.
func testDeadline(t *testing.T, call func(*handfast.TCPConn) error, set func(*handfast.TCPConn, time.Time) error, d, want time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newConns(t, handfast.Config{}, pipe.Options{})
		start := time.Now()
		set(client, start.Add(d))
		err := call(client)
		wantTimeout(t, err, time.Since(start), want)
		set(client, time.Time{})
		go func() {
			io.WriteString(server, "x")
			io.Copy(io.Discard, server)
		}()
		if err := call(client); err != nil {
			t.Error("without deadline:", err)
		}
	})
}

// testMovedDeadline moves the deadline while the call is blocked: later, then
// sooner.
func testMovedDeadline(t *testing.T, call func(*handfast.TCPConn) error, set func(*handfast.TCPConn, time.Time) error) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newConns(t, handfast.Config{}, pipe.Options{})
		start := time.Now()
		set(client, start.Add(time.Second))
		done := make(chan error)
		go func() { done <- call(client) }()
		synctest.Wait()
		set(client, start.Add(time.Minute))
		synctest.Wait()
		set(client, start.Add(5*time.Second))
		err := <-done
		wantTimeout(t, err, time.Since(start), 5*time.Second)
	})
}

func wantTimeout(t *testing.T, err error, took, want time.Duration) {
	t.Helper()
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v", err)
	}
	if took != want {
		t.Errorf("failed after %v, want %v", took, want)
	}
}

// With keep-alive on, as it is by default, a peer that has vanished is noticed.
func TestKeepAlive(t *testing.T) {
	for _, test := range []struct {
		name   string
		config net.KeepAliveConfig
		want   time.Duration
	}{
		{"default", net.KeepAliveConfig{Enable: true}, (15 + 9*15) * time.Second},
		{"config", net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 5 * time.Second, Count: 3}, 75 * time.Second},
		{"unchanged", net.KeepAliveConfig{Enable: true, Idle: -1, Interval: 2 * time.Second, Count: -1}, (15 + 9*2) * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, vanish := newConnToVanish(t)
				client.SetKeepAliveConfig(test.config)
				start := time.Now()
				vanish()
				_, err := client.Read(make([]byte, 1))
				if !errors.Is(err, syscall.ETIMEDOUT) {
					t.Error("Read:", err)
				}
				if took := time.Since(start); took < test.want-time.Second || took > test.want+time.Second {
					t.Errorf("after %v, want %v", took, test.want)
				}
			})
		})
	}
}

// newConnToVanish returns a connection to a host that vanishes silently when
// vanish is called.
func newConnToVanish(t *testing.T) (c *handfast.TCPConn, vanish func()) {
	a, b := pipe.New(pipe.Options{})
	client := newTestHost(t, handfast.Config{}, a, clientIP+"/24")
	server := newTestHost(t, handfast.Config{}, b, serverIP+"/24")
	c, _ = connect(t, client, listen(t, server, ":80"))
	return c, func() { b.Close() }
}

// io.Copy from one of our connections to another goes by ReadFrom and WriteTo.
func TestProxy(t *testing.T) {
	from, to := newNet(t, handfast.Config{}, pipe.Options{})
	l := listen(t, to, ":80")
	in, inFar := connect(t, from, l)
	out, outFar := connect(t, from, l)
	go func() {
		io.Copy(outFar, inFar)
		outFar.CloseWrite()
	}()
	data := random(2 << 20)
	go func() {
		in.Write(data)
		in.CloseWrite()
	}()
	if got, err := io.ReadAll(out); !bytes.Equal(got, data) || err != nil {
		t.Errorf("got %d bytes of %d, %v", len(got), len(data), err)
	}
}

// brokenWriter takes less than it is given.
type brokenWriter struct{}

func (brokenWriter) Write(p []byte) (int, error) { return len(p) / 2, nil }

func TestWriteToShortWrite(t *testing.T) {
	client, server := newConns(t, handfast.Config{}, pipe.Options{})
	io.WriteString(client, "four")
	if n, err := server.WriteTo(brokenWriter{}); n != 2 || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("WriteTo returned %d, %v", n, err)
	}
}

func TestTraceTellsTheHandshake(t *testing.T) {
	var mu sync.Mutex
	states := map[tcp.State]bool{}
	cfg := handfast.Config{Trace: func(events []tcp.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			if e.Kind == tcp.StateChanged {
				states[e.State] = true
			}
		}
	}}
	client, server := newConns(t, cfg, pipe.Options{})
	client.Close()
	io.ReadAll(server)
	mu.Lock()
	defer mu.Unlock()
	for _, s := range []tcp.State{tcp.SynSent, tcp.SynReceived, tcp.Established, tcp.FinWait1, tcp.CloseWait} {
		if !states[s] {
			t.Errorf("no event for %v", s)
		}
	}
}

// A connection that nobody uses lives, by all defaults, as long as its peer
// answers; and when that falls silent it ends after 15 s and nine probes.
func TestIdleConnectionLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, cut := cuttablePair(t)
		l, err := b.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				io.Copy(io.Discard, c)
			}
		}()
		c, err := a.Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		c.SetReadDeadline(start.Add(6*time.Hour + time.Second))
		if _, err = c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("an idle connection ended after %v: %v", time.Since(start), err)
		}
		cut()
		start = time.Now()
		c.SetReadDeadline(time.Time{})
		_, err = c.Read(make([]byte, 1))
		if took := time.Since(start); !os.IsTimeout(err) || took < 9*15*time.Second || took > 10*15*time.Second {
			t.Errorf("a dead peer was noticed after %v: %v", took, err)
		}
		a.Close()
		b.Close()
	})
}

// cuttable is a link that can be cut: what is written to it is lost then.
type cuttable struct {
	*pipe.End
	off *atomic.Bool
}

func (c cuttable) Write(queue int, batch []*buf.Packet) error {
	if !c.off.Load() {
		return c.End.Write(queue, batch)
	}
	for _, p := range batch {
		p.Release()
	}
	return nil
}

// cuttablePair returns two hosts on a pipe, and how to cut it.
func cuttablePair(t *testing.T) (a, b *handfast.Host, cut func()) {
	t.Helper()
	la, lb := pipe.New(pipe.Options{})
	var hosts [2]*handfast.Host
	off := new(atomic.Bool)
	for i, end := range []*pipe.End{la, lb} {
		h, err := handfast.New(handfast.Config{})
		if err != nil {
			t.Fatal(err)
		}
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
		if err := h.Attach(cuttable{end, off}, handfast.LinkOptions{Addresses: []netip.Prefix{prefix}}); err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	return hosts[0], hosts[1], func() { off.Store(true) }
}
