package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// rarer are deaths that are not met every day, or of which the capture has a part.
var rarer = []trial{
	{name: "rejected: network", cause: capture.Unreachable, by: capture.Server, rule: "tcp dport %d reject with icmp type net-unreachable"},
	{name: "rejected: no route, over IPv6", cause: capture.Unreachable, by: capture.Server, six: true, rule: "tcp dport %d reject with icmpv6 type no-route"},
	{name: "a loop of routers eats the SYN", cause: capture.Unreachable, by: capture.Server, rule: "tcp dport %d drop", how: (*trial).expired},
	{name: "refused at the second SYN", cause: capture.Refused, by: capture.Server, slow: true, rule: "tcp dport %[1]d numgen inc mod 2 0 drop\ntcp dport %[1]d reject with tcp reset"},
	{name: "a scan that resets what is open", cause: capture.ResetByClient, by: capture.Client, how: (*trial).scan},
	{name: "the ACK of the handshake never arrives", cause: capture.AbandonedHandshake, by: capture.Client, slow: true, rule: "tcp dport %d tcp flags & syn == 0 drop", how: (*trial).deafServer},
	{name: "only the server is heard, and its SYN-ACK not", cause: capture.AbandonedHandshake, by: capture.Client, slow: true, heard: capture.Server, half: true, rule: "tcp sport %d drop"},
	{name: "the program ends before it accepts", cause: capture.ResetByServer, by: capture.Server, how: (*trial).unaccepted},

	{name: "the client speaks no more, and resets", cause: capture.ResetByClient, by: capture.Client, client: inTurn(shut, readOne, abort), server: inTurn(readAll, write("x"), readAll)},
	{name: "the client speaks no more, and is reset", cause: capture.ResetByServer, by: capture.Server, client: inTurn(shut, readAll), server: inTurn(readAll, abort)},
	{name: "the server answers a client that has gone", cause: capture.ResetByClient, by: capture.Client, client: inTurn(write("x"), sent, closeIt), server: inTurn(readAll, write("y"), readAll)},
	{name: "the server's machine has restarted", cause: capture.ResetByServer, by: capture.Server, client: inTurn(write("x"), readOne, restart.await, write("z"), readAll), server: inTurn(readOne, write("y"), sent, crash, restart.tell)},
	{name: "the client's machine has restarted, and the server asks", cause: capture.ResetByClient, by: capture.Client, slow: true, client: inTurn(write("x"), sent, crash), server: inTurn(readOne, alive3)},

	{name: "both get a forged RST", cause: capture.ResetInjected, by: capture.Server, client: inTurn(write("x"), readOne, forged(17), bothForged.tell, readAll), server: inTurn(readOne, write("y"), bothForged.await, forged(17), readAll)},
	{name: "a forged RST over IPv6", cause: capture.ResetInjected, by: capture.Server, six: true, client: inTurn(write("x"), readOne, forged(17), readAll), server: inTurn(readOne, write("y"))},
	{name: "a forged RST of a connection known from its middle", cause: capture.ResetInjected, by: capture.Client, skip: 5, client: inTurn(readOne, write("x")), server: inTurn(write("y"), readOne, forged(200), readAll)},

	{name: "the FIN never arrives", cause: capture.TimedOut, by: capture.Server, slow: true, rule: "tcp dport %d tcp flags & fin == fin drop", client: inTurn(write("x"), readOne, shut, readAll), server: inTurn(readOne, write("y"), readAll)},
	{name: "a firewall forgets, and drops", cause: capture.TimedOut, by: capture.Server, slow: true, rule: forgetful + "drop", client: talk(30, 100), server: readAndAnswer(30, 100)},
	{name: "a firewall forgets, and resets", cause: capture.ResetByServer, by: capture.Server, rule: forgetful + "reject with tcp reset", client: piecewise, server: readAll},
	{name: "a firewall forgets, and says so", cause: capture.Unreachable, by: capture.Server, slow: true, rule: forgetful + "reject with icmp type admin-prohibited", client: talk(30, 100), server: readAndAnswer(30, 100)},
	{name: "of a connection that times out only the client is heard", cause: capture.TimedOut, by: capture.Server, slow: true, heard: capture.Client, half: true, rule: forgetful + "drop", client: talk(30, 100), server: readAndAnswer(30, 100)},
	{name: "timed out, each packet captured twice", cause: capture.TimedOut, by: capture.Server, slow: true, copies: 2, rule: forgetful + "drop", client: talk(30, 100), server: readAndAnswer(30, 100)},
	{name: "the server's machine is gone, known from the middle", cause: capture.PeerVanished, by: capture.Server, slow: true, skip: 5, client: inTurn(write("x"), readOne, alive3), server: inTurn(readOne, write("y"), sent, deaf(0))},
	{name: "the server's machine is gone, over IPv6", cause: capture.PeerVanished, by: capture.Server, slow: true, six: true, client: inTurn(write("x"), readOne, alive3), server: inTurn(readOne, write("y"), sent, deaf(0))},

	{name: "large segments vanish over IPv6", cause: capture.BlackHole, by: capture.Server, slow: true, six: true,
		client: inTurn(nodelay, write("x"), readOne, write(strings.Repeat("y", 8000)), write("small")), server: inTurn(readOne, deaf(1000), write("z"))},
	{name: "a router says that it is too big, and is not heeded", cause: capture.BlackHole, by: capture.Server, slow: true, address: "127.0.0.8",
		client: inTurn(heedless, write("x"), readOne, write(strings.Repeat("y", 8000)), tooBig), server: inTurn(readOne, deaf(1000), write("z"))},
	{name: "the server does not read, over IPv6", cause: capture.StalledWindow, by: capture.Server, slow: true, six: true, client: fill, server: func(*net.TCPConn) {}},
	{name: "the server does not read, known from the middle", cause: capture.StalledWindow, by: capture.Server, slow: true, skip: 5, client: inTurn(write("x"), readOne, fill), server: inTurn(readOne, write("y"))},
	{name: "the server does not read, and the client gives up", cause: capture.StalledWindow, by: capture.Server, slow: true, client: inTurn(fill, idle, abort), server: func(*net.TCPConn) {}},
	{name: "reset by the server, known from the middle", cause: capture.ResetByServer, by: capture.Server, skip: 5, client: inTurn(talk(5, 100), readAll, closeIt), server: inTurn(readAndAnswer(5, 100), sent, abort)},
}

