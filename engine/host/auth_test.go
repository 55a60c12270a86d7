package host

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/ao"
	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// keysOf are keys with secrets, of which number i is called id[i] by both hosts.
func keysOf(t testing.TB, a ao.Algorithm, exclude bool, ids ...uint8) *ao.Keys {
	t.Helper()
	var keys []ao.Key
	for _, id := range ids {
		keys = append(keys, ao.Key{SendID: id, RecvID: id, Algorithm: a, ExcludeOptions: exclude, Secret: []byte(fmt.Sprint("secret ", id))})
	}
	k, err := ao.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// segmentOf reads a TCP packet of the pair's wire.
func (p *pair) segmentOf(k *buf.Packet) (h wire.TCP, whole int) {
	b := append([]byte(nil), k.Data...)
	for i := range k.N {
		b = append(b, k.Views[i].Bytes()...)
	}
	var ip wire.IP
	if p.ethernet {
		b = b[wire.EthernetSize:]
	}
	if wire.ParseIP(b, &ip) != wire.None || ip.Proto != wire.ProtoTCP {
		return h, 0
	}
	wire.ParseTCP(b[ip.HeaderLen:], &h)
	return h, len(b)
}

// signed has the tap look at all packets: each is signed, and none is larger than the path.
func (p *pair) signed(loss int) {
	r := rand.New(rand.NewPCG(1, uint64(loss)))
	p.tap = func(_ *Host, k *buf.Packet) bool {
		h, size := p.segmentOf(k)
		if size == 0 {
			return true
		}
		if !h.Options.Has(wire.OptAuth) || size > p.mtu || k.GSOSize != 0 {
			p.Errorf("%d bytes, super-segment of %d: %v", size, k.GSOSize, &h)
		}
		if loss > 0 && r.IntN(loss) == 0 {
			k.Release()
			return false
		}
		return true
	}
}

// A connection whose segments are signed does all that others do: with either algorithm,
// options signed or not, over every kind of link, half-open ones kept or not, with losses.
func TestSignedConnections(t *testing.T) {
	for _, a := range []ao.Algorithm{ao.HMACSHA1, ao.AESCMAC} {
		for bits := range 16 {
			k := keysOf(t, a, bits&1 != 0, 7)
			c := config{host: Config{TCP: tcp.Config{Authenticator: k, NoTimestamps: bits&2 != 0}}}
			if bits&4 != 0 {
				c.host.TCP.Cookies = tcp.CookiesAlways
			}
			if bits&8 != 0 {
				c.link.MaxGSO, c.link.ChecksumOffload = 65535, true
			}
			t.Run(fmt.Sprintf("%v,%04b", a, bits), func(t *testing.T) {
				everywhere(t, c, func(t *testing.T, p *pair) {
					p.signed(0)
					client, server := p.connect()
					p.signed(20)
					data := bytes.Repeat([]byte("0123456789abcde"), 4000)
					p.transfer(client, server, data)
					p.transfer(server, client, data[:20000])
					p.exchange(client, server, data, data) // who sends holds text out of order too
					p.signed(0)
					p.a.TCP().Close(p.now, client.Entry)
					p.run()
					p.b.TCP().Close(p.now, server.Entry)
					p.run()
					p.after(3 * time.Minute)
					if n := p.a.TCP().Len() + p.b.TCP().Len(); n != 0 {
						t.Errorf("%d connections are left", n)
					}
					for _, h := range []*Host{p.a, p.b} {
						if n := h.TCP().Counters(); n.TCPAOGood < 20 || n.TCPAOBad+n.TCPAORequired+n.TCPAOKeyNotFound != 0 {
							t.Errorf("good %d, bad %d, unsigned %d, unknown %d", n.TCPAOGood, n.TCPAOBad, n.TCPAORequired, n.TCPAOKeyNotFound)
						}
					}
					p.drops = nil // duplicates of what was lost
				})
			})
		}
	}
}

// Whose key is another, or who has none, is met with silence and a counter.
func TestWrongKeyIsSilence(t *testing.T) {
	right := keysOf(t, ao.HMACSHA1, false, 7)
	other, err := ao.New(ao.Key{SendID: 7, RecvID: 7, Secret: []byte("another")})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		name           string
		client, server auth.Authenticator
		counter        func(n *tcp.Counters) uint64
	}{
		{"another secret", other, right, func(n *tcp.Counters) uint64 { return n.TCPAOBad }},
		{"another algorithm", keysOf(t, ao.AESCMAC, false, 7), right, func(n *tcp.Counters) uint64 { return n.TCPAOBad }},
		{"another name", keysOf(t, ao.HMACSHA1, false, 8), right, func(n *tcp.Counters) uint64 { return n.TCPAOKeyNotFound }},
		{"no key", nil, right, func(n *tcp.Counters) uint64 { return n.TCPAORequired }},
	} {
		t.Run(k.name, func(t *testing.T) {
			p := newPair(t, config{})
			p.a.SetAuthenticator(k.client)
			p.b.SetAuthenticator(k.server)
			if _, err := p.b.TCP().Listen(wire.Addr{}, 80, 16, "listener"); err != nil {
				t.Fatal(err)
			}
			p.tap = func(to *Host, k *buf.Packet) bool {
				if to == p.a {
					h, _ := p.segmentOf(k)
					t.Errorf("an answer: %v", &h)
				}
				return true
			}
			for _, port := range []uint16{80, 81} { // nor does a port that is closed say so
				if _, err := p.a.Connect(p.now, wire.Addr{}, 40000+port, p.addrB, port, "client"); err != nil {
					t.Fatal(err)
				}
			}
			p.run()
			p.after(10 * time.Second)
			n := p.b.TCP().Counters()
			if got := k.counter(&n); got < 2 || got != n.TCPAOBad+n.TCPAORequired+n.TCPAOKeyNotFound || n.TCPAOGood != 0 {
				t.Errorf("counted %d of %+v", got, n)
			}
			if p.b.TCP().Len() != 0 {
				t.Error("something is kept")
			}
		})
	}
}

