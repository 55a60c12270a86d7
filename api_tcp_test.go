//go:build linux

package handfast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var errOfOurs = errors.New("an error of the test's own")

type failing struct{}

func (failing) Read([]byte) (int, error)    { return 0, errOfOurs }
func (failing) Write(p []byte) (int, error) { return len(p) / 2, errOfOurs }

var tcpScripts = []script{
	{name: "empty buffers", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.do("Read nil, nothing there", read(c, -1))
		w.do("Read empty, nothing there", read(c, 0))
		w.do("Write nil", func() (any, error) { return c.Write(nil) })
		w.do("Write empty", write(c, ""))
		w.do("data", write(s, "x"))
		awaitReadable(t, c)
		w.do("Read nil, data there", read(c, -1))
		w.do("Read one", read(c, 1))
		w.do("end", errorOf(s.CloseWrite))
		awaitReadable(t, c)
		w.do("Read nil at the end", read(c, -1))
		w.do("Read one at the end", read(c, 1))
		w.do("Write nil after CloseWrite", func() (any, error) { return s.Write(nil) })
		w.do("Read larger than what is there", func() (any, error) { write(c, "abc")(); return read(s, 100)() })
		w.do("ReadFrom nothing", func() (any, error) { return c.ReadFrom(strings.NewReader("")) })
		w.do("WriteTo at the end", func() (any, error) { return c.WriteTo(io.Discard) })
	}},
	{name: "deadlines that move", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		past, far := time.Unix(1, 0), time.Now().Add(time.Hour)
		w.waits("Read, deadline moved into the past", read(c, 1), func() { c.SetReadDeadline(past) })
		w.do("Read, still past", read(c, 1))
		w.do("Write, read deadline past", write(c, "x"))
		w.do("deadline far", errorOf(func() error { return c.SetReadDeadline(far) }))
		w.waits("Read, deadline far, data", read(c, 1), func() { s.Write([]byte("y")) })
		w.waits("Read, both deadlines moved", read(c, 1), func() { c.SetDeadline(past) })
		w.do("no deadline", errorOf(func() error { return c.SetDeadline(time.Time{}) }))
		w.waits("Read, peer closes", read(c, 1), func() { s.Close() })
		w.do("deadline past at the end", errorOf(func() error { return c.SetReadDeadline(past) }))
		w.do("Read at the end, deadline past", read(c, 1))
		w.do("WriteTo, deadline past", func() (any, error) { return c.WriteTo(io.Discard) })
		w.do("write deadline past", errorOf(func() error { return c.SetWriteDeadline(past) }))
		w.do("Write, deadline past", write(c, "x"))
		w.do("Write nothing, deadline past", write(c, ""))
		w.do("ReadFrom, deadline past", func() (any, error) { return c.ReadFrom(strings.NewReader("x")) })
		w.do("CloseWrite, deadline past", errorOf(c.CloseWrite))
		w.do("Close, deadline past", errorOf(c.Close))
		w.do("SetDeadline after Close", errorOf(func() error { return c.SetDeadline(past) }))
	}},
	{name: "full buffers", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		big := make([]byte, 64<<20)
		some := func() (any, error) {
			n, err := c.Write(big)
			return n > 0 && n < len(big), err
		}
		// Something has arrived, so something was written.
		w.waits("Write until the deadline", some, func() { awaitReadable(t, s); c.SetWriteDeadline(time.Unix(1, 0)) })
		w.do("Write, deadline past", write(c, "x"))
		w.do("no deadline", errorOf(func() error { return c.SetWriteDeadline(time.Time{}) }))
		w.waits("Write until the peer reads", func() (any, error) { return c.Write(big) }, func() { go io.Copy(io.Discard, s) })
		w.do("Close", errorOf(c.Close))
		c, s = w.pair(t)
		w.waits("Write until CloseWrite", some, func() { awaitReadable(t, s); c.CloseWrite() })
		w.do("Write after CloseWrite", write(c, "x"))
	}},
	{name: "full buffers, then closed", run: func(t *testing.T, w *world) {
		c, _ := w.pair(t)
		big := make([]byte, 64<<20)
		w.waits("Write until Close", func() (any, error) { _, err := c.Write(big); return nil, err }, func() { c.Close() })
		w.do("Close again", errorOf(c.Close))
		c, s := w.pair(t)
		// Which of the two the kernel says depends on when the reset comes.
		w.waits("Write until a reset", func() (any, error) {
			_, err := c.Write(big)
			return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE), nil
		}, func() { awaitReadable(t, s); s.Close() })
		w.do("Write after that", write(c, "x"))
	}},
	{name: "closes while blocked", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.waits("Read, CloseRead", read(c, 1), func() { c.CloseRead() })
		w.do("Read after that", read(c, 1))
		w.do("CloseRead again", errorOf(c.CloseRead))
		w.do("Write after CloseRead", write(c, "x"))
		w.waits("Read of the other, CloseWrite", func() (any, error) { return io.ReadAll(s) }, func() { c.CloseWrite() })
		w.do("CloseWrite again", errorOf(c.CloseWrite))
		w.do("Write after CloseWrite", write(c, "x"))
		w.do("Write of the other", write(s, "y"))
		w.do("Close", errorOf(c.Close))
		c, s = w.pair(t)
		w.waits("Read, Close", read(c, 1), func() { c.Close() })
		w.do("WriteTo after the other's Close", func() (any, error) { return s.WriteTo(io.Discard) })
		c, s = w.pair(t)
		w.waits("Read, reset", read(c, 1), func() { s.SetLinger(0); s.Close() })
		w.do("Write after the reset", write(c, "x"))
		w.do("Read after the reset", read(c, 1))
		w.do("CloseWrite after the reset", errorOf(c.CloseWrite))
		w.do("SetNoDelay after the reset", errorOf(func() error { return c.SetNoDelay(true) }))
		w.do("Close after the reset", errorOf(c.Close))
	}, differ: map[string]difference{
		"Read after the reset": {"EOF", "connection reset", "no Read may take a stream that was cut for a whole one"},
	}},
	{name: "addresses", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		mirrored := func() (any, error) {
			return c.LocalAddr().String() == s.RemoteAddr().String() && c.RemoteAddr().String() == s.LocalAddr().String(), nil
		}
		w.do("mirrored", mirrored)
		w.do("types", func() (any, error) { return fmt.Sprintf("%T %T", c.LocalAddr(), s.RemoteAddr()), nil })
		w.do("network", func() (any, error) { return c.LocalAddr().Network(), nil })
		c.Close()
		s.Close()
		w.do("mirrored after Close", mirrored)
		l, err := w.listen("tcp", w.local+":0")
		w.do("Listen", errorOf(func() error { return err }))
		before := l.Addr().String()
		l.Close()
		w.do("Addr after Close", func() (any, error) { return l.Addr().String() == before, nil })
	}},
	{name: "options", run: func(t *testing.T, w *world) {
		c, _ := w.pair(t)
		for _, n := range []int{-1, 0, 1, 1 << 20, 1 << 30} {
			w.do(fmt.Sprint("SetReadBuffer ", n), errorOf(func() error { return c.SetReadBuffer(n) }))
			w.do(fmt.Sprint("SetWriteBuffer ", n), errorOf(func() error { return c.SetWriteBuffer(n) }))
		}
		for _, n := range []int{-1, 0, 5, 1 << 20} {
			w.do(fmt.Sprint("SetLinger ", n), errorOf(func() error { return c.SetLinger(n) }))
		}
		for _, d := range []time.Duration{-1, 0, 1, time.Second, 32767 * time.Second, 32768 * time.Second, 1<<63 - 1} {
			w.do(fmt.Sprint("SetKeepAlivePeriod ", d), errorOf(func() error { return c.SetKeepAlivePeriod(d) }))
			w.do(fmt.Sprint("Interval ", d), errorOf(func() error { return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Interval: d}) }))
		}
		for _, n := range []int{-1, 0, 1, 127, 128, 1 << 20} {
			w.do(fmt.Sprint("Count ", n), errorOf(func() error { return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Count: n}) }))
		}
		w.do("SetKeepAlive", errorOf(func() error { return c.SetKeepAlive(false) }))
		w.do("MultipathTCP", func() (any, error) { return c.MultipathTCP() })
		c.Close()
		w.do("MultipathTCP after Close", func() (any, error) { return c.MultipathTCP() })
	}, differ: map[string]difference{
		"MultipathTCP after Close": {"true", "false", "a connection that is closed is none of Multipath TCP either"},
	}},
	{name: "copies that fail", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.do("ReadFrom what fails", func() (any, error) { return c.ReadFrom(failing{}) })
		w.do("ReadFrom what fails late", func() (any, error) {
			return c.ReadFrom(io.MultiReader(strings.NewReader("four"), failing{}))
		})
		w.do("what came", read(s, 4))
		w.do("data", write(c, "four"))
		w.do("WriteTo what fails", func() (any, error) { return s.WriteTo(failing{}) })
		w.do("io.Copy from what fails", func() (any, error) { return io.Copy(c, failing{}) })
		w.do("CloseWrite", errorOf(c.CloseWrite))
		w.do("ReadFrom after CloseWrite", func() (any, error) { return c.ReadFrom(strings.NewReader("x")) })
		w.do("net.Buffers after CloseWrite", func() (any, error) { v := net.Buffers{[]byte("x")}; return v.WriteTo(c) })
	}, differ: map[string]difference{
		"net.Buffers after CloseWrite": {"writev", "write", "net.Buffers does not know our connections and calls Write"},
	}},
	{name: "the peer is gone", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.do("Close of the peer", errorOf(s.Close))
		awaitReadable(t, c)
		w.do("first Write", write(c, "x"))
		w.do("a later Write", func() (any, error) { return nil, untilFails(c) })
		w.do("Write after that", write(c, "x"))
		w.do("Read", read(c, 1))
		w.do("CloseWrite", errorOf(c.CloseWrite))
		w.do("Close", errorOf(c.Close))
	}},
	{name: "linger", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.do("SetLinger 10", errorOf(func() error { return c.SetLinger(10) }))
		w.do("data", write(c, "x"))
		w.do("Close", errorOf(c.Close))
		w.do("what came", func() (any, error) { p, err := io.ReadAll(s); return string(p), err })
		c, s = w.pair(t)
		w.do("data, then reset", write(c, "x"))
		awaitReadable(t, s)
		w.do("SetLinger 0", errorOf(func() error { return c.SetLinger(0) }))
		w.do("Close with it", errorOf(c.Close))
		w.do("Read, first", read(s, 1))
	}},
	{name: "CloseRead with data", run: func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.do("data", write(s, "x"))
		awaitReadable(t, c)
		w.do("CloseRead", errorOf(c.CloseRead))
		w.do("Read what was there", read(c, 1))
		w.do("Read the end", read(c, 1))
		w.do("more data", write(s, "y"))
		w.do("Close", errorOf(c.Close))
	}},
	{name: "many closes at once", run: func(t *testing.T, w *world) {
		c, _ := w.pair(t)
		w.do("Close, eight times at once", func() (any, error) { return closeAtOnce(c), nil })
		l, err := w.listen("tcp", w.local+":0")
		w.do("Listen", errorOf(func() error { return err }))
		w.do("Close of the listener, eight times at once", func() (any, error) { return closeAtOnce(l), nil })
		u, err := w.packet("udp", w.local+":0")
		w.do("ListenPacket", errorOf(func() error { return err }))
		w.do("Close of the socket, eight times at once", func() (any, error) { return closeAtOnce(u), nil })
	}},
	{name: "accept", run: func(t *testing.T, w *world) {
		l, err := w.listen("tcp", w.local+":0")
		w.do("Listen", errorOf(func() error { return err }))
		accept := func() (any, error) {
			c, err := l.Accept()
			return c != nil, err
		}
		deadline := l.(interface{ SetDeadline(time.Time) error })
		w.waits("Accept, deadline moved", accept, func() { deadline.SetDeadline(time.Unix(1, 0)) })
		w.do("no deadline", errorOf(func() error { return deadline.SetDeadline(time.Time{}) }))
		w.waits("Accept", accept, func() { w.dial(t.Context(), "tcp", l.Addr().String()) })
		c, err := w.dial(t.Context(), "tcp", l.Addr().String())
		w.do("Dial", errorOf(func() error { return err }))
		w.do("deadline past", errorOf(func() error { return deadline.SetDeadline(time.Unix(1, 0)) }))
		w.do("Accept, one waits, deadline past", accept)
		w.waits("Read of what nobody accepts", read(c, 1), func() { l.Close() })
		w.do("Accept after Close", accept)
		w.do("Close again", errorOf(l.Close))
		w.do("SetDeadline after Close", errorOf(func() error { return deadline.SetDeadline(time.Unix(1, 0)) }))
	}},
	{name: "dials", run: func(t *testing.T, w *world) {
		l, err := w.listen("tcp", w.local+":0")
		w.do("Listen", errorOf(func() error { return err }))
		at := l.Addr().String()
		dial := func(d net.Dialer, network, address string) func() (any, error) {
			return func() (any, error) {
				c, err := w.dialer(d)(t.Context(), network, address)
				if c != nil {
					c.Close()
				}
				return c != nil, err
			}
		}
		for _, network := range []string{"tcp", "tcp4", "tcp6", "TCP", "tcp7", "ip", ""} {
			w.do("network "+network, dial(net.Dialer{}, network, at))
		}
		for _, address := range []string{"", ":", w.local, w.local + ":", w.local + ":x y", w.local + ":-1", w.local + ":65536", "::1:80", "[::1", "[fd00::9]", "1.2.3:80"} {
			w.do("address "+text(errors.New(address)), dial(net.Dialer{}, "tcp", address))
		}
		w.do("Timeout below zero", dial(net.Dialer{Timeout: -1}, "tcp", at))
		w.do("Deadline past", dial(net.Dialer{Deadline: time.Unix(1, 0)}, "tcp", at))
		w.do("a foreign LocalAddr", dial(net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(w.foreign)}}, "tcp", at))
		w.do("LocalAddr of a file", dial(net.Dialer{LocalAddr: &net.UnixAddr{Name: "/x", Net: "unixgram"}}, "tcp", at))
		w.do("LocalAddr of IP", dial(net.Dialer{LocalAddr: &net.IPAddr{}}, "tcp", at))
		w.do("LocalAddr of UDP", dial(net.Dialer{LocalAddr: &net.UDPAddr{}}, "tcp", at))
		w.do("LocalAddr of the other family", dial(net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("fd00::1")}}, "tcp", at))
		w.do("no LocalAddr to speak of", dial(net.Dialer{LocalAddr: &net.TCPAddr{}}, "tcp", at))
		w.do("Control refuses", dial(net.Dialer{Control: func(network, _ string, _ syscall.RawConn) error {
			return fmt.Errorf("%s: %w", network, errOfOurs)
		}}, "tcp", at))
		w.do("Close", errorOf(l.Close))
		w.do("refused", dial(net.Dialer{}, "tcp", at))
	}, differ: map[string]difference{
		"network ip":       {"unknown network ip", "ip4:icmp and ip6:ipv6-icmp are for pings", "it says which networks of IP there are"},
		"address :":        {"dial tcp :0", "dial tcp A", "the address is that of the host, which is tried"},
		"address 1.2.3:80": {"lookup", "not a numeric address", "there is no name service without a Resolver"},
	}},
	{name: "dials that wait", run: func(t *testing.T, w *world) {
		at := w.blackhole(t)
		dial := func(ctx context.Context) func() (any, error) {
			return func() (any, error) { return w.dial(ctx, "tcp", at) }
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.waits("cancelled", dial(ctx), cancel)
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		w.do("deadline of the context", timedOut(dial(ctx)))
		w.do("Timeout", timedOut(func() (any, error) {
			return w.dialer(net.Dialer{Timeout: 50 * time.Millisecond})(t.Context(), "tcp", at)
		}))
		ctx, stop := context.WithCancelCause(t.Context())
		w.waits("cancelled with a cause", dial(ctx), func() { stop(errOfOurs) })
	}},
	{name: "listens", run: func(t *testing.T, w *world) {
		for _, address := range []string{"", ":", w.local, w.local + ":x y", w.local + ":-1", w.local + ":65536", "::1:80", "[fd00::9]", w.foreign + ":0", "1.2.3:80"} {
			w.do("Listen at "+text(errors.New(address)), func() (any, error) {
				l, err := w.listen("tcp", address)
				if l != nil && err == nil {
					l.Close()
				}
				return nil, err
			})
			w.do("ListenPacket at "+text(errors.New(address)), func() (any, error) {
				u, err := w.packet("udp", address)
				if u != nil && err == nil {
					u.Close()
				}
				return nil, err
			})
		}
		for _, network := range []string{"tcp5", "udp", "TCP", ""} {
			w.do("Listen on "+network, func() (any, error) { _, err := w.listen(network, w.local+":0"); return nil, err })
		}
		for _, network := range []string{"udp5", "tcp", "UDP", ""} {
			w.do("ListenPacket on "+network, func() (any, error) { _, err := w.packet(network, w.local+":0"); return nil, err })
		}
	}, differ: map[string]difference{
		"Listen at 1.2.3:80":       {"lookup", "not a numeric address", "there is no name service without a Resolver"},
		"ListenPacket at 1.2.3:80": {"lookup", "not a numeric address", "there is no name service without a Resolver"},
		"Listen on udp":            {"unexpected address type", "unknown network", "the same in other words"},
		"ListenPacket on tcp":      {"unexpected address type", "unknown network", "the same in other words"},
	}},
}

// timedOut looks at what is sure of a dial's timeout: whether it is a
// context.DeadlineExceeded or an os.ErrDeadlineExceeded hangs on a race in
// package net. Ours is the first.
func timedOut(dial func() (any, error)) func() (any, error) {
	return func() (any, error) {
		_, err := dial()
		var timeout net.Error
		return errors.As(err, &timeout) && timeout.Timeout() && text(err) == "dial tcp A: i/o timeout", nil
	}
}

// untilFails writes until that fails: a peer that is gone says so a moment
// later.
func untilFails(c net.Conn) error {
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
	}
}

// closeAtOnce closes c eight times at once, and returns what that gave.
func closeAtOnce(c io.Closer) (all []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := c.Close()
			mu.Lock()
			defer mu.Unlock()
			all = append(all, identity(err))
		})
	}
	wg.Wait()
	slices.Sort(all)
	return all
}