// stranger are connections with which nothing is wrong, although a part of them is missing,
// or something came between that had no effect.
var stranger = []trial{
	{name: "the first SYN is lost", cause: capture.Closed, by: capture.Client, slow: true, rule: "tcp dport %d tcp flags & syn == syn numgen inc mod 2 0 drop", client: inTurn(write("x"), closeIt), server: inTurn(readAll, closeIt)},
	{name: "the first SYN-ACK is lost", cause: capture.Closed, by: capture.Server, slow: true, rule: "tcp sport %d tcp flags & syn == syn numgen inc mod 2 0 drop", client: inTurn(readAll, closeIt), server: inTurn(write("x"), closeIt)},
	{name: "the ACK of the handshake is lost", cause: capture.Closed, by: capture.Client, slow: true, rule: "tcp dport %d tcp flags & (syn|psh|fin) == 0 numgen inc mod 9 0 drop", client: inTurn(write("x"), closeIt), server: inTurn(readAll, closeIt)},
	{name: "the first FIN is lost", cause: capture.Closed, by: capture.Client, slow: true, rule: "tcp dport %d tcp flags & fin == fin numgen inc mod 9 0 drop", client: inTurn(write("x"), closeIt), server: inTurn(readAll, closeIt)},
	{name: "both close at the same time", cause: capture.Closed, by: capture.Client, slow: true, rule: "tcp dport %d tcp flags & fin == fin numgen inc mod 9 0 drop", client: inTurn(write("x"), sent, shut, together.tell, readAll, closeIt), server: inTurn(readOne, together.await, closeIt)},
	{name: "both open at the same time", cause: capture.Closed, by: capture.Client, slow: true, rule: "tcp dport %d tcp flags & (syn|ack) == syn numgen inc mod 2 0 drop", how: (*trial).crossing, client: inTurn(write("x"), closeIt), server: inTurn(readAll, closeIt)},
	{name: "ten in a row are lost", cause: capture.Closed, by: capture.Client, slow: true, rule: "tcp dport %d numgen inc mod 1000 20-29 drop", client: inTurn(nodelay, drip, closeIt), server: inTurn(readAll, closeIt)},

	{name: "a forged RST far from the window, then closed", cause: capture.Closed, by: capture.Client, client: inTurn(write("x"), readOne, forgedAt(17, 1<<30), write("z"), closeIt), server: inTurn(readOne, write("y"), readAll, closeIt)},
	{name: "a forged RST far from the window, and open", cause: capture.OpenAtEnd, client: inTurn(write("x"), readOne, forgedAt(17, 1<<30), write("z")), server: inTurn(readOne, write("y"), readOne, write("w"))},
	{name: "a forged RST beside the number, and open", cause: capture.OpenAtEnd, client: inTurn(write("x"), readOne, forgedAt(64, 100), write("z")), server: inTurn(readOne, write("y"), readOne, write("w"))},
	{name: "a router says that there is no way, and is mistaken", cause: capture.OpenAtEnd, client: inTurn(write("x"), readOne, noWay, write("z")), server: inTurn(readOne, write("y"), readOne, write("w"))},
	{name: "a router says that it is too big, and is heeded", cause: capture.Closed, by: capture.Client, slow: true, address: "127.0.0.9",
		client: inTurn(write("x"), readOne, write(strings.Repeat("y", 8000)), tooBig, closeIt), server: inTurn(readOne, write("z"), readAll, closeIt)},

	{name: "closed, known from the middle", cause: capture.Closed, by: capture.Client, skip: 5, client: inTurn(talk(5, 100), closeIt), server: inTurn(readAndAnswer(5, 100), readAll, closeIt)},
	{name: "a megabyte, known from the middle", cause: capture.Closed, by: capture.Server, skip: 12, client: inTurn(readAll, closeIt), server: inTurn(bulk, closeIt)},
	{name: "open, known from the middle", cause: capture.OpenAtEnd, skip: 5, client: talk(5, 100), server: readAndAnswer(5, 100)},
	{name: "lossy, known from the middle", cause: capture.Closed, by: capture.Client, slow: true, skip: 12, rule: lossy("dport", 10), client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "closed, only the client is heard", cause: capture.Closed, by: capture.Client, half: true, heard: capture.Client, client: inTurn(talk(5, 100), closeIt), server: inTurn(readAndAnswer(5, 100), readAll, closeIt)},
	{name: "closed, only the server is heard", cause: capture.Closed, by: capture.Client, half: true, heard: capture.Server, client: inTurn(talk(5, 100), closeIt), server: inTurn(readAndAnswer(5, 100), readAll, closeIt)},
	{name: "open, only the client is heard", cause: capture.OpenAtEnd, half: true, heard: capture.Client, client: talk(5, 100), server: readAndAnswer(5, 100)},
	{name: "open, only the server is heard", cause: capture.OpenAtEnd, half: true, heard: capture.Server, client: talk(5, 100), server: readAndAnswer(5, 100)},
	{name: "each packet is captured twice", cause: capture.Closed, by: capture.Client, copies: 2, client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "each packet is captured four times, and open", cause: capture.OpenAtEnd, copies: 4, client: inTurn(alive, talk(5, 100), idle), server: readAndAnswer(5, 100), slow: true},
	{name: "captured out of order", cause: capture.Closed, by: capture.Client, shuffled: true, client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},

	{name: "without options", cause: capture.Closed, by: capture.Client, settings: []string{"tcp_sack=0", "tcp_timestamps=0", "tcp_window_scaling=0"}, client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "without options, over a lossy way", cause: capture.Closed, by: capture.Client, slow: true, rule: lossy("dport", 10), settings: []string{"tcp_sack=0", "tcp_timestamps=0", "tcp_window_scaling=0"}, client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "congestion is marked", cause: capture.Closed, by: capture.Client, settings: []string{"tcp_ecn=1"}, rule: "tcp dport %d ip ecn ect0 ip ecn set ce", client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "fast open", cause: capture.Closed, by: capture.Client, settings: []string{"tcp_fastopen=1543"}, control: tcpOption(unix.TCP_FASTOPEN_CONNECT, 1), early: "x", client: closeIt, server: inTurn(readAll, closeIt)},
	{name: "segments of 88 bytes", cause: capture.Closed, by: capture.Client, control: tcpOption(unix.TCP_MAXSEG, 88), client: inTurn(write(strings.Repeat("x", 20_000)), closeIt), server: inTurn(readAll, closeIt)},
	{name: "urgent data", cause: capture.Closed, by: capture.Client, client: inTurn(write("x"), urgent, write("y"), closeIt), server: inTurn(readAll, closeIt)},
	{name: "the window is shut for a while, over IPv6", cause: capture.Closed, by: capture.Client, slow: true, six: true, client: inTurn(bulk, closeIt), server: inTurn(tight, idle, readAll, closeIt)},
}

