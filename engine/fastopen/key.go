package fastopen

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
	"strings"

	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Key makes the cookies of a server, each of the addresses of a connection, as a key of Linux
// does: hosts that have the same take each other's. The zero Key is none.
type Key struct {
	key secret.Key
	set bool
}

// Keys are those of a server. The first makes cookies. One that the second has made is taken,
// too, and replaced.
type Keys [2]Key

// NewKey returns the key of those bytes, which Linux takes by TCP_FASTOPEN_KEY.
func NewKey(b [16]byte) Key { return KeyOf(secret.New(b)) }

// KeyOf returns the key that is a key of SipHash.
func KeyOf(k secret.Key) Key { return Key{k, true} }

// ParseKey reads a key as net.ipv4.tcp_fastopen_key of Linux has it: four hexadecimal numbers of
// 32 bits with dashes between them.
func ParseKey(text string) (Key, error) {
	var key [16]byte
	words := strings.Split(text, "-")
	if len(words) != 4 {
		return Key{}, errKey
	}
	for i, w := range words {
		b, err := hex.DecodeString(strings.Repeat("0", max(8-len(w), 0)) + w)
		if err != nil || len(b) != 4 || w == "" {
			return Key{}, errKey
		}
		binary.LittleEndian.PutUint32(key[4*i:], binary.BigEndian.Uint32(b)) // Linux keeps the numbers so
	}
	return NewKey(key), nil
}

var errKey = errors.New("a key of Fast Open is four hexadecimal numbers of eight digits with dashes between them: 00112233-44556677-8899aabb-ccddeeff")

// IsSet reports whether k is a key.
func (k *Key) IsSet() bool { return k.set }

// Cookie returns the cookie of connections between two addresses.
func (k *Key) Cookie(client, server wire.Addr) wire.FastOpenCookie {
	if client.Is4() && server.Is4() {
		both := uint64(bits.ReverseBytes32(client.As4())) | uint64(bits.ReverseBytes32(server.As4()))<<32
		return wire.FastOpenCookieOf(bits.ReverseBytes64(k.key.Pair(both, 8<<56)))
	}
	cHi, cLo := client.Words()
	sHi, sLo := server.Words()
	words := [5]uint64{bits.ReverseBytes64(cHi), bits.ReverseBytes64(cLo), bits.ReverseBytes64(sHi), bits.ReverseBytes64(sLo), 32 << 56}
	return wire.FastOpenCookieOf(bits.ReverseBytes64(k.key.Five(&words)))
}
