package secret

import (
	"math/bits"
	"testing"
)

// The first outputs of the reference implementation of SipHash-2-4, for the
// key 00 01 .. 0f and the inputs "", 00, 00 01, ... (vectors.h), and the last.
var vectors = map[int]uint64{
	0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 2: 0x0d6c8009d9a94f5a, 3: 0x85676696d7fb7e2d,
	4: 0xcf2794e0277187b7, 5: 0x18765564cd99a68d, 6: 0xcbc9466e58fee3ce, 7: 0xab0200f58b01d137,
	8: 0x93f5f5799a932462, 9: 0x9e0082df0ba9e4b0, 10: 0x7a5dbbc594ddb9f3, 11: 0xf4b32f46226bada7,
	12: 0x751e8fbc860ee5fb, 13: 0x14ea5627c0843d90, 14: 0xf723ca908e7af2ee, 15: 0xa129ca6149be45e5,
	63: 0x958a324ceb064572,
}

func counting() (key [16]byte, input [64]byte) {
	for i := range input {
		input[i] = byte(i)
	}
	return [16]byte(input[:16]), input
}

func TestSipHash(t *testing.T) {
	key, input := counting()
	for n, want := range vectors {
		if got := New(key).Sum(input[:n]); got != want {
			t.Errorf("%d bytes: %#x, want %#x", n, got, want)
		}
	}
}

// What hashes words is what hashes bytes, without the block of the length.
func TestWords(t *testing.T) {
	key, _ := counting()
	k := New(key)
	const last = 15 << 56 // seven bytes of 0, and the length of all
	in := make([]byte, 15)
	in[0] = 7
	if got, want := k.Pair(7, last), k.Sum(in); got != want {
		t.Errorf("pair %#x, want %#x", got, want)
	}
	in = make([]byte, 39)
	in[0] = 7
	if got, want := k.Five(&[5]uint64{7, 0, 0, 0, 39 << 56}), k.Sum(in); got != want {
		t.Errorf("five words %#x, want %#x", got, want)
	}
}

// One bit of key or input changes about half the bits of the hash.
func TestAvalanche(t *testing.T) {
	for name, hash := range map[string]func(k *Key, at int) uint64{
		"word":       func(k *Key, at int) uint64 { return k.Word(1 << at) },
		"pair":       func(k *Key, at int) uint64 { return k.Pair(1<<at, 5) },
		"five":       func(k *Key, at int) uint64 { return k.Five(fiveWith(at)) },
		"quick word": func(k *Key, at int) uint64 { return k.QuickWord(1 << at) },
		"quick pair": func(k *Key, at int) uint64 { return k.QuickPair(1<<at, 5) },
		"key":        func(k *Key, at int) uint64 { return (&Key{k.k0 ^ 1<<at, k.k1}).QuickPair(1, 2) },
	} {
		k := New([16]byte{1})
		base, total := hash(&k, 64), 0
		for at := range 64 {
			total += bits.OnesCount64(base ^ hash(&k, at))
		}
		if total < 64*28 || total > 64*36 {
			t.Errorf("%s: %d bits of %d change", name, total, 64*64)
		}
	}
}

func fiveWith(at int) *[5]uint64 {
	var m [5]uint64
	m[at%5] = 1 << at
	return &m
}

// Keys of different purposes, and of one purpose with different numbers, differ,
// and none of them is the secret.
func TestPurposes(t *testing.T) {
	k := New([16]byte{1})
	seen := map[Key]string{k: "the secret"}
	for _, purpose := range []string{"", "a", "b", "ab", "cookies", "cookie"} {
		for n := range uint64(3) {
			d := k.For(purpose, n)
			if other, ok := seen[d]; ok {
				t.Errorf("%q %d has the key of %q", purpose, n, other)
			}
			seen[d] = purpose
		}
	}
}

func BenchmarkHash(b *testing.B) {
	k := New([16]byte{1})
	in, sum := [5]uint64{1, 2, 3, 4, 5}, uint64(0)
	for name, f := range map[string]func(){
		"pair":       func() { sum = k.Pair(sum, 2) },
		"quick pair": func() { sum = k.QuickPair(sum, 2) },
		"five":       func() { in[0] = sum; sum = k.Five(&in) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}
