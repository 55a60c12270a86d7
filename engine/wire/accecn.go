package wire

import "fmt"

// ACE returns the flags AE, CWR and ECE as a number of three bits: where both ends use
// AccECN and SYN is not set, a counter. https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2
func (f Flags) ACE() uint8 { return uint8(f >> 6 & 7) }

// ACEFlags are the flags that say the low three bits of n.
func ACEFlags(n uint8) Flags { return Flags(n&7) << 6 }

// ACEMask are the three flags.
const ACEMask = AE | CWR | ECE

// AccECN says which counters an AccECN option carries: none up to all three, from either
// end of their order. https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3
type AccECN uint8

// The two orders. The number of counters is added to one of them, 0 to 3.
const (
	AccECN0 AccECN = 0 // ECT(0), CE, ECT(1)
	AccECN1 AccECN = 4 // ECT(1), CE, ECT(0)
)

// Count returns how many counters there are.
func (a AccECN) Count() int { return int(a & 3) }

// At returns the counter that stands at place i, as an index of Options.Echo.
func (a AccECN) At(i int) int {
	if a&AccECN1 != 0 {
		return 2 - i
	}
	return i
}

// Size is the length of the option in bytes, padded.
func (a AccECN) Size() int { return (2 + 3*a.Count() + 3) &^ 3 }

// takeAccECN reads what the option has of whole counters: "MUST use those whole 3-octet
// fields that fit within the length and ignore the remainder".
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3
func (o *Options) takeAccECN(kind byte, v []byte) {
	if kind == kindAccECN1 {
		o.AccECN = AccECN1
	}
	n := min(len(v)/3, len(o.Echo))
	for i := range n {
		o.Echo[o.AccECN.At(i)] = uint32(v[3*i])<<16 | uint32(v[3*i+1])<<8 | uint32(v[3*i+2])
	}
	o.AccECN += AccECN(n)
}

// putAccECN writes the option to w, which has its padded size, behind the padding.
func (o *Options) putAccECN(w []byte) (sum uint64) {
	b, n := w, o.AccECN.Count()
	for len(b) > 2+3*n {
		b[0], b = kindNOP, b[1:]
	}
	b[0], b[1] = kindAccECN0, byte(2+3*n)
	if o.AccECN&AccECN1 != 0 {
		b[0] = kindAccECN1
	}
	for i := range n {
		v := o.Echo[o.AccECN.At(i)]
		b[2+3*i], b[3+3*i], b[4+3*i] = byte(v>>16), byte(v>>8), byte(v)
	}
	for ; len(w) > 0; w = w[4:] {
		sum += uint64(be32(w))
	}
	return sum
}

var echoNames = [3]string{"e0b", "ceb", "e1b"}

// AccECNString returns the option as packetdrill writes it: "ECN e0b 1 ceb 0".
func (o *Options) AccECNString() string {
	b := []byte("ECN")
	for i := range o.AccECN.Count() {
		k := o.AccECN.At(i)
		b = fmt.Appendf(b, " %s %d", echoNames[k], o.Echo[k])
	}
	return string(b)
}
