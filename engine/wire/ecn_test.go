package wire

import "testing"

// A mark leaves a packet as it is otherwise, with a checksum that is right, and touches
// none whose sender does not understand it.
func TestMarkCE(t *testing.T) {
	for _, version := range []uint8{4, 6} {
		for tos := range 256 {
			ip := IP{Version: version, Proto: ProtoTCP, TTL: 64, TOS: uint8(tos), Src: AddrFrom4(0x0a000001), Dst: AddrFrom4(0x0a0000ff)}
			if version == 6 {
				ip.Src, ip.Dst, ip.FlowLabel = AddrFrom16([16]byte{0x20, 1}), AddrFrom16([16]byte{0x20, 2}), 0xabcde
			}
			b := append(ip.Append(nil, 4), 1, 2, 3, 4)
			var before, after IP
			ParseIP(b, &before)
			marked := MarkCE(b)
			if d := ParseIP(b, &after); d != None {
				t.Fatalf("IPv%d, TOS %#x: %v", version, tos, d)
			}
			want := before
			if ECN(tos&3) != NotECT {
				want.TOS |= uint8(CE)
			}
			if marked != (before.ECN() != NotECT) || after != want {
				t.Fatalf("IPv%d, TOS %#x: marked %v, %+v", version, tos, marked, after)
			}
		}
	}
	for _, b := range [][]byte{nil, {0x45}, make([]byte, 40)} {
		if MarkCE(b) {
			t.Errorf("%x is marked", b)
		}
	}
}
