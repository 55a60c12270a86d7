package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// needProgram skips where a program is missing.
func needProgram(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(err)
	}
}

// names is a server of these names at 127.0.0.53, as the system's own often is. What it
// is asked stands in asked, with the transport. An answer that is too long for a datagram
// is cut.
type names struct {
	asked chan string
}

// longText is what does not fit into a datagram: strings of 250 bytes.
var longText = slices.Repeat([]string{strings.Repeat("long", 62)}, 10)

func newNames(t *testing.T) *names {
	t.Helper()
	const address = "127.0.0.53:53"
	u, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Skip(err) // the tests have no namespace of their own
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close(); l.Close() })
	n := &names{asked: make(chan string, 100)}
	go func() {
		p := make([]byte, 1500)
		for size, from, err := u.ReadFrom(p); err == nil; size, from, err = u.ReadFrom(p) {
			u.WriteTo(n.answer("udp", p[:size]), from)
		}
	}()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			p := make([]byte, 2)
			io.ReadFull(c, p)
			p = make([]byte, int(p[0])<<8|int(p[1]))
			io.ReadFull(c, p)
			answer := n.answer("tcp", p)
			c.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
			c.Close()
		}
	}()
	return n
}

// answer is a message about host.test and long.test; there is nobody else.
func (n *names) answer(network string, question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	n.asked <- network + " " + q.Name.String()
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true}
	m.Additionals = nil
	body := map[string]dnsmessage.ResourceBody{
		"host.test. TypeA":    &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}},
		"host.test. TypeAAAA": &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 7}},
		"long.test. TypeTXT":  &dnsmessage.TXTResource{TXT: longText},
	}[q.Name.String()+" "+q.Type.String()]
	switch {
	case body == nil:
		m.RCode = dnsmessage.RCodeNameError
	case network == "udp" && q.Type == dnsmessage.TypeTXT:
		m.Truncated = true
	default:
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}, Body: body}}
	}
	p, _ := m.Pack()
	return p
}

// withNameServer has a command find this name server in /etc/resolv.conf.
func withNameServer(t *testing.T, program, address string, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	file := filepath.Join(publicDir(t), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+address+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"--mount", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, file}
	if user := userOf(cmd); user != strconv.Itoa(os.Geteuid()) {
		args = append(args, "setpriv", "--reuid="+user, "--regid="+user, "--clear-groups")
	}
	prepared := exec.Command("unshare", append(append(args, program), cmd.Args[1:]...)...)
	prepared.Env, prepared.Dir = cmd.Env, cmd.Dir
	return prepared
}

// dig hears from the system's name server what it says: by UDP, by TCP, and by both
// what is too long for the one.
func TestRunDig(t *testing.T) {
	needProgram(t, "dig")
	program, server := publicCopy(t), newNames(t)
	text := "\"" + strings.Join(longText, "\" \"") + "\"\n"
	eachWay(t, func(t *testing.T, run runner) {
		script, want, asked := "", "", ""
		for _, c := range []struct{ args, says, asked string }{
			{"+short host.test", "192.0.2.7\n", "udp host.test. "},
			{"+short host.test AAAA", "2001:db8::7\n", "udp host.test. "},
			{"+short +tcp host.test", "192.0.2.7\n", "tcp host.test. "},
			{"+short long.test TXT", text, "udp long.test. tcp long.test. "},
			{"nobody.test | grep -o NXDOMAIN", "NXDOMAIN\n", "udp nobody.test. "},
			{"host.test | grep -o 'SERVER: 10.0.2.3#53'", "SERVER: 10.0.2.3#53\n", "udp host.test. "},
		} {
			script, want, asked = script+"dig "+c.args+"; ", want+c.says, asked+c.asked
		}
		out, err := withNameServer(t, program, "127.0.0.53", run("--", "sh", "-c", script)).Output()
		if err != nil || string(out) != want {
			t.Errorf("%v, dig said\n%swant\n%s", err, out, want)
		}
		heard := ""
		for len(server.asked) > 0 {
			heard += <-server.asked + " "
		}
		if heard != asked {
			t.Errorf("the server was asked %s, want %s", heard, asked)
		}
	})
}

