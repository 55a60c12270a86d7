package host

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// seen is what an outsider sees, or guesses, of a host's secrets: by the purpose
// of the key.
func (k keys) seen() map[string]string {
	m := map[string]string{}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20 {
		t := wire.Tuple{Local: addr("2001:db8::1"), Remote: wire.AddrFromWords(r.Uint64(), r.Uint64()), LocalPort: 80, RemotePort: uint16(i)}
		if i%2 == 0 {
			t.Local, t.Remote = addr("192.0.2.1"), wire.AddrFrom4(r.Uint32())
		}
		m["shard"] += fmt.Sprintln(k.flows.TupleHash(t))
		m["flow label"] += fmt.Sprintln(k.flowLabel(&t))
		m["fragment"] += fmt.Sprintln(k.fragments.next())
		m["ICMP error"] += fmt.Sprintln(k.errors.next())
		m["reachable time"] += fmt.Sprintln(k.reachable.next())
	}
	return m
}

// Each purpose has a key of its own: an attacker who learns one learns
// nothing of what another makes; and no two purposes make the same.
func TestSecretsDoNotInterfere(t *testing.T) {
	base := makeKeys([16]byte{1}, 0)
	before := base.seen()
	other := secret.New([16]byte{2})
	change := map[string]func(k *keys){
		"shard":          func(k *keys) { k.flows = makeFlowKey(other, "x") },
		"flow label":     func(k *keys) { k.labels = makeFlowKey(other, "x") },
		"fragment":       func(k *keys) { k.fragments.key = other },
		"ICMP error":     func(k *keys) { k.errors.key = other },
		"reachable time": func(k *keys) { k.reachable.key = other },
	}
	made := map[string]string{}
	for purpose, what := range before {
		if same, ok := made[what]; ok {
			t.Errorf("%s and %s are one", purpose, same)
		}
		made[what] = purpose
		k := base
		change[purpose](&k)
		for name, after := range k.seen() {
			if (after == before[name]) == (name == purpose) {
				t.Errorf("with another key for %s, %s is the same: %v", purpose, name, after == before[name])
			}
		}
	}
}

// Shards of a host agree on what spreads flows and labels them, and repeat each
// other in nothing else. With another secret nothing is the same.
func TestSecretsOfShards(t *testing.T) {
	a, b, c := makeKeys([16]byte{1}, 0).seen(), makeKeys([16]byte{1}, 1).seen(), makeKeys([16]byte{2}, 0).seen()
	for purpose := range a {
		shared := purpose == "shard" || purpose == "flow label"
		if (a[purpose] == b[purpose]) != shared || a[purpose] == c[purpose] {
			t.Errorf("%s: two shards have the same: %v; two hosts: %v", purpose, a[purpose] == b[purpose], a[purpose] == c[purpose])
		}
	}
}

// chosen are tuples for an attacker who knows the code and not the key:
// neighbours, differences of one bit, constants of the hashes, and addresses that
// make a product trivial.
func chosen(kind int, r *rand.Rand, i int) wire.Tuple {
	server := wire.Tuple{Local: addr("2001:db8::1"), LocalPort: 80, Remote: addr("2001:db8::2"), RemotePort: 4711}
	words := func(hi, lo uint64) wire.Addr { return wire.AddrFromWords(hi, lo) }
	switch kind {
	case 0: // networks of your own, one interface identifier
		server.Remote = words(0x2001<<48|uint64(r.Uint32()), 0xa0761d6478bd642f)
	case 1: // one network, identifiers that differ from a constant in few bits
		server.Remote = words(0x2a00<<48|7, 0xa0761d6478bd642f^1<<r.IntN(64)^1<<r.IntN(64)^1<<r.IntN(64))
	case 2: // ports, one after the other
		server.Remote, server.RemotePort = words(0x2a00<<48, uint64(i>>16)), uint16(i)
	case 3: // both ends move together
		server.Local, server.Remote = words(0xfd00<<48, uint64(i)), words(0xfd00<<48, uint64(i)+1)
		server.LocalPort, server.RemotePort = uint16(i), uint16(i)
	case 4: // IPv4, one after the other
		server.Local, server.Remote = addr("192.0.2.1"), wire.AddrFrom4(10<<24|uint32(i))
	case 5: // IPv4, every second port, and the server's ports too
		server.Local, server.Remote = addr("192.0.2.1"), addr("198.51.100.7")
		server.LocalPort, server.RemotePort = uint16(i>>8), uint16(i&0xff)<<8
	case 6: // the ends differ in one bit
		server.Local, server.Remote = words(r.Uint64(), r.Uint64()), wire.Addr{}
		hi, lo := server.Local.Words()
		server.Remote, server.RemotePort = words(hi, lo^1<<(i%64)), server.LocalPort
	case 7: // what is equal at both ends
		server.Remote, server.RemotePort = words(uint64(i)<<32|3, 5), 80
		server.Local = words(uint64(i)<<32|3, 6)
	}
	return server
}

const chosenKinds = 8

