package ao

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Segments that others have signed, with the master key "testvector", of which the client
// calls the key 61 and the server 84. https://www.rfc-editor.org/rfc/rfc9235
var vectors = []struct {
	name       string
	algorithm  Algorithm
	exclude    bool
	mine, peer seq.Num // initial numbers of sender and receiver, as far as it knows them
	packet     string
}{
	{"4.1.1 SYN", HMACSHA1, false, 0xfbfbab5a, 0, `
		45e0004cdd0f4000ff06bf6b0a0b0c0dac1b1c1de9d700b3fbfbab5a00000000e002ffffcac40000020405b401030308
		0402080a00155ab7000000001d103d542ee437c6f8ede6d7c4d602e7`},
	{"4.1.2 SYN-ACK", HMACSHA1, false, 0x11c14261, 0xfbfbab5a, `
		45e0004c65064000ff063775ac1b1c1d0a0b0c0d00b3e9d711c14261fbfbab5be012ffff37760000020405b401030308
		0402080a84a50beb00155ab71d10543deeab0fe24c3010815116b3be`},
	{"4.1.3 text", HMACSHA1, false, 0xfbfbab5a, 0x11c14261, `
		45e0008736a14000ff06659f0a0b0c0dac1b1c1de9d700b3fbfbab5b11c14262c0180104a16200000101080a00155ac1
		84a50beb1d103d547064cf998cc6c315c2c2e2bfffffffffffffffffffffffffffffffff00430104dabf00b40a0b0c0d
		260206010400010001020280000202020002024200020641040000dabf02084006006400010100`},
	{"4.1.4 text back", HMACSHA1, false, 0x11c14261, 0xfbfbab5a, `
		45e000871fa94000ff067c97ac1b1c1d0a0b0c0d00b3e9d711c14262fbfbab9ec0180100400c00000101080a84a50bf5
		00155ac11d10543da63f0ecbbb2e635c954deac7ffffffffffffffffffffffffffffffff00430104dac000b4ac1b1c1d
		260206010400010001020280000202020002024200020641040000dac002084006006400010100`},
	{"4.2.1 SYN", HMACSHA1, true, 0xcb0efbee, 0, `
		45e0004c53994000ff0648e20a0b0c0dac1b1c1dff1200b3cb0efbee00000000e002ffff541f0000020405b401030308
		0402080a00024cce000000001d103d5480af3cfeb85368937b8f9ec2`},
	{"4.2.2 SYN-ACK", HMACSHA1, true, 0xacd5b5e1, 0xcb0efbee, `
		45e0004c32844000ff0669f7ac1b1c1d0a0b0c0d00b3ff12acd5b5e1cb0efbefe012ffff388e0000020405b401030308
		0402080a576772f300024cce1d10543d09306f9acea63a8c68cb9a70`},
	{"4.2.3 text", HMACSHA1, true, 0xcb0efbee, 0xacd5b5e1, `
		45e00087a8f54000ff06f34a0a0b0c0dac1b1c1dff1200b3cb0efbefacd5b5e2c01801046c4500000101080a00024cce
		576772f31d103d54710608cc696c03a271c93aa5ffffffffffffffffffffffffffffffff00430104dabf00b40a0b0c0d
		260206010400010001020280000202020002024200020641040000dabf02084006006400010100`},
	{"5.1.1 SYN", AESCMAC, false, 0x787a1ddf, 0, `
		45e0004c7b9f4000ff0620dc0a0b0c0dac1b1c1dc4fa00b3787a1ddf00000000e002ffff5a0f0000020405b401030308
		0402080a00017ed0000000001d103d54e477e99c8040765498e55091`},
	{"6.1.1 SYN", HMACSHA1, false, 0x176a833f, 0, `
		6e0891dc00380640fd000000000000000000000000000001fd000000000000000000000000000002f7e400b3176a833f
		00000000e002ffff47210000020405a0010303080402080a0041d087000000001d103d549033ec3d7334b64c5edd039f`},
	{"6.1.2 SYN-ACK", HMACSHA1, false, 0x3f51994b, 0x176a833f, `
		6e01009e00380640fd000000000000000000000000000002fd00000000000000000000000000000100b3f7e43f51994b
		176a8340e012ffffbfec0000020405a0010303080402080abd33129b0041d0871d10543df1cba346c3526163f71f1f55`},
	{"6.2.2 SYN-ACK", HMACSHA1, true, 0xeba3734d, 0x020c1e69, `
		6e0a7e1f00380640fd000000000000000000000000000002fd00000000000000000000000000000100b3c6cdeba3734d
		020c1e6ae012ffff774d0000020405a0010303080402080a5ec99b70009db95b1d10543d3c546bad9743f12df8b8010d`},
	{"7.1.2 SYN-ACK", AESCMAC, false, 0xa6744ecb, 0x193cccec, `
		6e06152000380640fd000000000000000000000000000002fd00000000000000000000000000000100b3f85aa6744ecb
		193cccede012ffffeabb0000020405a0010303080402080a71daabc813e4ab991d10543ddc2843a84e78a6bcfdc5ed80`},
	{"7.1.4 text", AESCMAC, false, 0xa6744ecb, 0x193cccec, `
		6e06152000730640fd000000000000000000000000000002fd00000000000000000000000000000100b3f85aa6744ecc
		193ccd30c018010052f400000101080a71daabd313e4aba31d10543dc1069b7dfd3d693a6df3f289ffffffffffffffff
		ffffffffffffffff00430104fde800b40101017a260206010400010001020280000202020002024200020641040000
		fde802084006006400010100`},
}