// quicEcho is a server of QUIC on the loopback device that sends each stream back.
func quicEcho(t *testing.T) (port string) {
	web := httptest.NewTLSServer(nil) // has a certificate
	defer web.Close()
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates, NextProtos: []string{"test"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(context.Background()); err == nil; c, err = l.Accept(context.Background()) {
			go func() {
				for s, err := c.AcceptStream(context.Background()); err == nil; s, err = c.AcceptStream(context.Background()) {
					io.Copy(s, s)
					s.Close()
				}
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// publicProgram is where everybody may run one of otherPrograms.
func publicProgram(t *testing.T, name string) (path string) {
	t.Helper()
	path = filepath.Join(publicDir(t), name)
	if err := os.Symlink(publicCopy(t), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// QUIC finds its way, also on a bad network: all bytes come back.
func TestRunQUIC(t *testing.T) {
	client := publicProgram(t, "quic-client")
	text, port := randomText(1<<20), quicEcho(t)
	eachWay(t, func(t *testing.T, run runner) {
		for _, bad := range [][]string{nil, {"--loss", "2%", "--delay", "5ms", "--reorder", "5%", "--duplicate", "2%"}} {
			var told bytes.Buffer
			cmd := run(append(bad, "--", client, "10.0.2.2:"+port)...)
			cmd.Stdin, cmd.Stderr = bytes.NewReader(text), &told
			got, err := cmd.Output()
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%v: %d bytes of %d came back, %v\n%s", bad, len(got), len(text), err, &told)
			}
			if !regexp.MustCompile(`udp +10\.0\.2\.2:` + port).MatchString(told.String()) {
				t.Errorf("%v: the summary is\n%s", bad, &told)
			}
		}
	})
}

func init() { otherPrograms["udp-segments"] = udpSegments }

// segments is how many datagrams udp-segments sends at once, each of a thousand bytes.
const segments = 10

// udpSegments is the program "udp-segments ADDRESS": it has the kernel make several
// datagrams of one, and says how many come back.
func udpSegments() {
	c, err := net.Dial("udp", os.Args[1])
	if err != nil {
		panic(err)
	}
	raw, _ := c.(*net.UDPConn).SyscallConn()
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
	if err == nil {
		_, err = c.Write(make([]byte, segments*1000))
	}
	c.SetReadDeadline(time.Now().Add(untilLimit))
	n := 0
	for ; err == nil && n < segments; n++ {
		_, err = c.Read(make([]byte, 2000))
	}
	fmt.Print(n, err)
}

// Several datagrams that a program sends at once, as libraries of QUIC do, all arrive.
func TestRunCarriesSegmentedUDP(t *testing.T) {
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	go func() {
		p := make([]byte, 2000)
		for n, from, err := u.ReadFrom(p); err == nil; n, from, err = u.ReadFrom(p) {
			u.WriteTo(p[:n], from)
		}
	}()
	client := publicProgram(t, "udp-segments")
	_, port, _ := net.SplitHostPort(u.LocalAddr().String())
	eachWay(t, func(t *testing.T, run runner) {
		out, err := run("--", client, "10.0.2.2:"+port).Output()
		if want := fmt.Sprint(segments, error(nil)); err != nil || string(out) != want {
			t.Errorf("%s came back, want %s; %v", out, want, err)
		}
	})
}

// socksRelay is a SOCKS server that relays UDP, to a port of this machine whatever the
// address, or answers with a reply that is not 0.
func socksRelay(t *testing.T, port string, reply byte) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go associate(c, port, reply)
		}
	}()
	return l.Addr().String()
}

// associate answers one client, until it ends.
func associate(c net.Conn, port string, reply byte) {
	defer c.Close()
	p := make([]byte, 10)
	io.ReadFull(c, p[:3])
	c.Write([]byte{5, 0})
	io.ReadFull(c, p)
	far, err := net.Dial("udp", "127.0.0.1:"+port)
	near, err2 := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil || err2 != nil || p[1] != 3 {
		return
	}
	defer far.Close()
	defer near.Close()
	at := near.LocalAddr().(*net.UDPAddr).AddrPort()
	c.Write([]byte{5, reply, 0, 1, 127, 0, 0, 1, byte(at.Port() >> 8), byte(at.Port())})
	if reply == 0 {
		go relayUDP(near, far)
		io.Copy(io.Discard, c)
	}
}

// relayUDP passes datagrams on, and back behind the header with which the first came. One
// client has one destination here.
func relayUDP(near *net.UDPConn, far net.Conn) {
	const header = 10 // of IPv4
	p, begun := make([]byte, 1<<16), false
	for n, from, err := near.ReadFromUDPAddrPort(p); err == nil && n >= header; n, from, err = near.ReadFromUDPAddrPort(p) {
		far.Write(p[header:n])
		if begun {
			continue
		}
		begun = true
		q := append(slices.Clone(p[:header]), make([]byte, 1<<16)...)
		go func() {
			for n, err := far.Read(q[header:]); err == nil; n, err = far.Read(q[header:]) {
				near.WriteToUDPAddrPort(q[:header+n], from)
			}
		}()
	}
}

// QUIC goes through a proxy that grants UDP. Where one does not, programs hear it at once, and
// people one sentence.
func TestRunUDPThroughAProxy(t *testing.T) {
	needProgram(t, "dig")
	client := publicProgram(t, "quic-client")
	text, port := randomText(1<<20), quicEcho(t)
	grants, refuses := "socks5://"+socksRelay(t, port, 0), socksRelay(t, port, 7)
	eachWay(t, func(t *testing.T, run runner) {
		var told bytes.Buffer
		cmd := run("--proxy", grants, "--", client, "192.0.2.7:443")
		cmd.Stdin, cmd.Stderr = bytes.NewReader(text), &told
		if got, err := cmd.Output(); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes of %d came back, %v\n%s", len(got), len(text), err, &told)
		}
		told.Reset()
		cmd = run("--summary=false", "--proxy", "socks5://"+refuses, "--", "sh", "-c", "dig +tries=1 @192.0.2.7 host.test; dig +tries=1 @192.0.2.8 host.test")
		cmd.Stderr = &told
		got, _ := cmd.Output()
		if strings.Count(string(got), "connection refused") != 2 {
			t.Errorf("dig said\n%s", got)
		}
		want := "handfast: UDP is refused: proxy " + refuses + " grants no UDP ASSOCIATE: command not supported\n"
		if told.String() != want {
			t.Errorf("%q was said, want %q", &told, want)
		}
	})
}

// randomText cannot be compressed, and is the same each time.
func randomText(size int) []byte {
	p := make([]byte, size)
	rand.NewChaCha8([32]byte{7}).Read(p)
	return p
}

// serveElsewhere starts a server in a network namespace of its own, at 198.18.9.2, which it
// reaches by a veth pair, and waits until it has said that it is ready.
func serveElsewhere(t *testing.T, ready, name string, args ...string) {
	t.Helper()
	if os.Getenv(isolatedVariable) == "" {
		t.Skip("this would make devices on this machine")
	}
	inside := `echo here; read go; ip link set lo up; ip addr add 198.18.9.2/24 dev far; ip link set far up; exec "$@" 2>&1`
	cmd := exec.Command("unshare", append([]string{"--net", "sh", "-c", inside, "sh", name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	lines := bufio.NewReader(out)
	awaitLine(t, lines, "here")
	for _, command := range []string{
		fmt.Sprintf("link add near type veth peer name far netns %d", cmd.Process.Pid), "addr add 198.18.9.1/24 dev near", "link set near up",
	} {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %v %s", command, err, out)
		}
	}
	t.Cleanup(func() { exec.Command("ip", "link", "del", "near").Run() })
	io.WriteString(in, "go\n")
	awaitLine(t, lines, ready)
	go io.Copy(io.Discard, lines)
}

// awaitLine reads until a line has this text.
func awaitLine(t *testing.T, lines *bufio.Reader, text string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no %q: %v", text, err)
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

// git clones from a server in another namespace, and pushes to it.
func TestRunGit(t *testing.T) {
	needProgram(t, "git")
	dir := publicDir(t)
	file := randomText(1 << 20)
	environment := append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	shell := func(command string) string {
		t.Helper()
		cmd := exec.Command("sh", "-ec", command)
		cmd.Env, cmd.Dir = environment, dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	shell("git init -q --bare served; git clone -q served work 2>/dev/null")
	if err := os.WriteFile(filepath.Join(dir, "work", "file"), file, 0o644); err != nil {
		t.Fatal(err)
	}
	shell("cd work; git add file; git commit -qm first; git push -q origin HEAD:main; git --git-dir=../served symbolic-ref HEAD refs/heads/main")
	serveElsewhere(t, "Ready to rumble", "git", "daemon", "--verbose", "--export-all", "--enable=receive-pack", "--listen=198.18.9.2", "--base-path="+dir)
	eachWay(t, func(t *testing.T, run runner) {
		mine := publicDir(t)
		cmd := run("--summary=false", "--", "sh", "-ec", `cd "$0"; git clone -q git://198.18.9.2/served clone; cd clone; git fsck --strict >&2
			git commit -q --allow-empty -m "$1"; git push -q origin HEAD:main; git rev-parse HEAD`, mine, t.Name())
		cmd.Env = append(append(environment, cmd.Env...), "HOME="+mine)
		var told bytes.Buffer
		cmd.Stderr = &told
		head, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, &told)
		}
		if got, err := os.ReadFile(filepath.Join(mine, "clone", "file")); !bytes.Equal(got, file) {
			t.Errorf("%d bytes of %d are there, %v", len(got), len(file), err)
		}
		want := string(head) + t.Name() + "\n"
		if got := shell("git --git-dir=served log -1 --format=%H%n%s main"); got != want {
			t.Errorf("the server has\n%swant\n%s", got, want)
		}
	})
}

// measured is what iperf3 says of a test.
type measured struct {
	Error string
	End   struct {
		Streams []struct {
			Sender struct {
				MinRTT int // microseconds
			}
		}
		Sum, SumSent, SumReceived, SumReceivedBidirReverse struct {
			Bytes       int
			Packets     int
			LostPackets int `json:"lost_packets"`
		}
	}
}

// iperf runs tests of iperf3 one after the other, between a server here and clients
// inside, and returns what the clients say.
func iperf(t *testing.T, run runner, flags []string, tests ...string) (all []measured) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	server := exec.Command("iperf3", "-s", "-B", "127.0.0.1", "-p", port, "--forceflush")
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	lines := bufio.NewReader(out)
	awaitLine(t, lines, "Server listening")
	go io.Copy(io.Discard, lines)
	script := ""
	// Between two tests the server is busy for a moment, for another one it does not listen, and
	// between these it resets who is in its backlog. What began is not tried again.
	const again = `for try in $(seq 100); do all=$(%s) || true; case $all in *test_start*) break;; *) sleep 0.1;; esac; done; echo "$all"; `
	for _, test := range tests {
		script += fmt.Sprintf(again, "iperf3 -c 10.0.2.2 -p "+port+" --json "+test)
	}
	text, err := run(append(flags, "--summary=false", "--", "sh", "-ec", script)...).Output()
	for _, name := range []string{"min_rtt", "sum_sent", "sum_received", "sum_received_bidir_reverse"} {
		text = bytes.ReplaceAll(text, []byte(name+`"`), []byte(strings.ReplaceAll(name, "_", "")+`"`))
	}
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		var m measured
		if err := d.Decode(&m); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if m.Error != "" {
			t.Fatalf("%q after %d others: %s", tests[min(len(all), len(tests)-1)], len(all), m.Error)
		}
		all = append(all, m)
	}
	if err != nil || len(all) != len(tests) {
		t.Fatalf("%v; %d tests of %d in\n%s", err, len(all), len(tests), text)
	}
	return all
}

// iperf3 carries what it was told to: up, down, several at once, both ways at once, by
// TCP and by UDP. What is still on its way when the client has sent all does not count, and with
// --bidir all is over when the first of both directions has been.
func TestRunIperf(t *testing.T) {
	needProgram(t, "iperf3")
	const size, datagrams = 20 << 20, "--udp --bitrate 10M --length 1000 --bytes 1M"
	tests := []string{"--bytes 20M", "--bytes 20M --reverse", "--bytes 20M --parallel 4", "--bytes 20M --bidir", datagrams, datagrams + " --reverse"}
	eachWay(t, func(t *testing.T, run runner) {
		for i, m := range iperf(t, run, nil, tests...) {
			end, test := m.End, tests[i]
			switch {
			case strings.Contains(test, "udp"):
				if end.Sum.Packets < 1000 || end.Sum.LostPackets > end.Sum.Packets/2 {
					t.Errorf("%s: %d packets, of which %d were lost", test, end.Sum.Packets, end.Sum.LostPackets)
				}
			case strings.Contains(test, "bidir"):
				if up, down := end.SumSent.Bytes, end.SumReceivedBidirReverse.Bytes; max(up, down) < size || min(up, down) < size/20 {
					t.Errorf("%s: %d bytes were sent, and %d came back", test, up, down)
				}
			// iperf3 says on another connection that it has sent all, and what has not come by
			// then does not count: on a busy machine that may be most.
			case end.SumSent.Bytes < size || end.SumReceived.Bytes == 0:
				t.Errorf("%s: %d bytes were sent, and %d came", test, end.SumSent.Bytes, end.SumReceived.Bytes)
			}
		}
	})
}

// What a program inside measures of --loss 1% --delay 50ms is that: 100 ms at least there
// and back, and of pings one in fifty is lost, of either a request or its reply.
func TestRunIsMeasuredInside(t *testing.T) {
	needProgram(t, "iperf3")
	const pings = 2000
	bad := []string{"--loss", "1%", "--delay", "50ms"}
	eachWay(t, func(t *testing.T, run runner) {
		for _, s := range iperf(t, run, slices.Clip(bad), "--bytes 200K")[0].End.Streams {
			if rtt := time.Duration(s.Sender.MinRTT) * time.Microsecond; rtt < 100*time.Millisecond || rtt > time.Second {
				t.Errorf("the smallest round trip of the program's TCP is %v", rtt)
			}
		}
		out, err := run(append(slices.Clip(bad), "--", "ping", "-q", "-i", "0.002", "-c", strconv.Itoa(pings), "10.0.2.2")...).Output()
		told := regexp.MustCompile(`(\d+) received[^=]*= ([\d.]+)/`).FindSubmatch(out)
		if err != nil || told == nil {
			t.Fatalf("%v\n%s", err, out)
		}
		received, _ := strconv.Atoi(string(told[1]))
		shortest, _ := strconv.ParseFloat(string(told[2]), 64)
		// 40 are expected to be lost, with a standard deviation of 6.
		if lost := pings - received; lost < 8 || lost > 90 || shortest < 100 {
			t.Errorf("%d of %d were lost, and the fastest took %v ms", lost, pings, shortest)
		}
	})
}
