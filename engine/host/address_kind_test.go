package host

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// What an address is to a host does not depend on how many addresses the host has, had, or
// which end alike: each of its own is its own, each broadcast address of a network one, for
// as long as the host has it, and strangers are strangers.
func TestKindOfAddresses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	h := New(Config{})
	iface := h.AddLink(LinkConfig{Name: "tun", MTU: 1500})
	var has []netip.Prefix
	anAddress := func() netip.Prefix {
		if r.IntN(2) == 0 {
			return netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.%d/%d", r.IntN(3), r.IntN(3), 1+r.IntN(250), 8+r.IntN(25)))
		}
		return netip.MustParsePrefix(fmt.Sprintf("fd00::%x:%x/%d", r.IntN(3), 1+r.IntN(255), 16+r.IntN(113)))
	}
	want := func(a wire.Addr) addressKind {
		kind := ordinary
		for _, p := range has {
			if wire.AddrFrom(p.Addr()) == a {
				return own
			}
			if kind == ordinary && p.Addr().Is4() && p.Bits() <= 30 && broadcastOf(p) == a {
				kind = broadcast
			}
		}
		return kind
	}
	for range 120 {
		if p := anAddress(); len(has) == 0 || r.IntN(3) > 0 {
			if h.HasAddress(wire.AddrFrom(p.Addr())) {
				continue
			}
			if err := h.AddAddress(iface, p); err != nil {
				t.Fatal(err)
			}
			has = append(has, p)
		} else {
			i := r.IntN(len(has))
			h.RemoveAddress(clock.Time(1), iface, wire.AddrFrom(has[i].Addr()))
			has = append(has[:i], has[i+1:]...)
		}
		for range 50 {
			asked := []wire.Addr{wire.AddrFrom(anAddress().Addr())}
			for _, p := range has {
				asked = append(asked, wire.AddrFrom(p.Addr()), broadcastOf(p))
			}
			for _, a := range asked {
				if a == limitedBroadcast {
					continue
				}
				if got := h.kindOf(a); got != want(a) {
					t.Fatalf("with %v, %v is %d, want %d", has, a, got, want(a))
				}
			}
		}
	}
}