// message reads a packet as it lies in the table.
func message(t *testing.T, text string) (m auth.Message, tuple wire.Tuple) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	var ip wire.IP
	if d := wire.ParseIP(b, &ip); d != wire.None && d != wire.BadIPChecksum {
		t.Fatal(d)
	}
	b = b[ip.HeaderLen:]
	var h wire.TCP
	n, d := wire.ParseTCP(b, &h)
	if d != wire.None {
		t.Fatal(d)
	}
	o := h.Options.Auth()
	return auth.Message{Header: b[:n], Text: b[n:], Seq: h.Seq, Ack: h.Ack, Flags: h.Flags, Auth: &o},
		wire.Tuple{Local: ip.Src, Remote: ip.Dst, LocalPort: h.SrcPort, RemotePort: h.DstPort}
}

// What others have signed is what we would have signed, and what we believe; with one bit
// changed anywhere it is neither.
func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			m, tuple := message(t, v.packet)
			key := func(send, recv uint8) *Keys {
				k, err := New(Key{SendID: send, RecvID: recv, Algorithm: v.algorithm, ExcludeOptions: v.exclude, Secret: []byte("testvector")})
				if err != nil {
					t.Fatal(err)
				}
				return k
			}
			sender := key(m.Auth.KeyID, m.Auth.NextKeyID).Session(tuple)
			sender.Numbers(v.mine, v.peer)
			if mac := sender.Sign(&m); mac != m.Auth.MAC {
				t.Errorf("signed with %x, want %x", mac, m.Auth.MAC)
			}
			back := tuple.Reverse()
			receiver := key(m.Auth.NextKeyID, m.Auth.KeyID).Session(back)
			receiver.Numbers(v.peer, v.mine)
			if d := receiver.Verify(&m); d != wire.None {
				t.Errorf("not believed: %v", d)
			}
			for i := range 8 * (len(m.Header) + len(m.Text)) {
				b := m.Header
				at := i / 8
				if at >= len(b) {
					b, at = m.Text, at-len(b)
				}
				b[at] ^= 1 << (i % 8)
				o := optionsOf(t, m.Header)
				unsigned := i/8 == 16 || i/8 == 17 || v.exclude && i/8 >= wire.TCPSize && i/8 < wire.FindAuth(m.Header)
				if d := receiver.Verify(&auth.Message{Header: m.Header, Text: m.Text, Seq: seqOf(m.Header), Ack: m.Ack, Flags: m.Flags, Auth: o}); o != nil && d == wire.None && !unsigned && i/8 < len(m.Header)-wire.AuthMACSize {
					t.Errorf("believed with bit %d of byte %d changed", i%8, i/8)
				}
				b[at] ^= 1 << (i % 8)
			}
		})
	}
}

func seqOf(header []byte) seq.Num {
	return seq.Num(header[4])<<24 | seq.Num(header[5])<<16 | seq.Num(header[6])<<8 | seq.Num(header[7])
}

func optionsOf(t *testing.T, header []byte) *wire.AuthOption {
	if wire.FindAuth(header) < 0 {
		return nil
	}
	var h wire.TCP
	if _, d := wire.ParseTCP(append([]byte(nil), header...), &h); d != wire.None || !h.Options.Has(wire.OptAuth) {
		return nil
	}
	o := h.Options.Auth()
	return &o
}

