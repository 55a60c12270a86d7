package fastopen

import (
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Cookies are those that Linux makes of the same key: what its selftests expect.
func TestCookiesAsLinux(t *testing.T) {
	for _, v := range []struct{ key, client, server, want string }{
		{"a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", "192.0.2.1", "192.168.0.1", "3021b9d889017eeb"},
		{"0-0-0-0", "192.0.2.1", "192.168.0.1", "b7c12350a90dc8f5"},
		{"a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", "fd3d:fa7b:d17d::1", "fd3d:0a0b:17d6::1", "c1d1e9742a47a9bc"},
		{"00000000-00000000-00000000-00000000", "fd3d:fa7b:d17d::1", "fd3d:0a0b:17d6::1", "82af1a8f9a205c34"},
	} {
		k, err := ParseKey(v.key)
		if err != nil || !k.IsSet() {
			t.Fatal(v.key, err)
		}
		if got := k.Cookie(wire.AddrFrom(netip.MustParseAddr(v.client)), wire.AddrFrom(netip.MustParseAddr(v.server))).String(); got != v.want {
			t.Errorf("%s, from %s: %s, want %s", v.key, v.client, got, v.want)
		}
	}
}

// What is no key is refused, and its bytes are in the order of Linux's numbers.
func TestParseKey(t *testing.T) {
	for _, text := range []string{"", "1-2-3", "1-2-3-4-5", "1-2-3-", "1-2-3-g", "1-2-3-123456789", "1-2-3--4"} {
		if k, err := ParseKey(text); err == nil || k.IsSet() {
			t.Errorf("%q is taken", text)
		}
	}
	got, err := ParseKey("03020100-7060504-0b0a0908-0f0e0d0c")
	if want := NewKey([16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}); err != nil || got != want {
		t.Error(got, want, err)
	}
}
