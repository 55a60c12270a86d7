package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link/tun"
)

// kernelSockets opens sockets of all kinds in this network namespace, and
// returns what keeps them.
func kernelSockets(t *testing.T) (all []io.Closer) {
	t.Helper()
	must := func(c io.Closer, err error) io.Closer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		return c
	}
	listen := func(network, address string) net.Listener {
		t.Helper()
		l, err := net.Listen(network, address)
		return must(l, err).(net.Listener)
	}
	pair := func(l net.Listener, address string) (client, server net.Conn) {
		t.Helper()
		c, err := net.Dial("tcp", address)
		must(c, err)
		s, err := l.Accept()
		return c, must(s, err).(net.Conn)
	}
	plain, both, six := listen("tcp4", "127.0.0.1:9091"), listen("tcp", "[::]:9090"), listen("tcp6", "[::]:9092")
	c, _ := pair(plain, "127.0.0.1:9091")
	io.WriteString(c, strings.Repeat("x", 1000)) // waits unread
	pair(both, "127.0.0.1:9090")                 // IPv4 over a socket of IPv6
	_, s := pair(six, "[::1]:9092")              // FIN-WAIT-2 and CLOSE-WAIT
	s.Close()
	c, s = pair(both, "[::1]:9090") // TIME-WAIT
	c.Close()
	s.Close()
	must(net.Dial("tcp", "[::1]:9092")) // nobody has accepted it
	udp := func(network, address string) net.PacketConn {
		t.Helper()
		u, err := net.ListenPacket(network, address)
		return must(u, err).(net.PacketConn)
	}
	udp("udp4", "127.0.0.1:5353")
	udp("udp", "[::]:5354")
	udp("udp6", "[::]:5355")
	c, err := net.Dial("udp", "127.0.0.1:5353")
	io.WriteString(must(c, err).(net.Conn), "hello")
	bound := net.ListenConfig{Control: onLoopback}
	u, err := bound.ListenPacket(t.Context(), "udp4", "0.0.0.0:5356")
	must(u, err)
	return all
}

func onLoopback(_, _ string, raw syscall.RawConn) (err error) {
	raw.Control(func(fd uintptr) {
		err = cmp.Or(unix.BindToDevice(int(fd), "lo"), unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TOS, 0x10))
	})
	return err
}

// kernelRoutes makes a device and ways behind it, where a TUN can be had.
func kernelRoutes(t *testing.T) {
	t.Helper()
	d, err := tun.Open(tun.Options{Name: "hfbeside"})
	if err != nil {
		t.Log("without a TUN the tables of routes are short: ", err)
		return
	}
	t.Cleanup(func() { d.Close() })
	if err := stage.Configure("hfbeside", prefixes{netip.MustParsePrefix("10.98.0.1/24"), netip.MustParsePrefix("fd98::1/64")}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ to, by string }{{"0.0.0.0/0", "10.98.0.9"}, {"10.97.0.0/16", "10.98.0.7"}, {"192.0.2.7/32", ""}, {"::/0", "fd98::9"}, {"2001:db8::5/128", ""}} {
		if out, err := exec.Command("ip", routeWords(r.to, r.by)...).CombinedOutput(); err != nil {
			t.Fatalf("route to %s: %v: %s", r.to, err, out)
		}
	}
	exec.Command("ip", "route", "add", "unreachable", "203.0.113.0/24").Run() // not every kernel takes it
}

func routeWords(to, by string) []string {
	words := []string{"route", "add", to}
	if by != "" {
		words = append(words, "via", by)
	}
	return append(words, "dev", "hfbeside")
}

// volatile is what differs from one look to the next, or between versions of
// iproute2; and what ours adds behind.
var volatile = regexp.MustCompile(` defence:\([^)]*\)| (lastsnd|lastrcv|lastack|rcv_wnd|rehash):\d+|,(\d+min)?[\d.]*(sec|ms),|\(\d+\.\d+/`)

// lines returns what was printed, without what differs, sorted: the order is
// another.
func lines(text string) (all []string) {
	text = strings.ReplaceAll(text, "PortProcess", "Port Process") // where ss forgets a space
	for line := range strings.Lines(text) {
		all = append(all, strings.TrimRight(volatile.ReplaceAllString(strings.TrimRight(line, " \n"), ""), " \t"))
	}
	slices.Sort(all)
	return all
}

