package packet_test

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/packet"
)

var _ link.Link = (*packet.Device)(nil)

func TestMain(m *testing.M) { testnet.Main(m) }

var ours = link.HardwareAddr{2, 0, 0, 0x77, 0, 2}

// cable makes a veth pair: the kernel has the end hk0, with an address, and hf0
// is for us.
func cable(t testing.TB, kernel netip.Prefix) {
	t.Helper()
	testnet.Need(t)
	testnet.Veth(t, "hf0", "hk0")
	t.Cleanup(func() {
		if _, err := net.InterfaceByName("hk0"); err == nil {
			testnet.Delete(t, "hk0")
		}
	})
	testnet.Up(t, "hf0")
	testnet.Up(t, "hk0")
	testnet.AwaitRunning(t, "hf0", "hk0")
	testnet.Address(t, "hk0", kernel)
}

func open(t testing.TB, o packet.Options) *packet.Device {
	t.Helper()
	d, err := packet.Open(o)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func hardware(t testing.TB, name string) link.HardwareAddr {
	t.Helper()
	device, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link.HardwareAddr(device.HardwareAddr)
}

// connected opens one end of a cable. The kernel knows our address already.
func connected(t testing.TB, o packet.Options, v6 bool) (*packet.Device, *testnet.Peer) {
	t.Helper()
	kernel, local := netip.MustParsePrefix("10.77.0.1/24"), netip.MustParseAddr("10.77.0.2")
	if v6 {
		kernel, local = netip.MustParsePrefix("fd77::1/64"), netip.MustParseAddr("fd77::2")
	}
	cable(t, kernel)
	o.Name = "hf0"
	d := open(t, o)
	testnet.Neighbour(t, "hk0", local, d.Attributes().HardwareAddr)
	return d, &testnet.Peer{T: t, Link: d, Local: local, Remote: kernel.Addr(), Gateway: hardware(t, "hk0")}
}

// variants runs test with the device's hardware address and with one of our
// own, on both versions of IP.
func variants(t *testing.T, test func(*testnet.Peer)) {
	for _, v := range []struct {
		name    string
		address link.HardwareAddr
		v6      bool
	}{
		{"IPv4", link.HardwareAddr{}, false},
		{"IPv6", link.HardwareAddr{}, true},
		{"IPv4, own address", ours, false},
		{"IPv6, own address", ours, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			_, peer := connected(t, packet.Options{HardwareAddr: v.address}, v.v6)
			test(peer)
		})
	}
}

func TestDatagramBothWays(t *testing.T) { variants(t, (*testnet.Peer).ExchangeDatagrams) }

func TestSuperSegmentsBothWays(t *testing.T) { variants(t, (*testnet.Peer).ExchangeSuperSegments) }

