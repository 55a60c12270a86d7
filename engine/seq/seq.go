// Package seq is arithmetic on TCP sequence numbers, modulo 2^32.
//
// All comparisons are those of RFC 9293 §3.4: a is before b when b can be
// reached from a by going forward less than 2^31.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.4
// Two numbers that are exactly 2^31 apart come before each other.
//
// The difference is compared as an unsigned number: where it is exactly 2^31, Go's
// compiler for 32-bit ARM takes a branch on int32(a-b) < 0 the wrong way.
package seq

// Num is a sequence number: the name of one octet of a stream.
type Num uint32

// Size is a count of sequence numbers.
type Size uint32

// Add returns the number n octets after a.
func (a Num) Add(n Size) Num { return a + Num(n) }

// Less reports whether a comes before b.
func (a Num) Less(b Num) bool { return (a-b)>>31 != 0 }

// LessEq reports whether a is b or comes before it.
func (a Num) LessEq(b Num) bool { return a-b-1 >= 1<<31-1 }

// Sub returns how many octets a lies after b. The caller knows that b.LessEq(a).
func (a Num) Sub(b Num) Size { return Size(a - b) }

// Diff returns the signed distance from b to a.
func (a Num) Diff(b Num) int32 { return int32(a - b) }

// In reports whether a lies in the n numbers that begin at first.
func (a Num) In(first Num, n Size) bool { return Size(a-first) < n }

// Max returns the later of a and b.
func Max(a, b Num) Num {
	if a.Less(b) {
		return b
	}
	return a
}

// Min returns the earlier of a and b.
func Min(a, b Num) Num {
	if a.Less(b) {
		return a
	}
	return b
}
