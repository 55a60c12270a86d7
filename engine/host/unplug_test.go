package host

import (
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// What is meant for a link that is gone leaves by another one only where a route
// of the same length says so.
func TestUnplug(t *testing.T) {
	h := New(Config{})
	plug := func(address string, routes ...string) (iface int) {
		iface = h.AddLink(LinkConfig{MTU: 1500})
		if err := h.AddAddress(iface, netip.MustParsePrefix(address)); err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if err := h.AddRoute(netip.MustParsePrefix(r), netip.Addr{}, iface); err != nil {
				t.Fatal(err)
			}
		}
		return iface
	}
	want := func(dst string, iface int, source string) {
		t.Helper()
		a := wire.AddrFrom(netip.MustParseAddr(dst))
		if got, ok := h.LinkTo(a); !ok || got != iface {
			t.Errorf("%s leaves by link %d (%v), want %d", dst, got, ok, iface)
		}
		if got, _, ok := h.Source(a); !ok || got.String() != source {
			t.Errorf("%s is spoken to from %v (%v), want %s", dst, got, ok, source)
		}
	}
	first := plug("10.1.0.1/24", "0.0.0.0/0", "172.16.0.0/12")
	second := plug("10.2.0.1/24", "0.0.0.0/0")
	want("192.0.2.1", first, "10.1.0.1")
	want("172.16.0.1", first, "10.1.0.1")

	h.Unplug(first)
	if h.HasAddress(wire.AddrFrom(netip.MustParseAddr("10.1.0.1"))) {
		t.Error("the link's address is still ours")
	}
	want("192.0.2.1", second, "10.2.0.1")
	want("172.16.0.1", first, "10.2.0.1")
	want("10.1.0.9", first, "10.2.0.1")

	again := plug("10.1.0.1/24", "0.0.0.0/0", "172.16.0.0/12")
	want("192.0.2.1", second, "10.2.0.1")
	want("172.16.0.1", again, "10.1.0.1")
	want("10.1.0.9", again, "10.1.0.1")

	h.Unplug(second)
	want("192.0.2.1", again, "10.1.0.1")
	if iface, ok := h.LinkTo(wire.AddrFrom(netip.MustParseAddr("10.1.0.1"))); ok {
		t.Errorf("what is for ourselves leaves by link %d", iface)
	}
	if iface, ok := h.LinkTo(wire.AddrFrom(netip.MustParseAddr("2001:db8::1"))); ok {
		t.Errorf("what has no route leaves by link %d", iface)
	}
}
