package tun_test

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

var _ link.Link = (*tun.Device)(nil)

func TestMain(m *testing.M) { testnet.Main(m) }

// open opens a device that the test has for itself.
func open(t testing.TB, o tun.Options) *tun.Device {
	t.Helper()
	testnet.Need(t)
	d, err := tun.Open(o)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// connected opens a device, brings it up and gives the kernel's side the first
// address of the test's network. The peer has the second.
func connected(t testing.TB, o tun.Options, v6 bool) (*tun.Device, *testnet.Peer) {
	t.Helper()
	d := open(t, o)
	testnet.Up(t, d.Name())
	kernel, ours := netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("10.77.0.2")
	bits := 24
	if v6 {
		kernel, ours, bits = netip.MustParseAddr("fd77::1"), netip.MustParseAddr("fd77::2"), 64
	}
	testnet.Address(t, d.Name(), netip.PrefixFrom(kernel, bits))
	peer := &testnet.Peer{T: t, Link: d, Local: ours, Remote: kernel}
	if o.Ethernet {
		testnet.Neighbour(t, d.Name(), ours, d.Attributes().HardwareAddr)
		device, err := net.InterfaceByName(d.Name())
		if err != nil {
			t.Fatal(err)
		}
		peer.Gateway = link.HardwareAddr(device.HardwareAddr)
	}
	return d, peer
}

// variants runs test with and without offload, on both versions of IP.
func variants(t *testing.T, test func(t *testing.T, o tun.Options, v6 bool)) {
	for _, v := range []struct {
		name    string
		options tun.Options
		v6      bool
	}{
		{"IPv4", tun.Options{Name: "hf0"}, false},
		{"IPv6", tun.Options{Name: "hf0"}, true},
		{"IPv4, plain", tun.Options{Name: "hf0", NoOffload: true}, false},
		{"IPv6, plain", tun.Options{Name: "hf0", NoOffload: true}, true},
		{"IPv4, TAP", tun.Options{Name: "hf0", Ethernet: true}, false},
		{"IPv6, TAP", tun.Options{Name: "hf0", Ethernet: true}, true},
		{"IPv4, TAP, plain", tun.Options{Name: "hf0", Ethernet: true, NoOffload: true}, false},
	} {
		t.Run(v.name, func(t *testing.T) { test(t, v.options, v.v6) })
	}
}

func TestDatagramBothWays(t *testing.T) {
	variants(t, func(t *testing.T, o tun.Options, v6 bool) {
		_, peer := connected(t, o, v6)
		peer.ExchangeDatagrams()
	})
}

func TestSuperSegmentsBothWays(t *testing.T) {
	variants(t, func(t *testing.T, o tun.Options, v6 bool) {
		if !o.NoOffload {
			_, peer := connected(t, o, v6)
			peer.ExchangeSuperSegments()
		}
	})
}

func TestAttributes(t *testing.T) {
	d := open(t, tun.Options{Name: "hf%d"})
	want := link.Attributes{Name: "hf0", Medium: link.IP, MTU: 1500, Queues: 1, MaxGSO: 65535, ChecksumOffload: true}
	if got := d.Attributes(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	tap := open(t, tun.Options{Name: "hftap", Ethernet: true, NoOffload: true})
	onTAP := link.Attributes{Name: "hftap", Medium: link.Ethernet, MTU: 1500, Queues: 1, HardwareAddr: link.HardwareAddr{2, 'h', 'f', 0, 0, 1}}
	if got := tap.Attributes(); got != onTAP {
		t.Errorf("got %+v, want %+v", got, onTAP)
	}
	device, err := net.InterfaceByName("hf0")
	if err != nil || device.Index != d.Index() {
		t.Errorf("index is %d, want that of %v, %v", d.Index(), device, err)
	}
	plain := open(t, tun.Options{Name: "hf%d", NoOffload: true, MTU: 9000})
	want = link.Attributes{Name: "hf1", Medium: link.IP, MTU: 9000, Queues: 1}
	if got := plain.Attributes(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestQueues(t *testing.T) {
	d, peer := connected(t, tun.Options{Name: "hf0", Queues: 3}, false)
	if got := d.Attributes().Queues; got != 3 {
		t.Fatalf("%d queues, want 3", got)
	}
	peer.SpreadFlows()
}

func TestCloseEndsReads(t *testing.T) {
	testnet.CheckClose(t, open(t, tun.Options{Name: "hf0", Queues: 2}))
}

func TestDeviceThatVanishes(t *testing.T) {
	_, peer := connected(t, tun.Options{Name: "hf0"}, false)
	peer.CheckVanishes("hf0")
}

func TestPacketsThatTheKernelDoesNotTake(t *testing.T) {
	d, peer := connected(t, tun.Options{Name: "hf0"}, false)
	super := peer.Packet(wire.ProtoTCP, make([]byte, 20), 16, make([]byte, 3000), 1000)
	super.Checksum = buf.ChecksumFull
	notIP := buf.NewPacket()
	notIP.Data = append(notIP.Data, "\xff neither 4 nor 6"...)
	if err := d.Write(0, []*buf.Packet{super, notIP}); err != nil {
		t.Errorf("write: %v", err)
	}
	if got := d.Drops().Write.Load(); got != 2 {
		t.Errorf("%d drops, want 2", got)
	}
	testnet.Down(t, "hf0")
	peer.SendUDP([]byte("nobody is there"))
	if got := d.Drops().Write.Load(); got != 3 {
		t.Errorf("%d drops with the device down, want 3", got)
	}
}

// An error says what to do.
func TestErrors(t *testing.T) {
	open(t, tun.Options{Name: "hf0"})
	for _, c := range []struct {
		name  string
		cause error
		says  string
	}{
		{"hf0", unix.EBUSY, "in use by another program"},
		{"lo", unix.EINVAL, "not a TUN device"},
		{"a-name-that-is-too-long", nil, "longer than 15 bytes"},
	} {
		d, err := tun.Open(tun.Options{Name: c.name})
		if err == nil {
			d.Close()
			t.Errorf("%s: no error", c.name)
			continue
		}
		if c.cause != nil && !errors.Is(err, c.cause) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want one that says %q", c.name, err, c.says)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	_, peer := connected(t, tun.Options{Name: "hf0"}, false)
	peer.CheckAllocations()
}

// A device that was opened elsewhere works by its file: the whole of it, also when
// who opened it has let go.
func TestFromFile(t *testing.T) {
	variants(t, func(t *testing.T, o tun.Options, v6 bool) {
		opened, peer := connected(t, o, v6)
		f, err := opened.File(0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		d, err := tun.FromFile(f, tun.Options{MTU: 1500})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if a, b := d.Attributes(), opened.Attributes(); a != b {
			t.Errorf("%+v, opened as %+v", a, b)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
		peer.Link = d
		peer.ExchangeDatagrams()
	})
}

// What is no TUN device, and what lacks the MTU, is refused in a sentence.
func TestFromFileRefuses(t *testing.T) {
	d := open(t, tun.Options{Name: "hf0"})
	f, err := d.File(0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		f    *os.File
		mtu  int
		want string
	}{{f, 0, "MTU"}, {f, 67, "68 to"}, {null, 1500, "TUN"}} {
		if _, err := tun.FromFile(c.f, tun.Options{MTU: c.mtu}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, MTU %d: %v", c.f.Name(), c.mtu, err)
		}
	}
}
