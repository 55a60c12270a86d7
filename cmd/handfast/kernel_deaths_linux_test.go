package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// trial is a connection to a port of its own, on whose way a firewall may stand.
type trial struct {
	name  string
	cause capture.Cause
	by    int
	slow  bool // it takes seconds
	six   bool // IPv6

	// What the capture has: with half only what the side heard sends, nothing of the first
	// skip packets, of each packet so many copies (0: one), every third behind the next.
	half     bool
	heard    int
	skip     int
	copies   int
	shuffled bool
	passed   int // packets so far, as the sniffer counts

	rule    string // of the firewall from the beginning, %d is the port
	address string // where it listens, if not on 127.0.0.1 or ::1
	backlog bool   // nobody accepts, and the queue is full
	again   bool   // the same ports are used a second time at once
	// settings of net.ipv4, and options of the client's socket, while it is opened; what it sends before it is accepted
	settings []string
	control  func(fd int) error
	early    string
	dialled  net.Conn
	// how it is opened and lives, if not by a dial.
	how func(x *trial, ln *net.TCPListener) []net.Conn
	// What the programs do once they are connected; without them nobody comes so far.
	client, server func(*net.TCPConn)
}

// trials are deaths that a firewall, a signal or a forger brings about.
var trials = []trial{
	{name: "rejected by a RST", cause: capture.Refused, by: capture.Server, rule: "tcp dport %d reject with tcp reset"},
	{name: "rejected: port", cause: capture.Unreachable, by: capture.Server, rule: "tcp dport %d reject with icmp type port-unreachable", slow: true},
	{name: "rejected: host", cause: capture.Unreachable, by: capture.Server, rule: "tcp dport %d reject with icmp type host-unreachable"},
	{name: "rejected: prohibited", cause: capture.Unreachable, by: capture.Server, rule: "tcp dport %d reject with icmp type admin-prohibited"},
	{name: "rejected by a RST over IPv6", cause: capture.Refused, by: capture.Server, six: true, rule: "tcp dport %d reject with tcp reset"},
	{name: "rejected: prohibited, over IPv6", cause: capture.Unreachable, by: capture.Server, six: true, rule: "tcp dport %d reject with icmpv6 type admin-prohibited"},
	{name: "dropped", cause: capture.Unanswered, slow: true, rule: "tcp dport %d drop"},
	{name: "dropped over IPv6", cause: capture.Unanswered, slow: true, six: true, rule: "tcp dport %d drop"},
	{name: "the queue is full", cause: capture.Unanswered, slow: true, backlog: true},
	{name: "the SYN-ACK does not arrive", cause: capture.AbandonedHandshake, slow: true, rule: "tcp sport %d drop"},

	{name: "the server is killed with text unread", cause: capture.AbortedUnread, by: capture.Server, client: inTurn(write("hello"), readAll, closeIt), server: inTurn(unread, kill)},
	{name: "the client is killed with text unread", cause: capture.AbortedUnread, by: capture.Client, client: inTurn(unread, kill), server: inTurn(write("hello"), readAll, closeIt)},
	{name: "the server is killed, and the client goes on", cause: capture.ResetByServer, by: capture.Server, client: inTurn(write("x"), readAll, write("y"), readAll), server: inTurn(readOne, kill)},
	{name: "the client is killed, and the server goes on", cause: capture.ResetByClient, by: capture.Client, client: inTurn(readOne, kill), server: inTurn(write("x"), readAll, write("y"), readAll)},
	{name: "both are killed", cause: capture.Closed, by: capture.Client, client: inTurn(write("x"), readOne, kill), server: inTurn(readOne, write("y"), readAll, kill)},

	{name: "a forged RST to the client", cause: capture.ResetInjected, by: capture.Server, client: inTurn(write("x"), readOne, forged(17), readAll), server: inTurn(readOne, write("y"))},
	{name: "a forged RST to the server", cause: capture.ResetInjected, by: capture.Client, client: inTurn(readOne, write("x")), server: inTurn(write("y"), readOne, forged(200), readAll)},
	{name: "a forged RST from as far as the server is", cause: capture.ResetInjected, by: capture.Server,
		client: inTurn(write("x"), readOne, forged(64), forgery.tell, readAll), server: inTurn(readOne, write("y"), forgery.await, write("more"), readAll)},

	{name: "the server's machine is gone, and the client asks", cause: capture.PeerVanished, by: capture.Server, slow: true,
		client: inTurn(write("x"), readOne, alive3), server: inTurn(readOne, write("y"), sent, deaf(0))},
	{name: "the client's machine is gone, and the server asks", cause: capture.PeerVanished, by: capture.Client, slow: true,
		client: inTurn(write("x"), readOne, sent, deaf(0)), server: inTurn(readOne, write("y"), sent, alive3)},
	{name: "the client has gone deaf", cause: capture.TimedOut, by: capture.Client, slow: true,
		client: inTurn(write("x"), readOne, sent, deaf(0), deafness.tell), server: inTurn(readOne, write("y"), sent, deafness.await, write("zz"))},
	{name: "the server is silent from the first byte", cause: capture.TimedOut, by: capture.Server, slow: true, client: inTurn(silence.await, write("hello")), server: inTurn(deaf(0), silence.tell)},
	{name: "the user timeout of the client", cause: capture.TimedOut, by: capture.Server, slow: true, client: inTurn(impatient, patience.await, write("hello"), readAll, closeIt), server: inTurn(deaf(0), patience.tell)},
	{name: "large segments to the client vanish", cause: capture.BlackHole, by: capture.Client, slow: true,
		client: inTurn(write("x"), readOne, deaf(1000), write("z")), server: inTurn(nodelay, readOne, write("y"), readOne, write(strings.Repeat("y", 8000)), write("small"))},
	{name: "the client does not read", cause: capture.StalledWindow, by: capture.Client, slow: true, client: func(*net.TCPConn) {}, server: fill},
	{name: "the client reads a little", cause: capture.StalledWindow, by: capture.Client, slow: true, client: inTurn(small, readExactly(5000)), server: fill},

	{name: "the server does not close", cause: capture.HalfClosed, by: capture.Client, slow: true, client: inTurn(write("x"), shut), server: readAll},
	{name: "the client does not close", cause: capture.HalfClosed, by: capture.Server, slow: true, client: readAll, server: inTurn(write("x"), shut)},

	{name: "a reset of which only the server is heard", cause: capture.ResetByServer, by: capture.Server, half: true, heard: capture.Server, client: inTurn(readOne, firstRead.tell, readAll, closeIt), server: inTurn(write("x"), sent, firstRead.await, abort)},
	{name: "a reset of which only the client is heard", cause: capture.ResetByClient, by: capture.Client, half: true, heard: capture.Client, client: inTurn(write("x"), sent, secondRead.await, abort), server: inTurn(readOne, secondRead.tell, readAll, closeIt)},
}