// forgetful is a firewall that knows a connection for ten packets of the client.
const forgetful = "tcp dport %d numgen inc mod 100000 10-99999 "

var restart, bothForged, together = make(cue, 1), make(cue, 1), make(cue, 1)

// piecewise sends what is acknowledged before the next.
func piecewise(c *net.TCPConn) {
	for range 30 {
		write("x")(c)
		sent(c)
	}
}

// crash forgets a connection as a machine does that has restarted: it sends nothing.
func crash(c *net.TCPConn) {
	setOption(c, unix.TCP_REPAIR, 1)
	c.Close()
}

func tcpOption(name, value int) func(fd int) error {
	return func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, name, value) }
}

func urgent(c *net.TCPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Write(func(fd uintptr) bool {
			return unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) != unix.EAGAIN
		})
	}
}

// heedless has a sender not believe routers about sizes.
func heedless(c *net.TCPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_INTERFACE)
		})
	}
}

// tooBig has a router say of what a connection has sent that it is larger than 1,400 bytes,
// and noWay that nobody can be reached.
func tooBig(c *net.TCPConn) {
	icmpAbout(c.LocalAddr(), c.RemoteAddr(), wire.ICMP{Type: 3, Code: 4, Rest: [4]byte{2: 1400 >> 8, 3: 1400 & 0xff}}, nextSent(c))
}