// What we say about the kernel is what iproute2 and net-tools say, line by line
// and column by column. It stands before the tests that leave connections in the kernel of
// this namespace, whose timers differ from one look to the next: kernel_….
func TestBesideOtherTools(t *testing.T) {
	if os.Getenv(isolatedVariable) == "" {
		t.Skip("no network namespace here")
	}
	for _, c := range kernelSockets(t) {
		defer c.Close()
	}
	if _, err := exec.LookPath("ip"); err == nil {
		kernelRoutes(t)
	}
	for tool, all := range map[string][]string{
		"ss": {"-tan", "-tulpn", "-tuna", "-tanp", "-tanie", "-tani", "-tanme", "-s", "-tano", "-tan4", "-tan6", "-tln", "-H -tan", "-tanO", "-tanOi",
			"-tanb", "-A tcp -an", "-A udp,tcp -an", "-f inet -tuan", "-tn state time-wait", "-tupn state established", "-uanim", "-uane", "-ten", "-ta",
			"-tua", "-tai", "-tan autobound", "-uan dev = lo", "-tan src 127.0.0.0/8", "-tan dst [::1]", "-tan sport = :9090 or dport = :9092",
			"-f inet6 -tuan", "-tul", "-tunlpe", "-tanepm", "-tmi", "-tno state established", "-tan state connected", "-tan state synchronized", "-tan state bucket",
			"-tan state big", "-tan exclude time-wait", "-tan state close-wait state time-wait", "-tan not sport = 9090", "-tan sport gt 9090",
			"-tan ( sport = :9090 and dst 127.0.0.1 )", "-tan src :9091", "-tan dst 127.0.0.1:9091", "-tan src [::]:9090", "-tan src [::]", "-tan dst [::]:*",
			"-tan src ::/0", "-tan src 0.0.0.0/0", "-tan src [::ffff:127.0.0.1]:9090", "-tan dport lt 1024", "-uan state unconnected", "-tan dev lo",
			"-tan dev != lo", "-tuanmie", "-HtuanpO", "--tos -tuan", "-tanei --tos", "-lntu --tos"},
		"netstat": {"-antW", "-antpW", "-tulpn", "-antWe", "-antoW", "-tanueW", "-rn", "-rne", "-rn6", "-i", "-ia", "-s", "-st", "-su", "-lntW", "-nuW",
			"-antepW", "-tulpenW", "-4tanW", "-6 -lntW", "-nat --wide", "-nuoW", "-se", "-A inet -ntW", "--inet6 -ntaW", "-tanpoW", "-tanpoeW", "-rn4", "-gn"},
	} {
		t.Run(tool, func(t *testing.T) {
			if _, err := exec.LookPath(tool); err != nil {
				t.Skipf("there is no %s to compare with: install iproute2 and net-tools", tool)
			}
			for _, args := range all {
				compare(t, tool, strings.Fields(args))
			}
		})
	}
}

// compare runs the other tool, ours, and the other one again: a timer may fire
// in between. Some counts of the kernel are of the whole system, and may move and come back: so
// what differs is asked again.
func compare(t *testing.T, tool string, args []string) {
	t.Helper()
	theirs := func() []string {
		out, err := exec.Command(tool, args...).Output()
		if err != nil {
			t.Errorf("%s %v: %v", tool, args, err)
		}
		return lines(string(out))
	}
	different := "says something else each time"
	for range 5 {
		before := theirs()
		var out, errors bytes.Buffer
		if code := run(append([]string{tool, "--kernel"}, args...), &out, &errors); code != exitOK {
			t.Errorf("%s %v: code %d: %s", tool, args, code, &errors)
			return
		}
		if !slices.Equal(before, theirs()) {
			continue
		}
		ours := lines(out.String())
		if slices.Equal(ours, before) {
			return
		}
		different = fmt.Sprintf("says:\n%s\nand ours:\n%s", strings.Join(before, "\n"), strings.Join(ours, "\n"))
	}
	t.Errorf("%s %v %s", tool, args, different)
}
