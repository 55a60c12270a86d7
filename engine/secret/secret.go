// Package secret makes many keys of one secret, and hashes with them.
//
// The output of one key must reveal nothing about another: a flow
// label tells nothing about the shard that a connection is on, or about the next
// fragment's identification. So each purpose has a key of its own, and a hash
// whose key cannot be found from what it makes: SipHash (Aumasson and Bernstein,
// 2012), a pseudo-random function for short inputs.
package secret

import (
	"encoding/binary"
	"math/bits"
)

// Key is a key of SipHash.
type Key struct{ k0, k1 uint64 }

// New returns a key of 16 bytes that must be random and secret.
func New(b [16]byte) Key {
	return Key{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// For returns the key for a purpose, which no other purpose's tells anything of.
// n tells keys of one purpose apart.
func (k Key) For(purpose string, n uint64) Key {
	b := binary.LittleEndian.AppendUint64([]byte(purpose), n)
	return Key{k.Sum(append(b, 0)), k.Sum(append(b, 1))}
}

// Number returns a secret number for a purpose, for what is keyed but no SipHash.
func (k Key) Number(purpose string, n uint64) uint64 { return k.For(purpose, n).k0 }

// Fold multiplies two words and folds the product. With secret numbers mixed
// into both it is a quick hash, good enough where its values stay inside.
func Fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Sum is SipHash-2-4 of b.
func (k Key) Sum(b []byte) uint64 {
	v := k.begin()
	last := uint64(len(b)) << 56
	for {
		m := last
		if len(b) >= 8 {
			m = binary.LittleEndian.Uint64(b)
		} else {
			for i, c := range b {
				m |= uint64(c) << (8 * i)
			}
		}
		v.v3 ^= m
		v = v.round().round()
		v.v0 ^= m
		if len(b) < 8 {
			return v.finish()
		}
		b = b[8:]
	}
}

// Word, Pair and Five are SipHash-2-4 of words, without a block for their number:
// a key serves one of them only, or the last word says how many there are. They
// are written out, because calls would take as long as the rounds.
func (k *Key) Word(m uint64) uint64 {
	v := k.begin()
	v.v3 ^= m
	v = v.round().round()
	v.v0 ^= m
	v.v2 ^= 0xff
	v = v.round().round().round().round()
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3
}

// Pair is the hash of two words. See Word.
func (k *Key) Pair(m, n uint64) uint64 {
	v := k.begin()
	v.v3 ^= m
	v = v.round().round()
	v.v0 ^= m
	v.v3 ^= n
	v = v.round().round()
	v.v0 ^= n
	v.v2 ^= 0xff
	v = v.round().round().round().round()
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3
}

// Five is the hash of five words. See Word.
func (k *Key) Five(words *[5]uint64) uint64 {
	v := k.begin()
	for _, m := range words {
		v.v3 ^= m
		v = v.round().round()
		v.v0 ^= m
	}
	return v.finish()
}

// QuickWord and QuickPair are SipHash-1-3, for what every packet needs: half of
// the rounds, as hash tables use it.
func (k *Key) QuickWord(m uint64) uint64 {
	v := k.begin()
	v.v3 ^= m
	v = v.round()
	v.v0 ^= m
	v.v2 ^= 0xff
	v = v.round().round().round()
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3
}

// QuickPair is the hash of two words. See QuickWord.
func (k *Key) QuickPair(m, n uint64) uint64 {
	v := k.begin()
	v.v3 ^= m
	v = v.round()
	v.v0 ^= m
	v.v3 ^= n
	v = v.round()
	v.v0 ^= n
	v.v2 ^= 0xff
	v = v.round().round().round()
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3
}

// state is passed by value, so that it stays in registers.
type state struct{ v0, v1, v2, v3 uint64 }

func (k *Key) begin() state {
	return state{k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d,
		k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573}
}

func (v state) finish() uint64 {
	v.v2 ^= 0xff
	v = v.round().round().round().round()
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3
}

func (v state) round() state {
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
