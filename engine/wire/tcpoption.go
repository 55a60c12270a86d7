package wire

import "github.com/handfast-tcp/handfast/engine/seq"

// OptionSet says which options are present.
type OptionSet uint16

// The TCP options that Options knows.
const (
	OptMSS OptionSet = 1 << iota
	OptWindowScale
	OptSACKPermitted
	OptTimestamps
	OptSACK
	OptAccECN
	OptUserTimeout
	OptFastOpen
	OptAuth
)

// Kinds of options on the wire.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.2
// https://www.rfc-editor.org/rfc/rfc7323#section-2.2
// https://www.rfc-editor.org/rfc/rfc2018#section-2
// https://www.rfc-editor.org/rfc/rfc5482#section-2
// https://www.rfc-editor.org/rfc/rfc5925#section-2.2
// https://www.rfc-editor.org/rfc/rfc6994#section-2
// https://www.rfc-editor.org/rfc/rfc7413#section-2
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3
const (
	kindEnd = iota
	kindNOP
	kindMSS
	kindWindowScale
	kindSACKPermitted
	kindSACK
	kindTimestamps  = 8
	kindUserTimeout = 28
	kindAuth        = 29
	kindFastOpen    = 34
	kindAccECN0     = 172
	kindAccECN1     = 174
	kindExperiment  = 254
)

// MaxWindowScale is the largest shift count of a window scale option.
// https://www.rfc-editor.org/rfc/rfc7323#section-2.3
const MaxWindowScale = 14

// Starts of options with their padding, as four bytes.
const (
	nopNopTimestamps    = kindNOP<<24 | kindNOP<<16 | kindTimestamps<<8 | 10
	sackOKTimestamps    = kindSACKPermitted<<24 | 2<<16 | kindTimestamps<<8 | 10
	nopNopSACKPermitted = kindNOP<<24 | kindNOP<<16 | kindSACKPermitted<<8 | 2
	userTimeout         = kindUserTimeout<<24 | 4<<16
	nopNopSACK          = kindNOP<<24 | kindNOP<<16 | kindSACK<<8
	nopWindowScale      = kindNOP<<24 | kindWindowScale<<16 | 3<<8
	mss                 = kindMSS<<24 | 4<<16
)

// SACKBlock is one block of RFC 2018: the numbers [Left, Right).
type SACKBlock struct{ Left, Right seq.Num }

// Options are the options of a TCP header; a field counts when its bit is in Set.
type Options struct {
	Set          OptionSet
	WindowScale  uint8 // shift count, at most 14
	SACKBlocks   uint8 // how many of SACK are used
	AccECN       AccECN
	MSS          uint16
	UserTimeout  UserTimeout
	fastOpen     uint8 // bytes of the Fast Open cookie, which lies in SACK, and its form
	TSVal, TSEcr uint32
	SACK         [4]SACKBlock // see Auth and FastOpen
	Echo         [3]uint32    // bytes that came as ECT(0), CE and ECT(1), modulo 2^24: those that AccECN says
}

// Has reports whether all options of s are present.
func (o *Options) Has(s OptionSet) bool { return o.Set&s == s }

// parse reads the option field b of a header into o. What the sender may have
// meant is taken with tolerance, what cannot be walked is not:
//
//   - an option that we do not know is skipped (RFC 9293, MUST-6), and so is
//     one that we know with a length that is not its own;
//   - of an option that comes twice the first one counts;
//   - after End of Option List nothing is looked at;
//   - a length of 0, 1 or past the end of the header is BadOption (MUST-7).
//
// These are the mandatory ones, MSS, NOP and End of Option List (MUST-4), and more.
// Options that belong on a SYN are read from every segment (MUST-5); whether they may
// count there is the caller's to know. Bytes are read one by one: nothing says that an
// option begins at a word (MUST-64).
// https://www.rfc-editor.org/rfc/rfc9293#section-3.1
func (o *Options) parse(b []byte) Drop {
	*o = Options{}
	if len(b) == 12 && be32(b) == nopNopTimestamps {
		o.Set, o.TSVal, o.TSEcr = OptTimestamps, be32(b[4:]), be32(b[8:])
		return None
	}
	// A SYN as Linux and we arrange it: it need not cost more to answer than to send.
	if len(b) == 20 && be32(b)>>16 == mss>>16 && be32(b[4:]) == sackOKTimestamps && be32(b[16:])>>8 == nopWindowScale>>8 {
		o.Set = OptMSS | OptSACKPermitted | OptTimestamps | OptWindowScale
		o.MSS, o.TSVal, o.TSEcr = be16(b[2:]), be32(b[8:]), be32(b[12:])
		o.WindowScale = min(b[19], MaxWindowScale)
		return None
	}
	for len(b) > 0 && b[0] != kindEnd {
		if b[0] == kindNOP {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return BadOption
		}
		o.take(b[0], b[2:b[1]])
		b = b[b[1]:]
	}
	return None
}

