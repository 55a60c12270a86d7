package main

import (
	"errors"
	"io"
	"net"
	"slices"
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
	// hear says how often a packet is known; -1 is once, and behind the next one. nil: once.
	hear  func(packet []byte) int
	ended []*capture.Conn
	done  chan struct{}
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
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 256<<20)   // megabytes pass, and other tests use the device, too
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) // each packet passes twice
	s := &sniffer{fd: fd, done: make(chan struct{})}
	s.tracker = capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) { s.ended = append(s.ended, c) }})
	return s
}

// read takes packets until stop is closed and nothing more comes.
func (s *sniffer) read(stop <-chan struct{}) {
	defer close(s.done)
	b := make([]byte, capture.MaxPacket)
	var held []byte
	for {
		n, from, err := unix.Recvfrom(s.fd, b, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			select {
			case <-stop:
				if len(held) > 0 {
					s.take(held)
				}
				return
			default:
				continue
			}
		}
		if l, ok := from.(*unix.SockaddrLinklayer); !ok || l.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		copies := 1
		if s.hear != nil {
			copies = s.hear(b[:n])
		}
		if copies < 0 {
			held = append(held[:0], b[:n]...)
			continue
		}
		for range copies {
			s.take(b[:n])
		}
		if len(held) > 0 {
			s.take(held)
			held = held[:0]
		}
	}
}

// lost is how many packets the kernel had no room for.
func (s *sniffer) lost() int {
	all, err := unix.GetsockoptTpacketStats(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return int(all.Drops)
}

func (s *sniffer) take(packet []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packets++
	s.tracker.Packet(&capture.Packet{Number: s.packets, Time: clock.Time(time.Now().UnixNano()), Link: capture.LinkEthernet, Data: packet, Size: len(packet)})
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
	{"the client aborts at once", capture.ResetByClient, capture.Client, abort, readAll},
	{"the server aborts at once", capture.ResetByServer, capture.Server, readAll, abort},
	{"the client aborts after an answer", capture.ResetByClient, capture.Client, inTurn(write("x"), readOne, write("z"), abort), inTurn(readOne, write("y"), readAll, closeIt)},
	{"the server aborts while it answers", capture.ResetByServer, capture.Server, inTurn(write("x"), readAll, closeIt), inTurn(readOne, write("y"), abort)},
	{"the server has gone deaf", capture.TimedOut, capture.Server, inTurn(write("x"), readOne, hear, write("yy")), inTurn(readOne, write("z"), sent, deaf(0), beckon)},
	{"large segments vanish", capture.BlackHole, capture.Server, inTurn(nodelay, write("x"), readOne, write(strings.Repeat("y", 8000)), write("small")), inTurn(readOne, deaf(1000), write("z"))},
	{"the server does not read", capture.StalledWindow, capture.Server, fill, func(*net.TCPConn) {}},
}

// healthy are connections of many kinds with which nothing is wrong.
var healthy = []death{
	{"empty, the client closes", capture.Closed, capture.Client, closeIt, inTurn(readAll, closeIt)},
	{"empty, the server closes", capture.Closed, capture.Server, inTurn(readAll, closeIt), closeIt},
	{"a megabyte up", capture.Closed, capture.Client, inTurn(bulk, closeIt), inTurn(readAll, closeIt)},
	{"a megabyte down", capture.Closed, capture.Server, inTurn(readAll, closeIt), inTurn(bulk, closeIt)},
	{"a megabyte each way", capture.Closed, capture.Client, inTurn(bulk, shut, readAll, closeIt), inTurn(readAll, bulk, closeIt)},
	{"questions and answers", capture.Closed, capture.Client, inTurn(talk(50, 100), closeIt), inTurn(readAndAnswer(50, 100), readAll, closeIt)},
	{"large questions", capture.Closed, capture.Client, inTurn(talk(5, 100_000), closeIt), inTurn(readAndAnswer(5, 100_000), readAll, closeIt)},
	{"without Nagle", capture.Closed, capture.Client, inTurn(nodelay, talk(50, 10), closeIt), inTurn(nodelay, readAndAnswer(50, 10), readAll, closeIt)},
	{"the server speaks first", capture.Closed, capture.Client, inTurn(readOne, talk(3, 100), closeIt), inTurn(write("!"), readAndAnswer(3, 100), readAll, closeIt)},
	{"the client half-closes", capture.Closed, capture.Client, inTurn(shut, readAll, closeIt), inTurn(readAll, bulk, closeIt)},
	{"the server half-closes", capture.Closed, capture.Server, inTurn(readAll, bulk, closeIt), inTurn(shut, readAll, closeIt)},
	{"a reader that is slow", capture.Closed, capture.Client, inTurn(write(strings.Repeat("y", 20_000)), closeIt), inTurn(small, slowly, readAll, closeIt)},
	{"close waits", capture.Closed, capture.Client, inTurn(linger, bulk, closeIt), inTurn(readAll, closeIt)},
	{"many small writes", capture.Closed, capture.Client, inTurn(nodelay, drip, closeIt), inTurn(readAll, closeIt)},
	{"kept alive, and open", capture.OpenAtEnd, capture.Client, inTurn(alive, write("x"), readOne), inTurn(alive, readOne, write("y"))},
	{"open, and silent", capture.OpenAtEnd, capture.Client, func(*net.TCPConn) {}, func(*net.TCPConn) {}},
	{"open after a megabyte", capture.OpenAtEnd, capture.Client, inTurn(bulk, readOne), inTurn(readExactly(1<<20), write("y"))},
}

// turn is between two programs of which one waits for the other.
var turn = make(chan struct{}, 1)

func beckon(*net.TCPConn) { turn <- struct{}{} }
func hear(*net.TCPConn)   { <-turn }

// sent waits until the peer has acknowledged all.
func sent(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	for left := 1; left > 0; time.Sleep(time.Millisecond) {
		_ = raw.Control(func(fd uintptr) {
			if left, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err != nil {
				left = 0
			}
		})
	}
}

func shut(c *net.TCPConn) { _ = c.CloseWrite() }

func nodelay(c *net.TCPConn) { _ = c.SetNoDelay(true) }

func small(c *net.TCPConn) { _ = c.SetReadBuffer(1 << 12) }

func linger(c *net.TCPConn) { _ = c.SetLinger(5) }

func alive(c *net.TCPConn) {
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 9})
}

