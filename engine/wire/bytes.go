package wire

import (
	"encoding/binary"
	"slices"
)

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

func put16(b []byte, v uint16) { binary.BigEndian.PutUint16(b, v) }
func put32(b []byte, v uint32) { binary.BigEndian.PutUint32(b, v) }
func put64(b []byte, v uint64) { binary.BigEndian.PutUint64(b, v) }

// grow makes b n bytes longer and returns the whole and the part that is new,
// whose content is undefined: the caller writes every byte.
func grow(b []byte, n int) (whole, added []byte) {
	if cap(b)-len(b) < n {
		b = slices.Grow(b, n)
	}
	whole = b[:len(b)+n]
	return whole, whole[len(b):]
}
