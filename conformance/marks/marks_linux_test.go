package marks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// marker is a link that marks every tenth packet of each direction that may be marked.
type marker struct {
	link.Link
	in, out atomic.Int64
}

func (m *marker) Read(queue int, batch []*buf.Packet) (int, error) {
	n, err := m.Link.Read(queue, batch)
	for _, p := range batch[:n] {
		mark(p, &m.in)
	}
	return n, err
}

func (m *marker) Write(queue int, batch []*buf.Packet) error {
	for _, p := range batch {
		mark(p, &m.out)
	}
	return m.Link.Write(queue, batch)
}

func mark(p *buf.Packet, count *atomic.Int64) {
	if b := p.Data[p.L3:]; wire.Markable(b) && count.Add(1)%10 == 0 {
		wire.MarkCE(b)
	}
}

// What the kernel calls the modes.
var sysctl = map[cc.ECNMode]string{cc.ECNOff: "0", cc.ECNPassive: "2", cc.ECNOn: "1", cc.ECNAccuratePassive: "5", cc.ECNAccurateClassic: "4", cc.ECNAccurate: "3"}

// agrees reports whether who asks so and who takes so have ECN, and whether AccECN.
func agrees(asks, takes cc.ECNMode) (ecn, accurate bool) {
	return asks.Asks() && takes.Takes(), asks.AsksAccurate() && takes.TakesAccurate()
}

// TestMarks goes through every mode of ours and of the kernel's, and both ways to open a
// connection; then each sends the other a megabyte, of which a part is marked.
func TestMarks(t *testing.T) {
	testnet.Need(t)
	for _, v6 := range []bool{false, true} {
		for _, offload := range []bool{true, false} {
			t.Run(fmt.Sprintf("v6 %v, offload %v", v6, offload), func(t *testing.T) {
				d, err := tun.Open(tun.Options{NoOffload: !offload})
				if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				testnet.Up(t, d.Name())
				kernel, ours := netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("10.77.0.2/24")
				if v6 {
					kernel, ours = netip.MustParsePrefix("fd77::1/64"), netip.MustParsePrefix("fd77::2/64")
				}
				testnet.Address(t, d.Name(), kernel)
				h, err := handfast.New(handfast.Config{})
				if err != nil {
					t.Fatal(err)
				}
				defer h.Close()
				if err := h.Attach(&marker{Link: d}, handfast.LinkOptions{Addresses: []netip.Prefix{ours}}); err != nil {
					t.Fatal(err)
				}
				for k, value := range sysctl {
					switch err := os.WriteFile("/proc/sys/net/ipv4/tcp_ecn", []byte(value), 0); {
					case errors.Is(err, unix.EINVAL) && k > cc.ECNOn: // the kernel does not know AccECN, or keeps it off
						t.Logf("no mode %v of the kernel", k)
						continue
					case err != nil:
						t.Skip(err)
					}
					for mode := cc.ECNOff; mode <= cc.ECNAccurate; mode++ {
						kernelDials(t, h, ours.Addr(), k, mode)
						weDial(t, h, kernel.Addr(), k, mode)
					}
				}
			})
		}
	}
}

func kernelDials(t *testing.T, h *handfast.Host, at netip.Addr, kernel, ours cc.ECNMode) {
	l, err := h.ListenTCP("tcp", netip.AddrPortFrom(at, 80).String(), handfast.ListenOptions{ECN: ours})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", netip.AddrPortFrom(at, 80).String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	check(t, fmt.Sprintf("kernel %v dials, ours %v", kernel, ours), h, a, c, kernel, ours)
}

func weDial(t *testing.T, h *handfast.Host, at netip.Addr, kernel, ours cc.ECNMode) {
	l, err := net.Listen("tcp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := handfast.Dialer{Host: h, ECN: ours}
	a, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	check(t, fmt.Sprintf("ours %v dials, kernel %v", ours, kernel), h, a, c, ours, kernel)
}

// check has both ends send, and asks each what it has seen.
func check(t *testing.T, what string, h *handfast.Host, ours, kernels net.Conn, asks, takes cc.ECNMode) {
	t.Helper()
	want, accurate := agrees(asks, takes)
	defer ours.Close()
	defer kernels.Close()
	deadline := time.Now().Add(time.Minute)
	ours.SetDeadline(deadline)
	kernels.SetDeadline(deadline)
	const size = 1 << 20
	for _, way := range [][2]net.Conn{{ours, kernels}, {kernels, ours}} {
		done := make(chan error, 1)
		go func() {
			_, err := way[0].Write(make([]byte, size))
			done <- err
		}()
		if n, err := io.CopyN(io.Discard, way[1], size); err != nil {
			t.Fatalf("%s: %d bytes, %v", what, n, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	us, them := infoOf(h, ours), kernelInfo(t, kernels)
	const agreed, seen = 8, 16 // TCPI_OPT_ECN, TCPI_OPT_ECN_SEEN
	if us.ECN != want || us.ECNSeen != want || them.Options&agreed != 0 != want || them.Options&seen != 0 != want {
		t.Errorf("%s: want ECN %v; ours has %v, seen %v; the kernel's %#x", what, want, us.ECN, us.ECNSeen, them.Options)
	}
	if us.DeliveredCE > 0 != want || them.Delivered_ce > 0 != want {
		t.Errorf("%s: want marks %v; of ours %d are known, of the kernel's %d", what, want, us.DeliveredCE, them.Delivered_ce)
	}
	if us.AccECN != accurate {
		t.Errorf("%s: want AccECN %v", what, accurate)
	}
	if want && us.SndSsthresh == 0 {
		t.Errorf("%s: our window was not reduced", what)
	}
}

func infoOf(h *handfast.Host, c net.Conn) (i tcp.Info) {
	for k := range h.Connections() {
		if k.Local.String() == c.LocalAddr().String() && k.Remote.String() == c.RemoteAddr().String() {
			i = k.Info
		}
	}
	return i
}

func kernelInfo(t *testing.T, c net.Conn) (i *unix.TCPInfo) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { i, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil {
		t.Fatal(err)
	}
	return i
}