func bulk(c *net.TCPConn) { _, _ = c.Write(make([]byte, 1<<20)) }

func drip(c *net.TCPConn) {
	for range 200 {
		_, _ = c.Write([]byte("x"))
	}
}

// slowly reads in pieces, between which the window shuts and opens.
func slowly(c *net.TCPConn) {
	for range 20 {
		readExactly(1000)(c)
	}
}

func readExactly(n int64) func(c *net.TCPConn) {
	return func(c *net.TCPConn) { _, _ = io.CopyN(io.Discard, c, n) }
}

func talk(turns, size int) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		for range turns {
			_, _ = c.Write(make([]byte, size))
			readExactly(int64(size))(c)
		}
	}
}

func readAndAnswer(turns, size int) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		for range turns {
			readExactly(int64(size))(c)
			_, _ = c.Write(make([]byte, size))
		}
	}
}

// deaf has the kernel drop the segments for a connection that are longer than so much:
// with 0 all of them.
func deaf(longer uint32) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		raw, err := c.SyscallConn()
		if err != nil {
			return
		}
		program := []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
			{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, Jf: 1, K: longer},
			{Code: unix.BPF_RET | unix.BPF_K},
			{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 20},
		}
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
		})
	}
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
	var all sync.WaitGroup
	lives := slices.Concat(deaths, healthy)
	if testing.Short() { // without those that need retransmissions, or megabytes
		lives = slices.DeleteFunc(slices.Clone(deaths), func(d death) bool { return d.cause == capture.TimedOut || d.cause == capture.BlackHole })
	}
	for _, d := range lives {
		client, server := d.open(t, ln)
		want[uint16(client.LocalAddr().(*net.TCPAddr).Port)] = d
		held = append(held, client, server)
		all.Go(func() { d.client(client) })
		all.Go(func() { d.server(server) })
	}
	all.Wait()
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
	if all := len(lives) + 1; seen != all {
		t.Errorf("of %d connections %d were captured", all, seen)
	}
}

// open opens a death's connection, and returns its ends.
func (d *death) open(t *testing.T, ln net.Listener) (client, server *net.TCPConn) {
	t.Helper()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), a.(*net.TCPConn)
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

// stalled reports whether all has been captured that takes its time: that the window which
// stays shut was probed, and that was sent again and again what nobody hears.
func (s *sniffer) stalled(want map[uint16]death) bool {
	return !s.tracker.Any(func(c *capture.Conn) bool {
		side := &c.Sides[capture.Client]
		switch want[c.Tuple.LocalPort].cause {
		case capture.StalledWindow:
			return side.WindowProbes+side.KeepAlives == 0
		case capture.TimedOut, capture.BlackHole:
			return side.Repeats.All() < 4
		}
		return false
	})
}