// well are connections with which nothing is wrong, over ways that are not as good.
var well = []trial{
	{name: "empty, over IPv6", cause: capture.Closed, by: capture.Client, six: true, client: closeIt, server: inTurn(readAll, closeIt)},
	{name: "a megabyte up, over IPv6", cause: capture.Closed, by: capture.Client, six: true, client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "a megabyte down, over IPv6", cause: capture.Closed, by: capture.Server, six: true, client: inTurn(readAll, closeIt), server: inTurn(bulk, closeIt)},
	{name: "half-closed, over IPv6", cause: capture.Closed, by: capture.Client, six: true, client: inTurn(shut, readAll, closeIt), server: inTurn(readAll, bulk, closeIt)},
	{name: "one in ten is lost on the way up", cause: capture.Closed, by: capture.Client, slow: true, rule: lossy("dport", 10), client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "one in ten is lost on the way down", cause: capture.Closed, by: capture.Server, slow: true, rule: lossy("sport", 10), client: inTurn(readAll, closeIt), server: inTurn(bulk, closeIt)},
	{name: "one in five ACKs is lost", cause: capture.Closed, by: capture.Client, slow: true, rule: lossy("sport", 5), client: inTurn(bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "one in thirty is lost, both ways", cause: capture.Closed, by: capture.Client, slow: true, rule: lossy("{dport,sport}", 30), client: inTurn(bulk, shut, readAll, closeIt), server: inTurn(readAll, bulk, closeIt)},
	{name: "questions, of which one in ten is lost", cause: capture.Closed, by: capture.Client, slow: true, rule: lossy("dport", 10), client: inTurn(talk(20, 100), closeIt), server: inTurn(readAndAnswer(20, 100), readAll, closeIt)},
	{name: "answers, of which one in ten is lost", cause: capture.Closed, by: capture.Client, slow: true, rule: lossy("sport", 10), client: inTurn(talk(20, 100), closeIt), server: inTurn(readAndAnswer(20, 100), readAll, closeIt)},
	{name: "open over a lossy way", cause: capture.OpenAtEnd, slow: true, rule: lossy("dport", 10), client: inTurn(bulk, readOne), server: inTurn(readExactly(1<<20), write("y"))},
	{name: "open after many turns", cause: capture.OpenAtEnd, client: talk(30, 100), server: readAndAnswer(30, 100)},
	{name: "silent for a while, then closed", cause: capture.Closed, by: capture.Client, slow: true, client: inTurn(write("x"), idle, closeIt), server: inTurn(readAll, closeIt)},
	{name: "silent for a while, then closed by the server", cause: capture.Closed, by: capture.Server, slow: true, client: inTurn(readAll, closeIt), server: inTurn(write("x"), idle, closeIt)},
	{name: "kept alive, then closed", cause: capture.Closed, by: capture.Client, slow: true, client: inTurn(alive, write("x"), idle, closeIt), server: inTurn(alive, readAll, closeIt)},
	{name: "kept alive by the server, and open", cause: capture.OpenAtEnd, slow: true, client: inTurn(write("x"), readOne, idle), server: inTurn(alive, readOne, write("y"))},
	{name: "kept alive, and open, over IPv6", cause: capture.OpenAtEnd, slow: true, six: true, client: inTurn(alive, write("x"), readOne, idle), server: inTurn(readOne, write("y"))},
	{name: "half-closed for a while, then closed", cause: capture.Closed, by: capture.Client, slow: true, client: inTurn(shut, readAll, closeIt), server: inTurn(readAll, idle, closeIt)},
	{name: "half-closed by the server for a while", cause: capture.Closed, by: capture.Server, slow: true, client: inTurn(readAll, idle, write("late"), closeIt), server: inTurn(shut, readAll, closeIt)},
	{name: "the window is shut for a while", cause: capture.Closed, by: capture.Client, slow: true, client: inTurn(bulk, closeIt), server: inTurn(tight, idle, readAll, closeIt)},
	{name: "the window is shut for a while, downwards", cause: capture.Closed, by: capture.Server, slow: true, client: inTurn(tight, idle, readAll, closeIt), server: inTurn(bulk, closeIt)},
	{name: "a slow reader over a lossy way", cause: capture.Closed, by: capture.Client, slow: true, rule: lossy("dport", 20), client: inTurn(bulk, closeIt), server: inTurn(tight, slowly, readAll, closeIt)},
	{name: "close waits over a lossy way", cause: capture.Closed, by: capture.Client, slow: true, rule: lossy("dport", 10), client: inTurn(linger, bulk, closeIt), server: inTurn(readAll, closeIt)},
	{name: "a port that comes again out of TIME-WAIT", cause: capture.Closed, by: capture.Server, again: true, client: inTurn(readAll, closeIt), server: inTurn(write("x"), closeIt)},
}

// lossy is a rule that drops one packet in n.
func lossy(port string, n int) string {
	if port == "{dport,sport}" {
		return lossy("dport", n) + "\n" + lossy("sport", n)
	}
	return fmt.Sprintf("tcp %s %%[1]d tcp flags & (syn|rst) == 0 numgen random mod %d 0 drop", port, n)
}

// tight leaves room for a few segments of the loopback device.
func tight(c *net.TCPConn) { _ = c.SetReadBuffer(1 << 17) }

// cue has a program wait until that of the other end is so far.
type cue chan struct{}

func (s cue) tell(*net.TCPConn)  { s <- struct{}{} }
func (s cue) await(*net.TCPConn) { <-s }

var forgery, deafness, silence, patience, firstRead, secondRead = make(cue, 1), make(cue, 1), make(cue, 1), make(cue, 1), make(cue, 1), make(cue, 1)

// idle is longer than keep-alives and retransmissions begin.
func idle(*net.TCPConn) { time.Sleep(2500 * time.Millisecond) }

func alive3(c *net.TCPConn) {
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3})
	readAll(c)
}