// AES-CMAC of the messages of RFC 4493 §4, written in pieces.
func TestCMAC(t *testing.T) {
	key, _ := hex.DecodeString("2b7e151628aed2a6abf7158809cf4f3c")
	text, _ := hex.DecodeString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	c := newCMAC(key)
	for n, want := range map[int]string{
		0: "bb1d6929e95937287fa37d129b756746", 16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		for _, piece := range []int{1, 7, 16, 64} {
			c.Reset()
			for b := text[:n]; len(b) > 0; b = b[min(piece, len(b)):] {
				c.Write(b[:min(piece, len(b))])
			}
			if got := hex.EncodeToString(c.Sum(nil)); got != want {
				t.Errorf("%d bytes in pieces of %d: %s, want %s", n, piece, got, want)
			}
		}
	}
}

// Sequence numbers wrap, and what is signed does not: the same bytes 4 GiB later have
// another MAC, and a segment that is sent again across the wrap has the same.
func TestExtendedNumbers(t *testing.T) {
	m, tuple := message(t, vectors[2].packet)
	k, err := New(Key{Peer: netip.PrefixFrom(tuple.Remote.Netip(), 32), Secret: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	s := k.Session(tuple)
	s.Numbers(0xfffffff0, 7)
	at := func(n seq.Num) [wire.AuthMACSize]byte { m.Seq = n; return s.Sign(&m) }
	before := at(0xfffffff8)
	for n := seq.Num(0); n < 0xf0000000; n += 1 << 28 {
		at(n)
		if n == 0 && at(0xfffffff8) != before {
			t.Error("a segment sent again across the wrap is signed as another")
		}
	}
	if at(0xfffffff8) == before {
		t.Error("4 GiB later a segment has the same signature")
	}
}

// Every mistake in keys is told with the number of the key.
func TestWrongKeys(t *testing.T) {
	good := Key{Peer: netip.MustParsePrefix("10.0.0.0/8"), SendID: 1, RecvID: 2, Secret: []byte("x")}
	with := func(change func(*Key)) Key { k := good; change(&k); return k }
	var many []Key
	for i := range MaxKeysPerPeer + 1 {
		many = append(many, with(func(k *Key) { k.SendID, k.RecvID = uint8(i), uint8(i) }))
	}
	for want, keys := range map[string][]Key{
		"key 1: no secret":                             {{}},
		"key 2: a secret of 81 bytes; at most 80":      {good, with(func(k *Key) { k.Secret = make([]byte, 81) })},
		"keys 1 and 2: both have SendID 1":             {good, with(func(k *Key) { k.Peer, k.RecvID = netip.MustParsePrefix("10.1.0.0/16"), 3 })},
		"keys 1 and 2: both have RecvID 2":             {good, with(func(k *Key) { k.Peer, k.SendID = netip.Prefix{}, 3 })},
		"key 1: no such algorithm":                     {with(func(k *Key) { k.Algorithm = 7 })},
		"key 9: one connection may use at most 8 keys": many,
		"1025 keys; at most 1024":                      make([]Key, 1025),
	} {
		if _, err := New(keys...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	apart := with(func(k *Key) { k.Peer = netip.MustParsePrefix("11.0.0.0/8") })
	port := with(func(k *Key) { k.LocalPort = 179 })
	other := with(func(k *Key) { k.LocalPort = 180 })
	if _, err := New(good, apart); err != nil {
		t.Error(err)
	}
	if _, err := New(port, other); err != nil {
		t.Error(err)
	}
}

// An algorithm is found by its name, that of the RFC and that of Linux, and no other is.
func TestAlgorithmNames(t *testing.T) {
	for _, a := range []Algorithm{HMACSHA1, AESCMAC} {
		for _, name := range []string{a.String(), strings.ToLower(a.String()), map[Algorithm]string{HMACSHA1: "hmac(sha1)", AESCMAC: "cmac(aes128)"}[a]} {
			if got, err := ParseAlgorithm(name); got != a || err != nil {
				t.Errorf("%s is %v, %v", name, got, err)
			}
		}
	}
	if a, err := ParseAlgorithm("MD5"); err == nil {
		t.Errorf("MD5 is %v", a)
	}
}
