package fastopen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link/tun"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// TestFastOpen has each side dial the other three times. The first connection asks for a
// cookie, and of the others the request is on the SYN, as both ends say.
func TestFastOpen(t *testing.T) {
	testnet.Need(t)
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("v6 %v", v6), func(t *testing.T) {
			d, err := tun.Open(tun.Options{})
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
			if err := os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("3"), 0); err != nil {
				t.Skip(err)
			}
			h, err := handfast.New(handfast.Config{TCP: tcp.Config{FastOpen: fastopen.Client | fastopen.Server}})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if err := h.Attach(d, handfast.LinkOptions{Addresses: []netip.Prefix{ours}}); err != nil {
				t.Fatal(err)
			}
			weDial(t, h, kernel.Addr())
			kernelDials(t, h, ours.Addr())
			n := h.Counters().TCP
			if n.TCPFastOpenActive != 2 || n.TCPFastOpenActiveFail != 0 || n.TCPFastOpenPassive != 2 || n.TCPFastOpenPassiveFail != 0 || n.TCPFastOpenCookieReqd != 1 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// option returns a Control that sets an option of TCP.
func option(name, value int) func(_, _ string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, name, value) })
		return err
	}
}

func weDial(t *testing.T, h *handfast.Host, at netip.Addr) {
	t.Helper()
	cfg := net.ListenConfig{Control: option(unix.TCP_FASTOPEN, 10)}
	l, err := cfg.Listen(context.Background(), "tcp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 3 {
		d := handfast.Dialer{Host: h, FastOpen: true}
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		check(t, fmt.Sprintf("our connection %d", i), c, l, i > 0)
	}
}

func kernelDials(t *testing.T, h *handfast.Host, at netip.Addr) {
	t.Helper()
	l, err := h.ListenTCP("tcp", netip.AddrPortFrom(at, 80).String(), handfast.ListenOptions{FastOpen: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 3 {
		d := net.Dialer{Control: option(unix.TCP_FASTOPEN_CONNECT, 1)}
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		check(t, fmt.Sprintf("the kernel's connection %d", i), c, l, i > 0)
	}
}

// check has a request and its answer pass, and asks both ends whether the request was on
// the SYN.
func check(t *testing.T, what string, c net.Conn, l net.Listener, want bool) {
	t.Helper()
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte("request")); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer s.Close()
	s.SetDeadline(time.Now().Add(time.Minute))
	for _, way := range [][2]net.Conn{{nil, s}, {s, c}} {
		if way[0] != nil {
			way[0].Write([]byte("request"))
		}
		if _, err := io.ReadFull(way[1], make([]byte, 7)); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if a, b := onSyn(t, c), onSyn(t, s); a != want || b != want {
		t.Errorf("%s: the request was on the SYN: want %v, the client says %v, the server %v", what, want, a, b)
	}
}

// onSyn reports whether an end says that text on the SYN has come through.
func onSyn(t *testing.T, c net.Conn) bool {
	if ours, ok := c.(*handfast.TCPConn); ok {
		i, err := ours.Info()
		if err != nil {
			t.Error(err)
		}
		return i.FastOpen
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var i *unix.TCPInfo
	raw.Control(func(fd uintptr) { i, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil {
		t.Fatal(err)
	}
	const synData = 32 // TCPI_OPT_SYN_DATA
	return i.Options&synData != 0
}