func noWay(c *net.TCPConn) {
	icmpAbout(c.LocalAddr(), c.RemoteAddr(), wire.ICMP{Type: 3, Code: 1}, nextSent(c))
}

// icmpAbout sends an end an error about a segment of its own.
func icmpAbout(from, to net.Addr, m wire.ICMP, number int) {
	me, peer := from.(*net.TCPAddr).AddrPort(), to.(*net.TCPAddr).AddrPort()
	ip := wire.IP{Version: 4, TTL: 60, Proto: wire.ProtoTCP, Src: wire.AddrFrom(me.Addr()), Dst: wire.AddrFrom(peer.Addr())}
	h := wire.TCP{SrcPort: me.Port(), DstPort: peer.Port(), Seq: seq.Num(number), Flags: wire.ACK}
	text := wire.AppendSegment(append([]byte{m.Type, m.Code, 0, 0}, m.Rest[:]...), &ip, &h, 0, 0, false)
	binary.BigEndian.PutUint16(text[2:], wire.Checksum(wire.Sum(text, 0)))
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.Sendto(fd, text, 0, &unix.SockaddrInet4{Addr: me.Addr().As4()})
}

// expired has routers say of a SYN that it has passed too many of them.
func (x *trial) expired(ln *net.TCPListener) []net.Conn {
	over := make(chan struct{})
	from := make(chan net.Addr, 1)
	d := net.Dialer{Timeout: 500 * time.Millisecond, Control: inSocket(func(fd int) error {
		_ = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
		me, err := unix.Getsockname(fd)
		if a, ok := me.(*unix.SockaddrInet4); ok {
			from <- &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
		}
		return err
	})}
	go func() {
		defer close(over)
		_, _ = d.Dial("tcp", ln.Addr().String())
	}()
	select {
	case me := <-from:
		for range 5 { // one of them comes behind the SYN
			time.Sleep(50 * time.Millisecond)
			icmpAbout(me, ln.Addr(), wire.ICMP{Type: 11}, 0)
		}
	case <-over:
	}
	<-over
	return nil
}

// inSocket is a net.Dialer's Control.
func inSocket(f func(fd int) error) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		_ = c.Control(func(fd uintptr) { _ = f(int(fd)) }) // what was wanted is missed later
		return nil
	}
}

