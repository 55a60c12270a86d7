package wire

// vectorSize is how many bytes sumVector wants at a time.
const vectorSize = 64

var useVector = hasAVX2()

// hasAVX2 reports whether sumVector may be called.
func hasAVX2() bool

// sumVector adds b, little-endian words of 32 bits. len(b) is a multiple of
// vectorSize, and not 0.
//
//go:noescape
func sumVector(b []byte) uint64