func TestAttributes(t *testing.T) {
	cable(t, netip.MustParsePrefix("10.77.0.1/24"))
	testnet.MTU(t, "hf0", 1400)
	want := link.Attributes{Name: "hf0", Medium: link.Ethernet, MTU: 1400, Queues: 1, HardwareAddr: hardware(t, "hf0"),
		MaxGSO: 65535, ChecksumOffload: true}
	d := open(t, packet.Options{Name: "hf0"})
	if got := d.Attributes(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want.HardwareAddr, want.MTU, want.Queues = ours, 1300, 2
	if got := open(t, packet.Options{Name: "hf0", HardwareAddr: ours, MTU: 1300, Queues: 2}).Attributes(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	device, err := net.InterfaceByName("hf0")
	if err != nil || device.Index != d.Index() {
		t.Errorf("index is %d, want that of %v, %v", d.Index(), device, err)
	}
}

// Frames to others, and those that we sent ourselves, do not come.
func TestFilter(t *testing.T) {
	_, peer := connected(t, packet.Options{HardwareAddr: ours}, false)
	other := netip.MustParseAddr("10.77.0.3")
	testnet.Neighbour(t, "hk0", other, [6]byte{2, 0, 0, 0x77, 0, 3})
	elsewhere := *peer
	elsewhere.Local = other
	c := elsewhere.Dial("udp")
	c.Write([]byte("to somebody else"))
	peer.LocalPort, peer.RemotePort = 80, 9
	peer.SendUDP([]byte("from us"))
	c = peer.Dial("udp")
	c.Write([]byte("to us"))
	for {
		batch := make([]*buf.Packet, 1)
		if _, err := peer.Link.Read(0, batch); err != nil {
			t.Fatal(err)
		}
		frame := batch[0].Data
		if group := frame[0]&1 != 0; !group && link.HardwareAddr(frame[:6]) != ours {
			t.Errorf("received a frame to %x", frame[:6])
		}
		if link.HardwareAddr(frame[6:12]) == ours {
			t.Error("received our own frame")
		}
		if strings.HasSuffix(string(frame), "to us") {
			return
		}
	}
}

func TestQueues(t *testing.T) {
	_, peer := connected(t, packet.Options{Queues: 3}, false)
	peer.SpreadFlows()
}

func TestCloseEndsReads(t *testing.T) {
	d, _ := connected(t, packet.Options{Queues: 2}, false)
	testnet.CheckClose(t, d)
}

func TestDeviceThatVanishes(t *testing.T) {
	_, peer := connected(t, packet.Options{}, false)
	peer.CheckVanishes("hk0")
}

// A device that goes down may come back.
func TestDeviceThatIsDown(t *testing.T) {
	d, peer := connected(t, packet.Options{}, false)
	testnet.Down(t, "hf0")
	if err := d.Write(0, []*buf.Packet{peer.SegmentPacket(nil)}); err != nil || d.Drops().Write.Load() != 1 {
		t.Errorf("write: %v, %d drops; want none, 1", err, d.Drops().Write.Load())
	}
	var reader sync.WaitGroup
	reader.Go(func() { peer.Await(wire.ProtoUDP).Release() })
	testnet.Up(t, "hf0")
	testnet.AwaitRunning(t, "hf0", "hk0")
	c := peer.Dial("udp")
	c.Write([]byte("back again"))
	reader.Wait()
	peer.SendUDP([]byte("indeed"))
	answer := make([]byte, 10)
	if n, err := c.Read(answer); err != nil || string(answer[:n]) != "indeed" {
		t.Errorf("the kernel received %q, %v", answer[:n], err)
	}
}

// What the kernel does not take does not hold up what follows.
func TestFramesThatTheKernelDoesNotTake(t *testing.T) {
	d, peer := connected(t, packet.Options{}, false)
	c := peer.Dial("udp")
	c.Write([]byte("question"))
	peer.Await(wire.ProtoUDP).Release()
	tooLong := peer.Packet(wire.ProtoUDP, make([]byte, 8), 6, make([]byte, 3000), 0)
	invalid := peer.SegmentPacket(make([]byte, 3000))
	invalid.Checksum = buf.ChecksumFull
	if err := d.Write(0, []*buf.Packet{tooLong, invalid}); err != nil {
		t.Error(err)
	}
	if got := d.Drops().Write.Load(); got != 2 {
		t.Errorf("%d drops, want 2", got)
	}
	peer.SendUDP([]byte("answer"))
	answer := make([]byte, 10)
	if n, err := c.Read(answer); err != nil || string(answer[:n]) != "answer" {
		t.Errorf("the kernel received %q, %v", answer[:n], err)
	}
}

// More than one system call's worth goes out in order.
func TestLargeBatch(t *testing.T) {
	d, peer := connected(t, packet.Options{}, false)
	c := peer.Dial("udp")
	c.Write([]byte("question"))
	peer.Await(wire.ProtoUDP).Release()
	batch := make([]*buf.Packet, 150)
	for i := range batch {
		h := wire.UDP{SrcPort: peer.LocalPort, DstPort: peer.RemotePort, Length: 9}
		batch[i] = peer.Packet(wire.ProtoUDP, h.Append(nil), 6, []byte{byte(i)}, 0)
	}
	if err := d.Write(0, batch); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 10)
	for i := range batch {
		if n, err := c.Read(answer); n != 1 || int(answer[0]) != i {
			t.Fatalf("datagram %d has %v, %v", i, answer[:n], err)
		}
	}
}

func TestErrors(t *testing.T) {
	testnet.Need(t)
	testnet.Up(t, "lo")
	for name, says := range map[string]string{
		"nowhere0": `no device "nowhere0"`,
		"lo":       "not an Ethernet device",
	} {
		if _, err := packet.Open(packet.Options{Name: name}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want an error that says %q", name, err, says)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	_, peer := connected(t, packet.Options{HardwareAddr: ours}, false)
	peer.CheckAllocations()
}

// A socket that was opened elsewhere works as a device by its file, also when who
// opened it has let go.
func TestFromFile(t *testing.T) {
	variants(t, func(peer *testnet.Peer) {
		opened := peer.Link.(*packet.Device)
		f, err := opened.File(0)
		if err != nil {
			peer.T.Fatal(err)
		}
		defer f.Close()
		a := opened.Attributes()
		d, err := packet.FromFile(f, packet.Options{Name: a.Name, HardwareAddr: a.HardwareAddr, MTU: a.MTU})
		if err != nil {
			peer.T.Fatal(err)
		}
		defer d.Close()
		if d.Attributes() != a || d.Index() != opened.Index() {
			peer.T.Errorf("%+v, opened as %+v", d.Attributes(), a)
		}
		if err := opened.Close(); err != nil {
			peer.T.Error(err)
		}
		peer.Link = d
		peer.ExchangeDatagrams()
	})
}

// What is no bound packet socket, and what lacks an address or the MTU, is refused in
// a sentence.
func TestFromFileRefuses(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		o    packet.Options
		want string
	}{
		{packet.Options{HardwareAddr: ours}, "MTU"}, {packet.Options{MTU: 1500}, "HardwareAddr"},
		{packet.Options{MTU: 67, HardwareAddr: ours}, "68 to"}, {packet.Options{MTU: 1500, HardwareAddr: ours}, "packet socket"},
	} {
		if _, err := packet.FromFile(null, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}
