package wire

import (
	"encoding/binary"
	"math/bits"
)

// The Internet checksum: https://www.rfc-editor.org/rfc/rfc1071
//
// A sum here is partial: a uint64 that is congruent, modulo 65535, to the sum
// of the 16-bit big-endian words seen so far. It is zero only when nothing but
// zeros went in, so Fold gives 0xffff, never 0, for every real packet.

// Sum adds b, read as 16-bit big-endian words, to the partial sum initial. An
// odd last byte counts as the high half of a word. b has to start at an even
// offset of what is summed; SumAt is for pieces that may not.
func Sum(b []byte, initial uint64) uint64 {
	return addCarry(initial, sumBytes(b))
}

// SumAt adds b, a piece that starts offset bytes into what is summed. After an
// odd offset the bytes of each word are exchanged, and so are those of the sum:
// https://www.rfc-editor.org/rfc/rfc1071#section-2
func SumAt(sum uint64, b []byte, offset int) uint64 {
	s := sumBytes(b)
	if offset&1 != 0 {
		s = bits.RotateLeft64(s, 8)
	}
	return addCarry(sum, s)
}

// Fold reduces a partial sum to 16 bits. Over data that includes a correct
// checksum field it gives 0xffff.
func Fold(sum uint64) uint16 {
	// The upper half of a word plus its own halves exchanged is their sum, with
	// the carry around the end.
	s := uint32((sum + bits.RotateLeft64(sum, 32)) >> 32)
	return uint16((s + bits.RotateLeft32(s, 16)) >> 16)
}

// Checksum is what goes into the checksum field when sum covers the rest (with
// that field as zero), and 0 when sum covers a correct field too. UDP sends
// 0xffff in place of 0: https://www.rfc-editor.org/rfc/rfc768
func Checksum(sum uint64) uint16 { return ^Fold(sum) }

// TransportChecksum is Checksum for what TCP and UDP send: RFC 768's "all ones"
// for a checksum that is zero. TCP may do so too: both are zero in ones'
// complement.
func TransportChecksum(sum uint64) uint16 {
	if c := Checksum(sum); c != 0 {
		return c
	}
	return 0xffff
}

// UpdateChecksum returns the checksum after one 16-bit word that it covers
// changed from old to new. It is the third equation of RFC 1624, the one that
// never turns a right checksum into the wrong zero.
// https://www.rfc-editor.org/rfc/rfc1624#section-3
func UpdateChecksum(csum, old, new uint16) uint16 {
	return Checksum(uint64(^csum) + uint64(^old) + uint64(new))
}

// PseudoSum returns the sum of the pseudo-header of TCP, UDP or ICMPv6 for
// length bytes of header and payload. Both versions are summed as 16-byte
// addresses: the prefix ::ffff: of an IPv4 address adds 0xffff, and that is
// zero to a ones' complement sum.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.1
// https://www.rfc-editor.org/rfc/rfc8200#section-8.1
func PseudoSum(src, dst Addr, proto uint8, length int) uint64 {
	s, c := bits.Add64(src.hi, src.lo, 0)
	s, c = bits.Add64(s, dst.hi, c)
	s, c = bits.Add64(s, dst.lo, c)
	s, c = bits.Add64(s, uint64(proto)+uint64(length), c)
	return addCarry(s, c)
}

// minVector is how many bytes make it worth while to begin with vectors.
const minVector = 4 * vectorSize

// sumBytes returns the folded sum of b. The words are added in the order of a
// little-endian machine and turned around once at the end: a ones' complement
// sum does not depend on byte order. What vectors leave is added eight bytes at a
// time, with the carry kept in the CPU's flag.
// https://www.rfc-editor.org/rfc/rfc1071#section-2
func sumBytes(b []byte) uint64 {
	var s, c uint64
	// Most segments have no text: they are a header with timestamps, or a SYN with all
	// options. To find out in loops how long they are would take longer than to add them.
	switch len(b) {
	case 32:
		s, c = add32(b, 0, 0)
		return bits.ReverseBytes64(addCarry(s, c))
	case 40:
		s, c = add32(b, 0, 0)
		s, c = bits.Add64(s, le64(b[32:40]), c)
		return bits.ReverseBytes64(addCarry(s, c))
	}
	if useVector && len(b) >= minVector {
		n := len(b) &^ (vectorSize - 1)
		s, b = sumVector(b[:n]), b[n:]
	}
	for len(b) >= 128 {
		s, c = add32(b, s, c)
		s, c = add32(b[32:], s, c)
		s, c = add32(b[64:], s, c)
		s, c = add32(b[96:128], s, c)
		b = b[128:]
	}
	for len(b) >= 32 {
		s, c = add32(b, s, c)
		b = b[32:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, le64(b), c)
		b = b[8:]
	}
	if len(b) > 0 {
		s, c = bits.Add64(s, leRest(b), c)
	}
	return bits.ReverseBytes64(addCarry(s, c))
}

// leRest is le64 of less than eight bytes, as if zeros followed.
func leRest(b []byte) (v uint64) {
	shift := 0
	if len(b) >= 4 {
		v, shift, b = uint64(binary.LittleEndian.Uint32(b)), 32, b[4:]
	}
	for i, x := range b {
		v |= uint64(x) << (shift + 8*i)
	}
	return v
}

// add32 adds the first 32 bytes of b.
func add32(b []byte, s, c uint64) (sum, carry uint64) {
	s, c = bits.Add64(s, le64(b[0:8]), c)
	s, c = bits.Add64(s, le64(b[8:16]), c)
	s, c = bits.Add64(s, le64(b[16:24]), c)
	return bits.Add64(s, le64(b[24:32]), c)
}

// addCarry adds with the carry around the end.
func addCarry(a, b uint64) uint64 {
	s, c := bits.Add64(a, b, 0)
	return s + c
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
