package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// sniffer follows what passes the loopback device of the tests' namespace.
type sniffer struct {
	fd      int
	mu      sync.Mutex
	packets int
	tracker *capture.Tracker
	ended   []*capture.Conn
	done    chan struct{}
}

func sniffLoopback(t *testing.T) *sniffer {
	t.Helper()
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8&0xff00 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	if err != nil {
		t.Skipf("no packet socket: %v", err)
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: lo.Index}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}); err != nil {
		t.Fatal(err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) // other tests use the device, too
	s := &sniffer{fd: fd, done: make(chan struct{})}
	s.tracker = capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) { s.ended = append(s.ended, c) }})
	return s
}

// read takes packets until stop is closed and nothing more comes.
func (s *sniffer) read(stop <-chan struct{}) {
	defer close(s.done)
	b := make([]byte, capture.MaxPacket)
	for {
		n, from, err := unix.Recvfrom(s.fd, b, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			select {
			case <-stop:
				return
			default:
				continue
			}
		}
		if l, ok := from.(*unix.SockaddrLinklayer); !ok || l.Pkttype == unix.PACKET_OUTGOING {
			continue // each packet passes twice
		}
		s.mu.Lock()
		s.packets++
		s.tracker.Packet(&capture.Packet{Number: s.packets, Time: clock.Time(time.Now().UnixNano()), Link: capture.LinkEthernet, Data: b[:n], Size: n})
		s.mu.Unlock()
	}
}

// death is a way in which a connection between two kernels ends.
type death struct {
	name   string
	cause  capture.Cause
	by     int
	client func(c *net.TCPConn)
	server func(c *net.TCPConn)
}

func write(text string) func(c *net.TCPConn) {
	return func(c *net.TCPConn) { _, _ = io.WriteString(c, text) }
}

func closeIt(c *net.TCPConn) { c.Close() }

// readAll reads until the peer has closed.
func readAll(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	c.Close()
}

func inTurn(all ...func(c *net.TCPConn)) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		for _, f := range all {
			f(c)
		}
	}
}

// unread waits until the peer's text has come, and does not read it.
func unread(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		return n > 0 || err != syscall.EAGAIN
	})
}

var deaths = []death{
	{"the client closes first", capture.Closed, capture.Client, inTurn(write("hello"), closeIt), inTurn(readAll, closeIt)},
	{"the server closes first", capture.Closed, capture.Server, inTurn(readAll, closeIt), inTurn(write("hello"), closeIt)},
	{"half-closed, then answered", capture.Closed, capture.Client,
		inTurn(write("question"), func(c *net.TCPConn) { _ = c.CloseWrite() }, readAll, closeIt), inTurn(readAll, write("answer"), closeIt)},
	{"the client aborts", capture.ResetByClient, capture.Client, inTurn(readOne, write("hello"), abort), inTurn(write("x"), readAll, closeIt)},
	{"the server aborts", capture.ResetByServer, capture.Server, inTurn(readOne, readAll, closeIt), inTurn(write("x"), abort)},
	{"closed by the server with text unread", capture.AbortedUnread, capture.Server, inTurn(write("hello"), readAll, closeIt), inTurn(unread, closeIt)},
	{"closed by the client with text unread", capture.AbortedUnread, capture.Client, inTurn(unread, closeIt), inTurn(write("hello"), readAll, closeIt)},
	{"nobody closes", capture.OpenAtEnd, capture.Client, inTurn(write("hello"), readOne), inTurn(readOne, write("x"))},
	{"the server does not read", capture.StalledWindow, capture.Server, fill, func(*net.TCPConn) {}},
}

func readOne(c *net.TCPConn) {
	var b [16]byte
	_, _ = c.Read(b[:1])
	_ = c.SetReadDeadline(time.Now()) // and what came with it
	_, _ = c.Read(b[:])
	_ = c.SetReadDeadline(time.Time{})
}

// fill writes until nothing is taken any more.
func fill(c *net.TCPConn) {
	_ = c.SetWriteBuffer(1 << 16)
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	b := make([]byte, 1<<16)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// Of connections between two kernels that end in many ways, each way is told, and none of
// those that end well is called sick.
func TestDeathsBetweenKernels(t *testing.T) {
	s := sniffLoopback(t)
	defer unix.Close(s.fd)
	stop := make(chan struct{})
	go s.read(stop)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	want := map[uint16]death{}
	var held []net.Conn
	for _, d := range deaths {
		port, conns := d.play(t, ln)
		want[port] = d
		held = append(held, conns...)
	}
	refused := refusedPort(t)
	s.await(t, func() bool { return s.stalled(want) })
	close(stop)
	<-s.done
	s.tracker.Finish()
	for _, c := range held {
		c.Close()
	}
	seen := 0
	for _, c := range s.ended {
		if c.Tuple.RemotePort == refused {
			seen++
			if c.Verdict.Cause != capture.Refused {
				t.Errorf("refused: %s", why(c, 0))
			}
		}
		d, ok := want[c.Tuple.LocalPort]
		if !ok || int(c.Tuple.RemotePort) != ln.Addr().(*net.TCPAddr).Port {
			continue
		}
		seen++
		if c.Verdict.Cause != d.cause || c.Verdict.By != d.by && d.cause != capture.OpenAtEnd {
			t.Errorf("%s: %s by side %d (%s), %s", d.name, c.Verdict.Cause, c.Verdict.By, c.History(), why(c, 0))
		}
	}
	if seen != len(deaths)+1 {
		t.Errorf("of %d connections %d were captured", len(deaths)+1, seen)
	}
}

// play has a connection live and die, and returns the client's port and what has to stay
// open.
func (d *death) play(t *testing.T, ln net.Listener) (port uint16, held []net.Conn) {
	t.Helper()
	client, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Go(func() { d.client(client.(*net.TCPConn)) })
	both.Go(func() { d.server(server.(*net.TCPConn)) })
	both.Wait()
	return uint16(client.LocalAddr().(*net.TCPAddr).Port), []net.Conn{client, server}
}

// refusedPort asks for a port that nobody listens on.
func refusedPort(t *testing.T) uint16 {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	if _, err := net.Dial("tcp4", ln.Addr().String()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Skipf("port %d: %v", port, err)
	}
	return uint16(port)
}

// await waits for what the capture must show.
func (s *sniffer) await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(untilLimit); ; time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		ok := done()
		s.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the window's probe was not captured")
		}
	}
}

// stalled reports whether the window that stays shut has been probed.
func (s *sniffer) stalled(want map[uint16]death) bool {
	return s.tracker.Any(func(c *capture.Conn) bool {
		return want[c.Tuple.LocalPort].cause == capture.StalledWindow && c.Sides[capture.Client].WindowProbes+c.Sides[capture.Client].KeepAlives > 0
	})
}
