package gvproxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/containers/gvisor-tap-vsock/pkg/tap"
	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/stream"
)

const (
	ourAddress   = "192.168.127.9"
	theirAddress = "192.168.127.1"
)

// newSwitch is gvproxy's switch, with its endpoint and a stack on it that echoes what comes to
// port 7.
func newSwitch(t *testing.T) *tap.Switch {
	t.Helper()
	endpoint, err := tap.NewLinkEndpoint(false, 1500, "5a:94:ef:e4:0c:dd", theirAddress, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := tap.NewSwitch(false)
	endpoint.Connect(w)
	w.Connect(endpoint)
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	t.Cleanup(func() { s.Close(); s.Wait() })
	own := tcpip.AddrFrom4([4]byte{192, 168, 127, 1})
	if err := s.CreateNIC(1, endpoint); err != nil {
		t.Fatal(err)
	}
	address := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: own, PrefixLen: 24}}
	if err := s.AddProtocolAddress(1, address, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	l, err := gonet.ListenTCP(s, tcpip.FullAddress{NIC: 1, Addr: own, Port: 7}, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	return w
}

// dial is how a machine's program comes to the socket.
func dial(t *testing.T, network, path string) net.Conn {
	t.Helper()
	if network != "unixgram" {
		c, err := net.Dial(network, path)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c, err := net.DialUnix(network, &net.UnixAddr{Name: path + "-machine", Net: network}, &net.UnixAddr{Name: path, Net: network})
	if err == nil {
		_, err = c.Write([]byte("VFKT")) // as vfkit does, which gvproxy looks for
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each framing of gvproxy's carries a connection both ways with a half-close.
func TestFramings(t *testing.T) {
	for _, k := range []struct {
		name, network string
		framing       stream.Framing
		theirs        types.Protocol
	}{
		{"qemu", "unix", stream.QEMU, types.QemuProtocol},
		{"qemu found out", "unix", stream.Detect, types.QemuProtocol},
		{"qemu over TCP", "tcp", stream.QEMU, types.QemuProtocol},
		{"hyperkit", "unix", stream.HyperkitBare, types.HyperKitProtocol},
		{"vfkit", "unixgram", stream.Message, types.VfkitProtocol},
		{"bess", "unixpacket", stream.Message, types.BessProtocol},
	} {
		t.Run(k.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "net")
			if k.network == "tcp" {
				path = "127.0.0.1:0"
			}
			l, err := stream.Listen(k.network, path, stream.Options{Framing: k.framing})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			theirs := dial(t, k.network, l.Addr().String())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			w := newSwitch(t)
			if k.framing == stream.Detect { // by what the machine says first, here to nobody
				frame := make([]byte, 4+60)
				frame[3] = 60
				theirs.Write(frame)
			}
			go func() { ended <- w.Accept(ctx, theirs, k.theirs) }()
			ours, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			h, err := handfast.New(handfast.Config{})
			if err != nil {
				t.Fatal(err)
			}
			o := handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(ourAddress + "/24")}, NoConflictDetection: true}
			if err := h.Attach(ours, o); err != nil {
				t.Fatal(err)
			}
			exchange(t, h)
			h.Close()
			theirs.Close()
			<-ended
		})
	}
}

// exchange sends a megabyte and half-closes, and gets it back whole.
func exchange(t *testing.T, h *handfast.Host) {
	t.Helper()
	c, err := h.DialContext(t.Context(), "tcp", theirAddress+":7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := make([]byte, 1<<20)
	for r, i := rand.New(rand.NewPCG(1, 2)), 0; i < len(sent); i++ {
		sent[i] = byte(r.Uint32())
	}
	go func() {
		c.Write(sent)
		c.(*handfast.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back, %x, %v; want %d, %x", len(got), sha256.Sum256(got), err, len(sent), sha256.Sum256(sent))
	}
}
