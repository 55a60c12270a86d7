package xdp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/compiled"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link"
)

var _ link.Link = (*Device)(nil)

func TestMain(m *testing.M) { testnet.Main(m) }

var (
	kernel4, kernel6 = netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")
	ours4, ours6     = netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")
)

// cable makes a veth pair: the kernel has the end hk0, as behind a wire, and hf0 is for us.
func cable(t testing.TB) {
	t.Helper()
	testnet.Need(t)
	testnet.Veth(t, "hf0", "hk0")
	t.Cleanup(func() {
		if _, err := net.InterfaceByName("hk0"); err == nil {
			testnet.Delete(t, "hk0")
		}
	})
	if err := stage.SwitchOff("hk0", "tx-checksum-ip-generic"); err != nil {
		t.Fatal(err)
	}
	testnet.Up(t, "hf0")
	testnet.Up(t, "hk0")
	testnet.AwaitRunning(t, "hf0", "hk0")
	testnet.Address(t, "hk0", kernel4)
	testnet.Address(t, "hk0", kernel6)
}

func open(t testing.TB, generic bool) *Device {
	t.Helper()
	d, err := Open(Options{Name: "hf0", Addresses: []netip.Addr{ours4.Addr(), ours6.Addr()}, Generic: generic})
	if errors.Is(err, syscall.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if d.Native() == generic {
		t.Fatalf("native is %v", d.Native())
	}
	return d
}

// variants runs test with native and with generic XDP, over both versions of IP. The kernel knows
// our address already.
func variants(t *testing.T, test func(*Device, *testnet.Peer)) {
	for _, generic := range []bool{false, true} {
		for _, addresses := range [][2]netip.Prefix{{ours4, kernel4}, {ours6, kernel6}} {
			t.Run(fmt.Sprintf("generic=%v/%v", generic, addresses[0]), func(t *testing.T) {
				cable(t)
				d := open(t, generic)
				hk0, err := net.InterfaceByName("hk0")
				if err != nil {
					t.Fatal(err)
				}
				p := &testnet.Peer{T: t, Link: d, Local: addresses[0].Addr(), Remote: addresses[1].Addr(), Gateway: [6]byte(hk0.HardwareAddr)}
				testnet.Neighbour(t, "hk0", p.Local, d.Attributes().HardwareAddr)
				test(d, p)
			})
		}
	}
}

func TestDatagramBothWays(t *testing.T) {
	variants(t, func(_ *Device, p *testnet.Peer) { p.ExchangeDatagrams() })
}

func TestAllocations(t *testing.T) {
	variants(t, func(_ *Device, p *testnet.Peer) { p.CheckAllocations() })
}

func TestCloseEndsReads(t *testing.T) {
	variants(t, func(d *Device, p *testnet.Peer) { testnet.CheckClose(p.T.(*testing.T), d) })
}

func TestDeviceThatVanishes(t *testing.T) {
	variants(t, func(_ *Device, p *testnet.Peer) { p.CheckVanishes("hk0") })
}

// A host of ours finds its neighbour and is found, and the kernel sends it much and gets it back: the
// rings go round many times.
func TestHost(t *testing.T) {
	const size = 8 << 20
	for _, generic := range []bool{false, true} {
		cable(t)
		h, err := handfast.New(handfast.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Attach(open(t, generic), handfast.LinkOptions{Addresses: []netip.Prefix{ours4, ours6}}); err != nil {
			t.Fatal(err)
		}
		l, err := h.Listen("tcp", ":7")
		if err != nil {
			t.Fatal(err)
		}
		go echo(l)
		for _, a := range []netip.Prefix{ours4, ours6} {
			checkEcho(t, netip.AddrPortFrom(a.Addr(), 7).String(), size)
		}
		h.Close()
		testnet.Delete(t, "hk0")
	}
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

func checkEcho(t *testing.T, address string, size int) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(text)
	go func() {
		c.Write(text)
		c.(*net.TCPConn).CloseWrite()
	}()
	back, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(back, text) {
		t.Errorf("%s: %d of %d bytes came back, %v", address, len(back), size, err)
	}
}

// The kernel has an address at the same device, and answers for it; what is ours it does not see.
func TestKernelKeepsTheRest(t *testing.T) {
	cable(t)
	testnet.Address(t, "hf0", netip.MustParsePrefix("10.77.0.9/24"))
	d := open(t, false)
	wire := rawAt(t, "hk0")
	for _, target := range []string{"10.77.0.9", "10.77.0.2"} {
		wire.ask(netip.MustParseAddr(target))
	}
	if from := wire.answer(); from != netip.MustParseAddr("10.77.0.9") {
		t.Errorf("%v answered", from)
	}
	batch := make([]*buf.Packet, 8)
	for {
		n, err := d.Read(0, batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range batch[:n] {
			target, arp := arpTarget(p.Data)
			if arp && target == ours4.Addr() {
				return
			}
			t.Errorf("a frame came that is not ours: % x", p.Data)
		}
	}
}

// Where there is no room a frame is dropped and counted, and nothing waits.
func TestWriteWithoutRoom(t *testing.T) {
	variants(t, func(d *Device, p *testnet.Peer) {
		long := p.Packet(17, make([]byte, 8), 6, make([]byte, 3000), 0)
		partial := p.SegmentPacket(nil)
		partial.Checksum = buf.ChecksumPartial
		super := p.SegmentPacket(make([]byte, 100))
		super.GSOSize = 50
		if err := d.Write(0, []*buf.Packet{long, partial, super}); err != nil || d.Drops().Write.Load() != 3 {
			p.T.Errorf("%v, %d drops; want none, 3", err, d.Drops().Write.Load())
		}
		testnet.Down(p.T, "hf0")
		many := make([]*buf.Packet, frames+10)
		for i := range many {
			many[i] = p.SegmentPacket(nil)
		}
		if err := d.Write(0, many); err != nil || d.Drops().Write.Load() != 13 {
			p.T.Errorf("%v, %d drops; want none, 13", err, d.Drops().Write.Load())
		}
		testnet.Up(p.T, "hf0")
		testnet.AwaitRunning(p.T, "hf0", "hk0")
		p.ExchangeDatagrams()
	})
}

// The object file is what its source is compiled to.
func TestObjectIsOfItsSource(t *testing.T) { compiled.Check(t, "bpf/steer.o", object) }

func TestRefused(t *testing.T) {
	cable(t)
	d := open(t, false)
	check := func(name, says string) {
		t.Helper()
		if d, err := Open(Options{Name: name}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
			if d != nil {
				d.Close()
			}
		}
	}
	check("hf0", "has an XDP program already")
	check("nosuch", "ip link shows which there are")
	check("lo", "not an Ethernet device")
	d.Close()
	testnet.MTU(t, "hf0", 9000)
	check("hf0", "3826 at most")
	testnet.MTU(t, "hf0", 1500)
	for range 20 { // what was given back can be had again, and at once
		open(t, false).Close()
	}
}
