package host

import (
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// scopeHost has two links, and an address of each network on both.
func scopeHost(t *testing.T) *Host {
	h := New(Config{})
	for _, address := range []string{"fe80::1/64", "fe80::2/64"} {
		if err := h.AddAddress(h.AddLink(LinkConfig{MTU: 1500}), netip.MustParsePrefix(address)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// wantScope wants an address to be reached by a link, from that link's address.
func wantScope(t *testing.T, h *Host, why string, a wire.Addr, iface int) {
	t.Helper()
	src, _, _ := h.Source(a)
	if got, _ := h.LinkTo(a); got != iface || src.Netip().As16()[15] != byte(1+iface) {
		t.Errorf("%s: by link %d from %v, want link %d", why, got, src, iface)
	}
}

// A link-local address is where its zone says, or where it speaks; by another link it is found
// when it has been silent for a while, or its link is gone.
func TestLinkLocalScopes(t *testing.T) {
	h, now := scopeHost(t), clock.Time(time.Hour)
	a := wire.AddrFrom(netip.MustParseAddr("fe80::a"))
	wantScope(t, h, "nothing is known", a, 0)
	h.Scope(now, a, 1, now)
	wantScope(t, h, "heard", a, 1)
	h.Scope(now, a, 0, now)
	wantScope(t, h, "at the same time", a, 1)
	h.Scope(now.Add(scopeAge), a, 0, now.Add(scopeAge))
	wantScope(t, h, "somebody else", a, 1)
	if h.Scope(now.Add(scopeAge), a, 0, clock.Never) {
		t.Error("a zone takes away who speaks")
	}
	h.Scope(now.Add(scopeAge+1), a, 0, now.Add(scopeAge+1))
	wantScope(t, h, "it has moved", a, 0)
	now = now.Add(3 * scopeAge)
	if !h.Scope(now, a, 1, clock.Never) {
		t.Error("a zone has no effect")
	}
	wantScope(t, h, "named", a, 1)
	h.Scope(now, a, 0, now)
	wantScope(t, h, "named, and another one speaks", a, 1)
	if !h.Scope(now, a, 0, clock.Never) || !h.Scope(now, a, 1, clock.Never) {
		t.Error("a zone that nobody has answered in cannot be changed")
	}
	h.Scope(now, a, 1, now)
	h.Unplug(1)
	if got, _ := h.LinkTo(a); got != 0 {
		t.Error("a link that is gone leads on")
	}
	h.Scope(now, a, 0, now)
	if at := h.Scoped(a); at != 0 {
		t.Errorf("heard by the link that is left: %d", at)
	}
}

// What is kept of link-local addresses is bounded, and those that speak stay.
func TestScopesAreBounded(t *testing.T) {
	h, now := scopeHost(t), clock.Time(time.Hour)
	live := wire.AddrFrom(netip.MustParseAddr("fe80::a"))
	for i := range 3 * maxScopes {
		now = now.Add(time.Second)
		h.Scope(now, live, 1, now)
		h.Scope(now, wire.AddrFromWords(0xfe80<<48, uint64(1000+i)), 1, now)
	}
	wantScope(t, h, "of many", live, 1)
}
