package kernelcookie

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	ebpflink "github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/keyring"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

const (
	isolatedVariable = "HANDFAST_COOKIE_NAMESPACE"
	deviceName       = "hfk0"
	port             = 4430
)

// TestMain runs the tests again in a network namespace where that is allowed.
func TestMain(m *testing.M) {
	if os.Getenv(isolatedVariable) == "" {
		if code, err := stage.RunIsolated(isolatedVariable); err == nil {
			os.Exit(code)
		}
	}
	os.Exit(m.Run())
}

// side is the kernel's side: a TUN, listeners at its addresses, and the keys.
type side struct {
	device  link.Link
	listen  []netip.AddrPort
	servers []net.Listener
	ring    *keyring.Ring
}

// newSide makes one, of listeners with Multipath TCP or without.
func newSide(t *testing.T, mptcp bool) *side {
	t.Helper()
	if os.Getenv(isolatedVariable) == "" || os.Geteuid() != 0 {
		t.Skip("this needs root and a network namespace")
	}
	d, err := tun.Open(tun.Options{Name: deviceName})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := stage.Configure(deviceName, stage.KernelAddrs); err != nil {
		t.Fatal(err)
	}
	// How far away the clients of other tests were is not known here.
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_no_metrics_save", []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &side{device: d, ring: newRing(t)}
	var lc net.ListenConfig
	lc.SetMultipathTCP(mptcp)
	for _, p := range stage.KernelAddrs {
		to := netip.AddrPortFrom(p.Addr(), port)
		l, err := lc.Listen(t.Context(), "tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		s.listen, s.servers = append(s.listen, to), append(s.servers, l)
	}
	return s
}

// newRing is one of the seed that both sides have.
func newRing(t *testing.T) *keyring.Ring {
	t.Helper()
	r, err := keyring.New(func() ([][]byte, error) { return [][]byte{[]byte("a secret of 16 bytes or more")}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// arm arms the programs.
func (s *side) arm(t *testing.T, o Options) *Armed {
	t.Helper()
	keys, err := s.ring.Keys(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	o.Device, o.Listen = deviceName, s.listen
	a, err := Arm(o, keys)
	if errors.Is(err, syscall.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// attached is how many programs the device has.
func attached(t *testing.T) int {
	t.Helper()
	dev, err := net.InterfaceByName(deviceName)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ebpflink.QueryPrograms(ebpflink.QueryOptions{Target: dev.Index, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		t.Fatal(err)
	}
	return len(r.Programs)
}

// Whole connections come to a server of the kernel's by our cookies, and what it believes of the
// client is what it does without us, over IPv4 and IPv6. Detached, nothing of us is left.
func TestConnectionsAsWithoutUs(t *testing.T) {
	side := newSide(t, false)
	listen, servers := side.listen, side.servers
	host, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	if err := host.Attach(side.device, handfast.LinkOptions{Addresses: stage.OurAddrs}); err != nil {
		t.Fatal(err)
	}
	var alone []string
	for i, to := range listen {
		alone = append(alone, believed(t, host, servers[i], to))
	}
	a := side.arm(t, Options{Always: true})
	defer func() {
		if c, err := a.Counters(); t.Failed() {
			t.Logf("%+v, %v", c, err)
		}
	}()
	for i, to := range listen {
		if got := believed(t, host, servers[i], to); got != alone[i] {
			t.Errorf("%v: %s, without us %s", to, got, alone[i])
		}
	}
	if c, err := a.Counters(); err != nil || c.Sent != 2 || c.Received != 2 || c.Refused != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if n := attached(t); n != 2 {
		t.Errorf("%d programs are attached", n)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if n := attached(t); n != 0 {
		t.Errorf("%d programs are attached after Close", n)
	}
	believed(t, host, servers[0], listen[0]) // detached, the server is reachable
}

// believed makes a connection, and returns what the server's kernel thinks of it.
func believed(t *testing.T, host *handfast.Host, l net.Listener, to netip.AddrPort) string {
	t.Helper()
	c, err := host.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := make([]byte, 5)
	if _, err = c.Write([]byte("hello")); err == nil {
		_, err = io.ReadFull(s, b)
	}
	if err != nil || string(b) != "hello" {
		t.Fatal(err, string(b))
	}
	i := infoOf(t, s)
	return fmt.Sprintf("options %#x mss %d retransmitted %d", i.Options, i.Snd_mss, i.Total_retrans)
}

// infoOf is what the kernel says of a connection.
func infoOf(t *testing.T, c net.Conn) (i *unix.TCPInfo) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { i, err = unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO) })
	if err != nil {
		t.Fatal(err)
	}
	return i
}