// impatient gives up after a second and a half.
func impatient(c *net.TCPConn) { setOption(c, unix.TCP_USER_TIMEOUT, 1500) }

func setOption(c *net.TCPConn, option, value int) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, option, value) })
	}
}

// kill hands the socket to a process of its own, and kills that.
func kill(c *net.TCPConn) {
	f, err := c.File()
	if err != nil {
		return
	}
	cmd := exec.Command("sleep", "60")
	cmd.ExtraFiles = []*os.File{f}
	err = cmd.Start()
	f.Close()
	c.Close()
	if err == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// forged sends a connection's own end a RST that nobody of the two has sent, with the
// number that is expected, and forgedAt with one so far behind it.
func forged(ttl uint8) func(c *net.TCPConn) { return forgedAt(ttl, 0) }

func forgedAt(ttl uint8, behind int) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		me, peer := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
		ip := wire.IP{Version: 4, TTL: ttl, Proto: wire.ProtoTCP, Src: wire.AddrFrom(peer.Addr()), Dst: wire.AddrFrom(me.Addr())}
		if me.Addr().Is6() {
			ip.Version = 6
		}
		h := wire.TCP{SrcPort: peer.Port(), DstPort: me.Port(), Seq: seq.Num(expected(c) + behind), Flags: wire.RST}
		sendRaw(&ip, &h)
	}
}

