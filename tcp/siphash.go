package tcp

import (
	"encoding/binary"
	"math/bits"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// sipKey is a SipHash key as two words.
type sipKey struct{ k0, k1 uint64 }

func newSipKey(b [16]byte) sipKey {
	return sipKey{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// sum is SipHash-2-4 of b: a short-input keyed hash (Aumasson and Bernstein, 2012).
func (k sipKey) sum(b []byte) uint64 {
	var words []uint64
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		words = append(words, binary.LittleEndian.Uint64(b))
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	return k.hash(append(words, last))
}

// hashTuple is the keyed hash of a four-tuple for one purpose. For IPv4 it is
// hash written out, as hashWord is, because every SYN needs both.
func (k *sipKey) hashTuple(t *wire.Tuple, purpose byte) uint64 {
	last := uint64(t.LocalPort) | uint64(t.RemotePort)<<16 | uint64(purpose)<<32
	if !t.Local.Is4() || !t.Remote.Is4() {
		aHi, aLo := t.Local.Words()
		bHi, bLo := t.Remote.Words()
		return k.hash([]uint64{aHi, aLo, bHi, bLo, last | 36<<56})
	}
	m, last := uint64(t.Local.As4())<<32|uint64(t.Remote.As4()), last|12<<56
	v := k.begin()
	v.v3 ^= m
	v = v.round().round()
	v.v0 ^= m
	v.v3 ^= last
	v = v.round().round()
	v.v0 ^= last
	v.v2 ^= 0xff
	v = v.round().round().round().round()
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3
}

// hash is sum of words, of which the last says the length in its highest byte.
func (k *sipKey) hash(words []uint64) uint64 {
	v := k.begin()
	for _, m := range words {
		v.v3 ^= m
		v = v.round().round()
		v.v0 ^= m
	}
	v.v2 ^= 0xff
	v = v.round().round().round().round()
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3
}

// hashWord is the keyed hash of a word: SipHash without a block for the length,
// which never varies. The key serves nothing else.
func (k *sipKey) hashWord(m uint64) uint64 {
	v := k.begin()
	v.v3 ^= m
	v = v.round().round()
	v.v0 ^= m
	v.v2 ^= 0xff
	v = v.round().round().round().round()
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3
}

// sipState is passed by value, so that it stays in registers.
type sipState struct{ v0, v1, v2, v3 uint64 }

func (k *sipKey) begin() sipState {
	return sipState{k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d,
		k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573}
}

func (v sipState) round() sipState {
	v.v0 += v.v1
	v.v2 += v.v3
	v.v1 = bits.RotateLeft64(v.v1, 13) ^ v.v0
	v.v3 = bits.RotateLeft64(v.v3, 16) ^ v.v2
	v.v0 = bits.RotateLeft64(v.v0, 32) + v.v3
	v.v2 += v.v1
	v.v3 = bits.RotateLeft64(v.v3, 21) ^ v.v0
	v.v1 = bits.RotateLeft64(v.v1, 17) ^ v.v2
	v.v2 = bits.RotateLeft64(v.v2, 32)
	return v
}

// isn is the initial sequence number of RFC 6528 §3: a clock of four
// microseconds plus a secret number of the four-tuple.
// https://www.rfc-editor.org/rfc/rfc6528#section-3
func (k *sipKey) isn(now clock.Time, t *wire.Tuple) seq.Num {
	return seq.Num(uint32(int64(now)/4000) + uint32(k.hashTuple(t, 'I')))
}
