package wire

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// signed is a header with the option, two SACK blocks and what else fits.
func signed(t *testing.T) (TCP, []byte) {
	t.Helper()
	h := TCP{SrcPort: 1, DstPort: 2, Seq: 3, Ack: 4, Flags: ACK, Window: 5}
	h.Options.Set = OptSACK
	h.Options.SACKBlocks = 4
	for i := range h.Options.SACK {
		h.Options.SACK[i] = SACKBlock{1000, 2000}
	}
	h.Options.SetAuth(AuthOption{KeyID: 7, NextKeyID: 8})
	return h, h.Append(nil)
}

// The option lies beside two SACK blocks, and comes back as it was; its MAC is written where it was
// zero, and the checksum follows.
func TestAuthOption(t *testing.T) {
	h, header := signed(t)
	mac := [AuthMACSize]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for _, offload := range []bool{false, true} {
		b := bytes.Clone(header)
		before := Checksum(Sum(b, 0))
		PutAuthMAC(b, mac, offload)
		if after := Checksum(Sum(b, 0)); (after == before) == offload {
			t.Errorf("offload %v: the sum over all was %#x, and is %#x", offload, before, after)
		}
		var got TCP
		if _, d := ParseTCP(b, &got); d != None {
			t.Fatal(d)
		}
		want := AuthOption{7, 8, mac}
		if got.Options.Auth() != want || got.Options.SACKBlocks != 2 || got.Options.SACK[1] != h.Options.SACK[1] {
			t.Errorf("%v, %d blocks", got.Options.Auth(), got.Options.SACKBlocks)
		}
		if text := got.Options.Auth().String(); text != "tcp-ao keyid 7 rnextkeyid 8 mac 0x0102030405060708090a0b0c" {
			t.Error(text)
		}
	}
}

func TestFindAuth(t *testing.T) {
	_, header := signed(t)
	at := FindAuth(header)
	if at < TCPSize || header[at] != kindAuth {
		t.Fatalf("at %d", at)
	}
	fixed := make([]byte, TCPSize)
	for _, options := range [][]byte{nil, {kindNOP, kindNOP}, {kindNOP}, {kindEnd, kindAuth, AuthSize}, {kindMSS, 1}, {kindAuth, 4, 1, 2}, {kindAuth, AuthSize, 1, 2}} {
		if at := FindAuth(append(bytes.Clone(fixed), options...)); at != -1 {
			t.Errorf("% x: found at %d", options, at)
		}
	}
}

func TestFastOpenExperiment(t *testing.T) {
	for _, cookie := range []FastOpenCookie{{}, FastOpenCookieOf(0x0123456789abcdef)} {
		h := TCP{Flags: SYN}
		h.Options.SetFastOpenExperiment(cookie)
		var got TCP
		if _, d := ParseTCP(h.Append(nil), &got); d != None {
			t.Fatal(d)
		}
		o := &got.Options
		if !o.FastOpenExperiment() || o.FastOpen() != cookie || !bytes.Equal(o.FastOpen().Append([]byte{9}), append([]byte{9}, cookie.bytes[:cookie.Len()]...)) {
			t.Errorf("%v came back as %v", cookie, o.FastOpen())
		}
		if s := o.FastOpenString(); !strings.HasPrefix(s, "FOEXP") || !strings.HasSuffix(s, cookie.String()) {
			t.Error(s)
		}
	}
}

func TestUserTimeoutOf(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, time.Second: time.Second, time.Second + 1: 2 * time.Second,
		mostUnits * time.Second: mostUnits * time.Second, mostUnits*time.Second + 1: 547 * time.Minute, 1 << 62: mostUnits * time.Minute,
	} {
		if got := UserTimeoutOf(d).Duration(); got != want {
			t.Errorf("%v: %v, want %v", d, got, want)
		}
	}
}

func TestService(t *testing.T) {
	if s := MakeService(0xff, 0); s.TOS() != 0xfc || s.TTL() != DefaultTTL {
		t.Error(s)
	}
	if s := MakeService(0x10, 3); s.TOS() != 0x10 || s.TTL() != 3 {
		t.Error(s)
	}
}

// Both forms of an address say the same, and a prefix has the mask that package netip's has.
func TestAddrWords(t *testing.T) {
	for _, text := range []string{"0.0.0.0/0", "10.1.2.3/8", "10.1.2.3/32", "::/0", "fd00::1/1", "fd00::1/63", "fd00::1/64", "fd00::1/65", "fd00::1/128"} {
		p := netip.MustParsePrefix(text)
		a := AddrFrom(p.Addr())
		hi, lo := a.Words()
		if AddrFromWords(hi, lo) != a {
			t.Errorf("%v comes back as %v", a, AddrFromWords(hi, lo))
		}
		bits, maskHi, maskLo := PrefixMask(p)
		masked := AddrFromWords(hi&maskHi, lo&maskLo)
		if p.Addr().Is4() {
			masked = AddrFromWords(hi, lo&(maskLo|0xffffffff00000000))
			bits -= 96
		}
		if bits != p.Bits() || masked.Netip() != p.Masked().Addr() {
			t.Errorf("%v: %d bits, %v", p, bits, masked)
		}
	}
}

// Equal is ==, in each field.
func TestTupleEqual(t *testing.T) {
	a := Tuple{AddrFrom4(1), AddrFrom4(2), 3, 4}
	six := AddrFrom(netip.MustParseAddr("fd00::1"))
	for _, b := range []Tuple{a, a.Reverse(), {AddrFrom4(9), a.Remote, 3, 4}, {a.Local, AddrFrom4(9), 3, 4}, {a.Local, a.Remote, 9, 4},
		{a.Local, a.Remote, 3, 9}, {six, a.Remote, 3, 4}, {a.Local, six, 3, 4}} {
		if a.Equal(&b) != (a == b) {
			t.Errorf("%v and %v: %v", a, b, a.Equal(&b))
		}
	}
}
