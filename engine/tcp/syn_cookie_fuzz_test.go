package tcp

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// FuzzCookie holds that a cookie brings back what its SYN said, and that a number which is
// believed, whoever made it up, is one that can have been sent, with what it was sent for.
func FuzzCookie(f *testing.F) {
	for _, stamped := range []bool{false, true} {
		for _, v6 := range []bool{false, true} {
			f.Add(uint32(1), uint16(80), uint32(7), uint16(1460), uint8(0x17), stamped, v6, uint32(1<<31), uint32(99))
			f.Add(uint32(1<<31), uint16(0), uint32(1<<32-1), uint16(0), uint8(0x3f), stamped, v6, uint32(5), uint32(1<<30))
		}
	}
	now := clock.Time(100 * cookieEpoch)
	own := newCookies(secret.New([16]byte{7}))
	own.turn(now)
	before := own
	before.turn(now.Add(-cookieEpoch))
	f.Fuzz(func(t *testing.T, remote uint32, port uint16, irs uint32, mss uint16, options uint8, stamped, v6 bool, val, guess uint32) {
		tuple := wire.Tuple{Local: addrB, Remote: wire.AddrFrom4(remote), LocalPort: 80, RemotePort: port}
		o := offer{mss: mss, options: options & (kindBits | shiftBits), timestamps: stamped}
		if v6 {
			o.version, tuple.Remote = 1, wire.AddrFromWords(uint64(remote)<<32|1, uint64(val))
		}
		flow, said := own.flow(&tuple), o.data()
		echo := cookieTimestamp(val, said)
		for _, k := range []*cookies{&own, &before} {
			got := offer{timestamps: stamped, version: o.version}
			if d := own.check(flow, k.cookie(flow, seq.Num(irs), stamped, said), seq.Num(irs), &got, echo, cc.ECNAccurate); d != wire.None {
				t.Fatalf("a cookie is not believed: %v", d)
			}
			if got.mss > max(mss, minMSS) || got.options != o.options {
				t.Fatalf("%+v comes back as %+v", o, got)
			}
		}
		got := offer{timestamps: stamped, version: o.version}
		number := flow.base() + seq.Num(guess)
		if own.check(flow, number, seq.Num(irs), &got, val, cc.ECNAccurate) != wire.None {
			return
		}
		said = got.data()
		if number != own.cookie(flow, seq.Num(irs), stamped, said) && number != before.cookie(flow, seq.Num(irs), stamped, said) {
			t.Fatalf("%d is believed, and was never sent: %+v", number, got)
		}
	})
}
