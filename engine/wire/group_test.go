package wire_test

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Queries of every version and length, and what is none.
func TestGroupQueries(t *testing.T) {
	g4, g6 := addr("239.1.2.3"), addr("ff05::123")
	text6 := "ff050000000000000000000000000123"
	none6 := "00000000000000000000000000000000"
	for _, c := range []struct {
		name, bytes string
		want        wire.GroupMessage
		drop        wire.Drop
	}{
		{"IGMPv1", "1100eeff00000000", wire.GroupMessage{Version: 1, Group: wire.AddrFrom4(0), MaxResponse: 10 * time.Second}, wire.None},
		{"IGMPv2", "1164ee9b00000000", wire.GroupMessage{Version: 2, Group: wire.AddrFrom4(0), MaxResponse: 10 * time.Second}, wire.None},
		{"IGMPv2, a group", "1101fdf9ef010203", wire.GroupMessage{Version: 2, Group: g4, MaxResponse: 100 * time.Millisecond}, wire.None},
		{"IGMPv3", "1164ec1e00000000027d0000", wire.GroupMessage{Version: 3, Group: wire.AddrFrom4(0), MaxResponse: 10 * time.Second, Robustness: 2, Interval: 125 * time.Second}, wire.None},
		{"IGMPv3, sources", "110afa5eef010203f98f00010a000001", wire.GroupMessage{Version: 3, Group: g4, MaxResponse: time.Second, Robustness: 1, Interval: 248 * time.Second}, wire.None},
		{"IGMPv3, long times", "11ffed030000000000fd0000", wire.GroupMessage{Version: 3, Group: wire.AddrFrom4(0), MaxResponse: 3174400 * time.Millisecond, Interval: 29696 * time.Second}, wire.None},
		{"nine bytes", "1164ee9b0000000000", wire.GroupMessage{}, wire.BadMembership},
		{"no group", "1101e4fb0a000003", wire.GroupMessage{}, wire.BadMembership},
		{"too short", "1164ee9b000000", wire.GroupMessage{}, wire.TooShort},
		{"sources that are not there", "110a0460ef010203f98f0001", wire.GroupMessage{}, wire.TooShort},
		{"checksum", "1164ee9a00000000", wire.GroupMessage{}, wire.BadICMPChecksum},
		{"report of IGMPv3", "2200e8f90000000104000000ef010203", wire.GroupMessage{}, wire.UnknownProtocol},
		{"MLDv1", "8200000003e80000" + none6, wire.GroupMessage{Version: 1, MaxResponse: time.Second}, wire.None},
		{"MLDv2", "8200000003e80000" + text6 + "027d0000", wire.GroupMessage{Version: 2, Group: g6, MaxResponse: time.Second, Robustness: 2, Interval: 125 * time.Second}, wire.None},
		{"MLDv2, long times", "82000000ffff0000" + none6 + "07ff0000", wire.GroupMessage{Version: 2, MaxResponse: 8387584 * time.Millisecond, Robustness: 7, Interval: 31744 * time.Second}, wire.None},
		{"MLD, 25 bytes", "8200000003e80000" + none6 + "02", wire.GroupMessage{}, wire.BadMembership},
		{"MLDv2, sources that are not there", "8200000003e80000" + text6 + "027d0001", wire.GroupMessage{}, wire.TooShort},
		{"report of MLDv1 about all", "8300000000000000" + none6, wire.GroupMessage{}, wire.BadMembership},
		{"report of MLDv2", "8f00000000000001" + none6, wire.GroupMessage{}, wire.UnknownProtocol},
	} {
		b, err := hex.DecodeString(c.bytes)
		if err != nil {
			t.Fatal(c.name, err)
		}
		var m wire.GroupMessage
		parse := wire.ParseIGMP
		if b[0] >= 128 {
			parse = wire.ParseMLD
		}
		if d := parse(b, &m); d != c.drop {
			t.Errorf("%s: %v, want %v", c.name, d, c.drop)
			continue
		}
		c.want.Type = b[0]
		if c.drop == wire.None && m != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, m, c.want)
		}
	}
}

// Packets with Router Alert are the same after they were read; without the option nothing has it.
func TestRouterAlert(t *testing.T) {
	for _, ip := range []wire.IP{
		{Version: 4, TTL: 1, Proto: wire.ProtoIGMP, Src: addr("10.0.0.1"), Dst: addr("224.0.0.22")},
		{Version: 6, TTL: 1, Proto: wire.ProtoICMPv6, Src: addr("fe80::1"), Dst: addr("ff02::16")},
	} {
		with, without := append(ip.AppendAlert(nil, 3), 1, 2, 3), append(ip.Append(nil, 3), 1, 2, 3)
		var got wire.IP
		if d := wire.ParseIP(with, &got); d != wire.None || got.HeaderLen != ip.AlertSize() || got.Proto != ip.Proto || got.Dst != ip.Dst || got.TotalLen != len(with) {
			t.Errorf("%v, %+v", d, got)
		}
		if !wire.HasAlert(with) || wire.HasAlert(without) {
			t.Errorf("with: %v, without: %v", wire.HasAlert(with), wire.HasAlert(without))
		}
		// Whatever a packet that is taken holds, its options are read within their bounds.
		r := rand.New(rand.NewPCG(1, 2))
		taken := 0
		for range 20000 {
			b := append([]byte(nil), with...)
			if ip.Version == 4 {
				r4(r, b)
			} else {
				r6(r, b)
			}
			if wire.ParseIP(b, &got) == wire.None {
				taken++
				wire.HasAlert(b)
			}
		}
		if taken < 1000 {
			t.Errorf("only %d packets were read", taken)
		}
	}
}

// r4 fills the options with what may be, and makes the checksum right again.
func r4(r *rand.Rand, b []byte) {
	for i := 20; i < 24; i++ {
		b[i] = []byte{0, 1, 0x94, 4, 2, 7, 255}[r.IntN(7)]
	}
	b[10], b[11] = 0, 0
	sum := wire.Checksum(wire.Sum(b[:24], 0))
	b[10], b[11] = byte(sum>>8), byte(sum)
}

func r6(r *rand.Rand, b []byte) {
	for i := 42; i < 48; i++ {
		b[i] = []byte{0, 1, 5, 2, 0, 3}[r.IntN(6)]
	}
}