// expected is the sequence number that a connection takes next, and nextSent that which it sends.
func expected(c *net.TCPConn) int { return queueNumber(c, 1) }
func nextSent(c *net.TCPConn) int { return queueNumber(c, 2) }

func queueNumber(c *net.TCPConn, queue int) (next int) {
	const offWithoutProbe = -1
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR_QUEUE, queue)
		next, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUEUE_SEQ)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, offWithoutProbe)
	})
	return int(uint32(next))
}

// listen opens the port of a trial.
func (x *trial) listen(t *testing.T) *net.TCPListener {
	t.Helper()
	address := cmp.Or(x.address, "127.0.0.1")
	if x.six {
		address = "::1"
	}
	listen := net.ListenConfig{Control: inSocket(tcpOption(unix.TCP_FASTOPEN, 8))}
	ln, err := listen.Listen(t.Context(), "tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

// run lets a trial's connection live. What it leaves open is returned.
func (x *trial) run(ln *net.TCPListener) (open []net.Conn) {
	switch {
	case x.backlog:
		return x.fillQueue(ln)
	case x.how != nil:
		return x.how(x, ln)
	}
	c, err := x.dial(ln)
	if err != nil || x.client == nil {
		return nil
	}
	open = x.live(c, ln)
	if x.again {
		d := net.Dialer{LocalAddr: c.LocalAddr()}
		if c, err = d.Dial("tcp", ln.Addr().String()); err == nil {
			open = append(open, x.live(c, ln)...)
		}
	}
	return open
}

// dial opens a trial's connection, once.
func (x *trial) dial(ln *net.TCPListener) (net.Conn, error) {
	if x.dialled != nil {
		return x.dialled, nil
	}
	d := net.Dialer{Timeout: 1500 * time.Millisecond}
	if x.control != nil {
		d.Control = inSocket(x.control)
	}
	c, err := d.Dial("tcp", ln.Addr().String())
	if err == nil && x.early != "" {
		_, err = io.WriteString(c, x.early)
	}
	return c, err
}

// live lets the programs of both ends go on.
func (x *trial) live(c net.Conn, ln *net.TCPListener) (open []net.Conn) {
	a, err := ln.Accept()
	if err != nil {
		return []net.Conn{c}
	}
	x.both(c.(*net.TCPConn), a.(*net.TCPConn))
	return []net.Conn{c, a}
}

// both lets two programs go on to their end, or until it is clear what becomes of them.
func (x *trial) both(c, a *net.TCPConn) {
	var both sync.WaitGroup
	both.Go(func() { x.client(c) })
	both.Go(func() { x.server(a) })
	ended, limit := make(chan struct{}), 4*time.Second // a program that waits for ever is part of a death
	if x.cause == capture.Closed {
		limit = untilLimit
	}
	go func() { both.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(limit):
	}
}

// fillQueue opens as many connections as may wait, and one more. Only the last is looked at:
// it comes to another result than the others.
func (x *trial) fillQueue(ln *net.TCPListener) (open []net.Conn) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.Listen(int(fd), 0) })
	for range 3 {
		d := net.Dialer{Timeout: 1500 * time.Millisecond}
		if c, err := d.Dial("tcp", ln.Addr().String()); err == nil {
			open = append(open, c)
		}
	}
	return open
}

