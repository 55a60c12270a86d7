package wgnet_test

import (
	"io"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/wgnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// upLoopback makes 127.0.0.1 work, which in a new network namespace it does not.
func upLoopback(t testing.TB) {
	if lo, err := net.InterfaceByName("lo"); err == nil && lo.Flags&net.FlagUp == 0 {
		testnet.Up(t, "lo")
	}
}

// A host speaks with the kernel over wireguard-go's own driver, both as a client and as a
// server.
func TestLinkWithDriver(t *testing.T) {
	testnet.Need(t)
	checkGoroutines(t)
	d, err := tun.CreateTUN("wg-test", mtu)
	if err != nil {
		t.Skip(err)
	}
	l, err := wgnet.Link(d)
	if err != nil {
		t.Fatal(err)
	}
	testnet.Up(t, "wg-test")
	testnet.Address(t, "wg-test", netip.PrefixFrom(far4, 24))
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{netip.PrefixFrom(near4, 24)}}); err != nil {
		t.Fatal(err)
	}
	kernel, err := net.Listen("tcp", far4.String()+":7")
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	ours, err := h.Listen("tcp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	for _, listener := range []net.Listener{kernel, ours} {
		go func() {
			if c, err := listener.Accept(); err == nil {
				io.Copy(c, c)
				c.Close()
			}
		}()
	}
	echo(t, func() (net.Conn, error) { return h.Dial("tcp", far4.String()+":7") })
	echo(t, func() (net.Conn, error) { return net.Dial("tcp", near4.String()+":7") })
	if n, err := net.InterfaceByName("wg-test"); err != nil || n.MTU != mtu {
		t.Errorf("%+v, %v", n, err)
	}
	testnet.Delete(t, "wg-test")
	<-h.Done()
	if err := h.Err(); err == nil || os.IsPermission(err) {
		t.Errorf("the device is deleted: %v", err)
	}
}
