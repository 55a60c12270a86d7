package ao

import (
	"crypto/aes"
	"crypto/cipher"
)

// cmac is AES-CMAC, RFC 4493, as a hash of what is written to it.
// https://www.rfc-editor.org/rfc/rfc4493#section-2.4
type cmac struct {
	block  cipher.Block
	k1, k2 [aes.BlockSize]byte
	state  [aes.BlockSize]byte
	last   [aes.BlockSize]byte // what was written last: a block is worked off when more follows
	n      int                 // bytes in it
}

// newCMAC returns the hash with a key of 16 bytes.
func newCMAC(key []byte) *cmac {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is ours to know
	}
	c := &cmac{block: block}
	block.Encrypt(c.k1[:], c.k1[:])
	c.k1 = double(c.k1)
	c.k2 = double(c.k1)
	return c
}

// double multiplies by x in GF(2^128).
func double(b [aes.BlockSize]byte) (d [aes.BlockSize]byte) {
	carry := byte(0)
	for i := len(b) - 1; i >= 0; i-- {
		d[i], carry = b[i]<<1|carry, b[i]>>7
	}
	d[len(d)-1] ^= 0x87 * carry
	return d
}

func (c *cmac) Reset() { c.state, c.n = [aes.BlockSize]byte{}, 0 }

func (c *cmac) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if c.n == len(c.last) {
			c.mix(&c.last)
			c.n = 0
		}
		k := copy(c.last[c.n:], p)
		c.n, p = c.n+k, p[k:]
	}
	return n, nil
}

func (c *cmac) mix(b *[aes.BlockSize]byte) {
	for i := range b {
		c.state[i] ^= b[i]
	}
	c.block.Encrypt(c.state[:], c.state[:])
}

// Sum appends the MAC of what was written. Nothing may be written after it but a Reset.
func (c *cmac) Sum(b []byte) []byte {
	last, key := c.last, &c.k1
	if c.n < len(last) {
		clear(last[c.n:])
		last[c.n], key = 0x80, &c.k2
	}
	for i := range last {
		last[i] ^= key[i]
	}
	c.mix(&last)
	return append(b, c.state[:]...)
}