// A host takes from others, for which it has no key, what is not signed.
func TestPeersWithoutAKey(t *testing.T) {
	elsewhere, err := ao.New(ao.Key{Peer: netip.MustParsePrefix("192.0.2.0/24"), SendID: 1, RecvID: 1, Secret: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	p := newPair(t, config{})
	p.b.SetAuthenticator(elsewhere)
	c, server := p.connect()
	p.transfer(c, server, make([]byte, 10000))
	p.settle()
}

// To a SYN for a closed port that is signed the answer is, and is believed; a RST that is
// forged, with numbers that are right, does nothing, nor does an ICMP error.
func TestSignedResets(t *testing.T) {
	p := newPair(t, config{host: Config{TCP: tcp.Config{Authenticator: keysOf(t, ao.HMACSHA1, false, 7)}}})
	p.signed(0)
	en := p.dial(p.addrB, 81)
	p.run()
	if en.State() != tcp.Closed || en.Failure() != tcp.Refused {
		t.Errorf("a closed port: %v, %v", en.State(), en.Failure())
	}
	p.after(time.Minute)

	client, server := p.connect()
	var last wire.TCP
	p.tap = func(to *Host, k *buf.Packet) bool {
		if to == p.b {
			last, _ = p.segmentOf(k)
		}
		return true
	}
	p.transfer(client, server, []byte("something"))
	h := wire.TCP{SrcPort: 40000, DstPort: 80, Seq: last.Seq.Add(9), Ack: last.Ack, Flags: wire.RST | wire.ACK}
	ip := p.fromA(wire.ProtoTCP)
	b := h.Append(nil)
	put16(b[16:], wire.TransportChecksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, wire.ProtoTCP, len(b)))))
	if d := p.inject(ip, b); d != wire.NoAuth || server.State() != tcp.Established {
		t.Errorf("a forged RST: %v, %v", d, server.State())
	}
	p.a.TCP().Abort(p.now, client.Entry)
	p.run()
	if server.State() != tcp.Closed || server.Failure() != tcp.Reset {
		t.Errorf("a signed RST: %v, %v", server.State(), server.Failure())
	}
}

// Keys are replaced while text is under way, and nothing is lost: both hosts learn the new
// one, each puts it first, and both forget the old one.
func TestRollover(t *testing.T) {
	for _, a := range []ao.Algorithm{ao.HMACSHA1, ao.AESCMAC} {
		p := newPair(t, config{host: Config{TCP: tcp.Config{Authenticator: keysOf(t, a, false, 1)}}})
		client, server := p.connect()
		data := bytes.Repeat([]byte("rollover"), 5000)
		var ids map[uint8]int
		p.tap = func(_ *Host, k *buf.Packet) bool {
			h, _ := p.segmentOf(k)
			ids[h.Options.Auth().KeyID]++
			return true
		}
		for i, step := range []struct {
			host *Host
			keys []uint8
			want string
		}{
			{p.a, []uint8{1, 2}, "1"}, {p.b, []uint8{1, 2}, "1"},
			{p.a, []uint8{2, 1}, "both"}, {p.b, []uint8{2, 1}, "2"},
			{p.a, []uint8{2}, "2"}, {p.b, []uint8{2}, "2"},
		} {
			ids = map[uint8]int{}
			step.host.SetAuthenticator(keysOf(t, a, false, step.keys...))
			p.transfer(client, server, data[:1]) // the first segments still ask for the old one
			p.transfer(server, client, data[:1])
			ids = map[uint8]int{}
			p.transfer(client, server, data)
			p.transfer(server, client, data)
			if got := map[bool]string{true: "both", false: fmt.Sprint(1 + min(ids[2], 1))}[ids[1] > 0 && ids[2] > 0]; got != step.want {
				t.Errorf("%v, step %d: signed with %v, want key %s", a, i, ids, step.want)
			}
		}
		p.wantDrops("rolled over")
	}
}

// A host that begins with both keys and prefers the new one answers a client that has only
// the old one with the old one, kept or by cookie.
func TestOldKeyAnswersOldKey(t *testing.T) {
	for _, m := range []tcp.CookieMode{tcp.CookiesAuto, tcp.CookiesAlways} {
		p := newPair(t, config{host: Config{TCP: tcp.Config{Cookies: m}}})
		p.a.SetAuthenticator(keysOf(t, ao.HMACSHA1, false, 1))
		p.b.SetAuthenticator(keysOf(t, ao.HMACSHA1, false, 2, 1))
		client, server := p.connect()
		p.transfer(client, server, make([]byte, 5000))
		p.transfer(server, client, make([]byte, 5000))
		p.wantDrops("old key")
	}
}