// Chosen tuples fall on shards like any others, for every key; and in both
// directions on the same.
func TestChosenTuplesOnShards(t *testing.T) {
	const n = 16384
	for kind := range chosenKinds {
		for _, key := range []byte{0, 1, 2} {
			k := NewFlowKey([16]byte{key})
			r := rand.New(rand.NewPCG(uint64(kind), uint64(key)))
			hashes, count := map[uint32]bool{}, [64]float64{}
			tuples := map[wire.Tuple]bool{}
			for i := range n {
				tuple := chosen(kind, r, i)
				h := k.TupleHash(tuple)
				if back := k.TupleHash(tuple.Reverse()); back != h {
					t.Fatalf("%v: %x, and %x the other way", tuple, h, back)
				}
				if !tuples[tuple] {
					count[ShardOf(h, len(count))]++
				}
				tuples[tuple], hashes[h] = true, true
			}
			if len(hashes) < len(tuples)-5 {
				t.Errorf("kind %d: %d tuples have %d hashes", kind, len(tuples), len(hashes))
			}
			chi, mean := 0.0, float64(len(tuples))/float64(len(count))
			for _, c := range count {
				chi += (c - mean) * (c - mean) / mean
			}
			if chi > 63+8*11.3 { // 63 degrees of freedom: standard deviation 11.2
				t.Errorf("kind %d, key %d: χ² is %.0f over 64 shards", kind, key, chi)
			}
		}
	}
}

// What is learnt of one host's shards says nothing about another's: of tuples that
// share a shard with one key no more than usual do with another.
func TestShardsOfAnotherKey(t *testing.T) {
	k, other := NewFlowKey([16]byte{1}), NewFlowKey([16]byte{2})
	for kind := range chosenKinds {
		r := rand.New(rand.NewPCG(9, 9))
		total, together := 0, 0
		for i := range 65536 {
			tuple := chosen(kind, r, i)
			if ShardOf(k.TupleHash(tuple), 8) == 3 {
				total++
				if ShardOf(other.TupleHash(tuple), 8) == 3 {
					together++
				}
			}
		}
		if total > 4000 && (together < total/8-total/32 || together > total/8+total/32) {
			t.Errorf("kind %d: of %d tuples on one shard %d are on one shard with another key", kind, total, together)
		}
	}
}

// label is what a stranger sees: the flow label of the RST that answers a SYN to a
// closed port.
func strangeLabel(t *testing.T, h *Host, now clock.Time, src, dst wire.Addr, port uint16) uint32 {
	t.Helper()
	syn := wire.TCP{SrcPort: port, DstPort: 80, Seq: 1, Flags: wire.SYN, Window: 1000}
	ip := wire.IP{Version: 6, Proto: wire.ProtoTCP, TTL: 64, Src: src, Dst: dst}
	p := buf.NewPacket()
	p.Data = wire.AppendSegment(p.ReceiveInto(200)[:0], &ip, &syn, 0, 0, false)
	h.Receive(now, 0, p)
	out, _ := h.Output(now)
	if out == nil {
		t.Fatal("no RST")
	}
	defer out.Release()
	return binary.BigEndian.Uint32(out.Data) & 0xfffff
}

// One bit that a stranger changes changes half of the label's bits, also where the stranger
// has chosen the rest so that a product with a known constant is a mere rotation.
// So there is nothing to solve for.
func TestStrangersFlowLabels(t *testing.T) {
	h := New(Config{})
	h.AddLink(LinkConfig{Name: "w", MTU: 1500})
	server := addr("2001:db8::1")
	if err := h.AddAddress(0, netip.MustParsePrefix("2001:db8::1/64")); err != nil {
		t.Fatal(err)
	}
	if err := h.AddRoute(netip.MustParsePrefix("::/0"), netip.Addr{}, 0); err != nil {
		t.Fatal(err)
	}
	const constant = 0xa0761d6478bd642f
	now, changed, n := clock.Time(time.Hour), [20]int{}, 0
	for k := range 64 {
		for bit := range 16 {
			port := uint16(1)<<15 | uint16(k*17)
			one := strangeLabel(t, h, now, wire.AddrFromWords(0x2a00<<48|1, constant^1<<k), server, port)
			two := strangeLabel(t, h, now, wire.AddrFromWords(0x2a00<<48|1, constant^1<<k), server, port^1<<bit|1<<14)
			if port^1<<bit|1<<14 == port {
				continue
			}
			n++
			for x := one ^ two; x != 0; x &= x - 1 {
				changed[bits.TrailingZeros32(x)]++
			}
		}
	}
	for bit, c := range changed {
		if c < n/2-n/8 || c > n/2+n/8 {
			t.Errorf("bit %d of the label changes %d times of %d", bit, c, n)
		}
	}
}

// No key serves two purposes, whatever is made with it.
func TestKeysAreDifferent(t *testing.T) {
	k := makeKeys([16]byte{1}, 0)
	made := map[secret.Key]string{}
	for name, key := range map[string]secret.Key{"shard": k.flows.key, "flow label": k.labels.key, "fragment": k.fragments.key,
		"ICMP error": k.errors.key, "reachable time": k.reachable.key, "address probe": k.probes.key} {
		if same, ok := made[key]; ok {
			t.Errorf("%s and %s have one key", name, same)
		}
		made[key] = name
	}
	if k.flows.hi == k.labels.hi || k.flows.lo == k.labels.lo {
		t.Error("addresses are mixed with the same numbers for shards and labels")
	}
}