// take stores the option of the given kind and value, if it is one of ours and
// the first of its kind.
func (o *Options) take(kind byte, v []byte) {
	switch kind {
	case kindMSS:
		if o.first(OptMSS, len(v) == 2) {
			o.MSS = be16(v)
		}
	case kindWindowScale:
		// "If a Window Scale option is received with a shift.cnt value larger
		// than 14, the TCP [...] MUST use 14 instead of the specified value."
		// https://www.rfc-editor.org/rfc/rfc7323#section-2.3
		if o.first(OptWindowScale, len(v) == 1) {
			o.WindowScale = min(v[0], MaxWindowScale)
		}
	case kindSACKPermitted:
		o.first(OptSACKPermitted, len(v) == 0)
	case kindTimestamps:
		if o.first(OptTimestamps, len(v) == 8) {
			o.TSVal, o.TSEcr = be32(v), be32(v[4:])
		}
	case kindUserTimeout:
		if o.first(OptUserTimeout, len(v) == 2) {
			o.UserTimeout = UserTimeout(be16(v))
		}
	case kindFastOpen, kindExperiment:
		o.takeFastOpen(kind, v)
	case kindAuth:
		if o.first(OptAuth, len(v) == AuthSize-2) {
			o.takeAuth(v)
		}
	case kindAccECN0, kindAccECN1:
		if o.first(OptAccECN, true) {
			o.takeAccECN(kind, v)
		}
	case kindSACK:
		if o.first(OptSACK, len(v) > 0 && len(v)%8 == 0 && len(v)/8 <= len(o.SACK)) {
			o.takeSACK(v)
		}
	}
}

// first reports whether an option counts: its length is right, and none of its kind, or
// that lies in the same place, came before. If so it notes it.
func (o *Options) first(s OptionSet, rightLength bool) bool {
	taken := s
	if s&(OptSACK|OptFastOpen) != 0 {
		taken = OptSACK | OptFastOpen
	}
	if !rightLength || o.Set&taken != 0 {
		return false
	}
	o.Set |= s
	return true
}

func (o *Options) takeSACK(v []byte) {
	o.SACKBlocks = uint8(len(v) / 8)
	for i := range o.SACKBlocks {
		o.SACK[i] = SACKBlock{seq.Num(be32(v[8*i:])), seq.Num(be32(v[8*i+4:]))}
	}
}

// size returns how long the options are, padding included.
func (o *Options) size() int {
	if o.Set < OptSACK {
		return int(optionSizes[o.Set])
	}
	return o.sizeOfMore()
}

// optionSizes are the sizes of all sets of options without SACK blocks, as put
// arranges them: SACK-permitted finds room beside timestamps.
var optionSizes = func() (sizes [OptSACK]uint8) {
	for set := range OptSACK {
		if set&OptMSS != 0 {
			sizes[set] += 4
		}
		if set&OptTimestamps != 0 {
			sizes[set] += 12
		} else if set&OptSACKPermitted != 0 {
			sizes[set] += 4
		}
		if set&OptWindowScale != 0 {
			sizes[set] += 4
		}
	}
	return sizes
}()