// scan sends a SYN from a port that no connection has: the kernel resets what answers it.
func (x *trial) scan(ln *net.TCPListener) []net.Conn {
	nobody, err := net.ListenUDP("udp", nil) // a port that is not TCP's
	if err != nil {
		return nil
	}
	defer nobody.Close()
	to := ln.Addr().(*net.TCPAddr).AddrPort()
	ip := wire.IP{Version: 4, TTL: 64, Proto: wire.ProtoTCP, Src: wire.AddrFrom(to.Addr()), Dst: wire.AddrFrom(to.Addr())}
	h := wire.TCP{SrcPort: nobody.LocalAddr().(*net.UDPAddr).AddrPort().Port(), DstPort: to.Port(), Seq: 1, Flags: wire.SYN, Window: 1024}
	sendRaw(&ip, &h)
	return nil
}

// sendRaw sends a segment that no connection of this machine has made.
func sendRaw(ip *wire.IP, h *wire.TCP) {
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: ip.Dst.As16()})
	if ip.Version == 4 {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Addr: ip.Dst.Netip().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.Sendto(fd, wire.AppendSegment(nil, ip, h, 0, 0, false), 0, to)
}

// deafServer waits while the server sends its SYN-ACK again.
func (x *trial) deafServer(ln *net.TCPListener) []net.Conn {
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil
	}
	time.Sleep(3500 * time.Millisecond)
	return []net.Conn{c}
}

// unaccepted closes the listener while a connection waits for it.
func (x *trial) unaccepted(ln *net.TCPListener) []net.Conn {
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil
	}
	ln.Close()
	readAll(c.(*net.TCPConn))
	return []net.Conn{c}
}

// crossing has two ends ask each other: the SYN of the first is lost, and it is asked.
func (x *trial) crossing(ln *net.TCPListener) (open []net.Conn) {
	to := ln.Addr().(*net.TCPAddr).AddrPort()
	ln.Close()
	var ends [2]int
	for i, from := range []netip.AddrPort{netip.AddrPortFrom(to.Addr(), 0), to} {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil
		}
		ends[i] = fd
		at := &unix.SockaddrInet4{Addr: from.Addr().As4(), Port: int(from.Port())}
		for end := time.Now().Add(untilLimit); unix.Bind(fd, at) == unix.EADDRINUSE && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // a process that is being started has the listener still
		}
	}
	_ = unix.SetNonblock(ends[0], true)
	_ = unix.Connect(ends[0], &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	me, _ := unix.Getsockname(ends[0])
	_ = unix.Connect(ends[1], me)
	for _, fd := range ends {
		f := os.NewFile(uintptr(fd), "an end")
		if c, err := net.FileConn(f); err == nil {
			open = append(open, c)
		}
		f.Close()
	}
	if len(open) == 2 {
		x.both(open[0].(*net.TCPConn), open[1].(*net.TCPConn))
	}
	return open
}

// set sets what the kernel shall do while a trial's connection is opened, and opens it.
func (x *trial) set(t *testing.T, ln *net.TCPListener) {
	t.Helper()
	for _, s := range x.settings {
		name, value, _ := strings.Cut(s, "=")
		back, err := changeSysctl("net/ipv4/"+name, value)
		if err != nil {
			t.Log(err) // then it is a connection like others
			continue
		}
		defer back()
	}
	x.dialled, _ = x.dial(ln)
}

// heardOf says how often the capture has a packet: -1 is once, and behind the next one.
func heardOf(lives map[uint16]*trial, packet []byte) (copies int) {
	from, to := ports(packet)
	x, by := lives[from], capture.Server
	if x == nil {
		x, by = lives[to], capture.Client
	}
	if x == nil {
		return 1
	}
	x.passed++
	switch {
	case x.half && by != x.heard, x.passed <= x.skip:
		return 0
	case x.shuffled && x.passed > 3 && x.passed%3 == 0:
		return -1
	}
	return max(x.copies, 1)
}

// ports are those of a TCP segment of the loopback device, and 0 of anything else.
func ports(frame []byte) (from, to uint16) {
	at, proto := 34, 23
	if len(frame) > 14 && frame[14]>>4 == 6 {
		at, proto = 54, 20
	}
	if len(frame) < at+4 || frame[proto] != unix.IPPROTO_TCP {
		return 0, 0
	}
	return binary.BigEndian.Uint16(frame[at:]), binary.BigEndian.Uint16(frame[at+2:])
}