// firewall sets a table of rules up, and returns what takes it away.
func firewall(t *testing.T, rules string) (remove func()) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader("table inet trials {\nchain input {\ntype filter hook input priority 0;\n" + rules + "}\n}\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("nft: %v: %s", err, out)
	}
	return func() { _ = exec.Command("nft", "delete", "table", "inet", "trials").Run() }
}

// Deaths that a firewall, a signal, a forger or a silence brings about have their causes,
// and connections over ways that lose, wait and stop are not called sick. A cause has to be
// wrong three times: kernels live in a busy machine's time, in which a living peer may be
// silent for as long as a dead one.
func TestTrialsBetweenKernels(t *testing.T) {
	if os.Getuid() != 0 || os.Getenv(isolatedVariable) == "" {
		t.Skip("needs root in a namespace")
	}
	var all []*trial
	for _, list := range [][]trial{trials, rarer, well, stranger} {
		for i := range list {
			if x := &list[i]; !x.slow || !testing.Short() {
				all = append(all, x)
			}
		}
	}
	wrong := tryAll(t, all)
	for range 2 {
		if len(wrong) > 0 {
			t.Logf("once more: %v", slices.Collect(maps.Values(wrong)))
			wrong = tryAll(t, slices.Collect(maps.Keys(wrong)))
		}
	}
	for _, why := range wrong {
		t.Error(why)
	}
}

// tryAll lets trials happen beside each other, and returns those of which something else is
// said than was done, and what.
func tryAll(t *testing.T, all []*trial) (wrong map[*trial]string) {
	var rules strings.Builder
	lives := map[uint16]*trial{}
	at := map[*trial]*net.TCPListener{}
	for _, x := range all {
		x.dialled, x.passed = nil, 0
		ln := x.listen(t)
		port := ln.Addr().(*net.TCPAddr).Port
		lives[uint16(port)], at[x] = x, ln
		if x.rule != "" {
			fmt.Fprintf(&rules, x.rule+"\n", port)
		}
	}
	defer firewall(t, rules.String())()
	s := sniffLoopback(t)
	defer unix.Close(s.fd)
	s.hear = func(packet []byte) int { return heardOf(lives, packet) }
	stop := make(chan struct{})
	go s.read(stop)
	for x, ln := range at {
		if len(x.settings) > 0 {
			x.set(t, ln)
		}
	}
	open := runTrials(lives, at)
	close(stop)
	<-s.done
	s.tracker.Finish()
	for _, c := range open {
		c.Close()
	}
	return judgeTrials(s, lives)
}

func runTrials(lives map[uint16]*trial, at map[*trial]*net.TCPListener) (open []net.Conn) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, x := range lives {
		all.Go(func() {
			left := x.run(at[x])
			mu.Lock()
			defer mu.Unlock()
			open = append(open, left...)
		})
	}
	all.Wait()
	return open
}

func judgeTrials(s *sniffer, lives map[uint16]*trial) (wrong map[*trial]string) {
	wrong, seen := map[*trial]string{}, map[*trial]int{}
	lost := s.lost()
	for _, c := range s.ended {
		x := lives[c.Tuple.RemotePort]
		by := c.Verdict.By
		if x == nil {
			if x = lives[c.Tuple.LocalPort]; x == nil { // of one side alone the roles may not be known
				continue
			}
			by = 1 - by
			if reverse, ok := map[capture.Cause]capture.Cause{capture.ResetByClient: capture.ResetByServer, capture.ResetByServer: capture.ResetByClient}[c.Verdict.Cause]; ok {
				c.Verdict.Cause = reverse
			}
		}
		if x.backlog && c.Verdict.Cause == capture.OpenAtEnd {
			continue
		}
		seen[x]++
		if c.Verdict.Cause != x.cause || by != x.by && x.cause != capture.OpenAtEnd {
			wrong[x] = fmt.Sprintf("%s: %s by side %d (%s), %s", x.name, c.Verdict.Cause, by, c.History(), why(c, 0))
		}
	}
	for _, x := range lives {
		if n := seen[x]; n == 0 || x.again && n != 2 {
			wrong[x] = fmt.Sprintf("%s: %d were captured, and %d packets were not", x.name, n, lost)
		}
	}
	return wrong
}