func (o *Options) sizeOfMore() int {
	n := int(optionSizes[o.Set&(OptSACK-1)])
	if o.Has(OptUserTimeout) {
		n += 4
	}
	if o.Has(OptAccECN) {
		n += o.AccECN.Size()
	}
	n += o.fastOpenAfter(n)
	if o.Has(OptAuth) {
		n += AuthSize
	}
	if k := o.sackBlocksAfter(n); k > 0 {
		n += 4 + 8*k
	}
	return n
}

// sackBlocksAfter returns how many blocks can follow n bytes of other options:
// beside timestamps three of four. The last ones, the least recent, are left
// out. https://www.rfc-editor.org/rfc/rfc2018#section-3
func (o *Options) sackBlocksAfter(n int) int {
	if o.Set&(OptSACK|OptFastOpen) != OptSACK {
		return 0
	}
	return min(int(o.SACKBlocks), len(o.SACK), max(0, MaxTCPOptions-4-n)/8)
}

// put writes the options to w, which is size bytes long, and returns the sum of
// its words. Each has its length (MUST-68). NOPs before an option make it end with a word,
// so there is no padding behind the last one (MUST-69).
func (o *Options) put(w []byte) (sum uint64) {
	times := uint64(o.TSVal)<<32 | uint64(o.TSEcr)
	switch o.Set {
	case OptTimestamps: // nearly every segment
		w := (*[12]byte)(w)
		put32(w[0:], nopNopTimestamps)
		put64(w[4:], times)
		return addCarry(times, nopNopTimestamps)
	case OptMSS | OptSACKPermitted | OptTimestamps | OptWindowScale: // a SYN
		w := (*[20]byte)(w)
		first := uint64(mss|uint32(o.MSS))<<32 | sackOKTimestamps
		last := nopWindowScale | uint32(min(o.WindowScale, MaxWindowScale))
		put64(w[0:], first)
		put64(w[8:], times)
		put32(w[16:], last)
		return addCarry(addCarry(first, times), uint64(last))
	}
	return o.putEach(w)
}

func (o *Options) putEach(w []byte) (sum uint64) {
	size := len(w)
	if o.Set&OptMSS != 0 {
		v := mss | uint32(o.MSS)
		put32(w, v)
		w, sum = w[4:], uint64(v)
	}
	if o.Set&OptTimestamps != 0 {
		start := uint32(nopNopTimestamps)
		if o.Set&OptSACKPermitted != 0 {
			start = sackOKTimestamps
		}
		put32(w, start)
		put32(w[4:], o.TSVal)
		put32(w[8:], o.TSEcr)
		w, sum = w[12:], sum+uint64(start)+uint64(o.TSVal)+uint64(o.TSEcr)
	} else if o.Set&OptSACKPermitted != 0 {
		put32(w, nopNopSACKPermitted)
		w, sum = w[4:], sum+nopNopSACKPermitted
	}
	if o.Set&OptWindowScale != 0 {
		v := nopWindowScale | uint32(min(o.WindowScale, MaxWindowScale))
		put32(w, v)
		w, sum = w[4:], sum+uint64(v)
	}
	if o.Has(OptUserTimeout) {
		v := userTimeout | uint32(o.UserTimeout)
		put32(w, v)
		w, sum = w[4:], sum+uint64(v)
	}
	if o.Has(OptAccECN) {
		n := o.AccECN.Size()
		sum += o.putAccECN(w[:n])
		w = w[n:]
	}
	if n := o.fastOpenAfter(size - len(w)); n > 0 {
		sum += o.putFastOpen(w[:n])
		w = w[n:]
	}
	if o.Has(OptAuth) {
		sum += o.putAuth(w)
		w = w[AuthSize:]
	}
	if len(w) > 0 {
		sum += o.putSACK(w)
	}
	return sum
}

func (o *Options) putSACK(w []byte) (sum uint64) {
	k := len(w) / 8
	v := nopNopSACK | uint32(2+8*k)
	put32(w, v)
	sum = uint64(v)
	for i, s := range o.SACK[:k] {
		put32(w[4+8*i:], uint32(s.Left))
		put32(w[8+8*i:], uint32(s.Right))
		sum += uint64(s.Left) + uint64(s.Right)
	}
	return sum
}
