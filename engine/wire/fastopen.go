package wire

import (
	"encoding/hex"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// MinFastOpenCookie and MaxFastOpenCookie bound the length of a cookie of TCP Fast Open,
// in bytes. It is even. https://www.rfc-editor.org/rfc/rfc7413#section-2
const (
	MinFastOpenCookie = 4
	MaxFastOpenCookie = 16
)

// FastOpenCookie is the value of the Fast Open option: a server's cookie, or nothing,
// which in a SYN asks for one. Cookies are equal when ==.
// https://www.rfc-editor.org/rfc/rfc7413#section-4.1.1
type FastOpenCookie struct {
	size  uint8
	bytes [MaxFastOpenCookie]byte
}

// MakeFastOpenCookie returns a cookie of a copy of b. It is false when b is neither empty
// nor as long as a cookie may be.
func MakeFastOpenCookie(b []byte) (c FastOpenCookie, ok bool) {
	if n := len(b); n != 0 && (n < MinFastOpenCookie || n > MaxFastOpenCookie || n%2 != 0) {
		return c, false
	}
	c.size = uint8(copy(c.bytes[:], b))
	return c, true
}

// FastOpenCookieOf returns the cookie of eight bytes that is a number in network order.
func FastOpenCookieOf(n uint64) (c FastOpenCookie) {
	c.size = 8
	put64(c.bytes[:], n)
	return c
}

// Len returns how many bytes c has: 0 where it asks for one.
func (c FastOpenCookie) Len() int { return int(c.size) }

// Append appends the bytes of c to b.
func (c FastOpenCookie) Append(b []byte) []byte { return append(b, c.bytes[:c.size]...) }

// String returns the cookie in hexadecimal.
func (c FastOpenCookie) String() string { return hex.EncodeToString(c.bytes[:c.size]) }

// Size returns what the option takes of a header, padding included, in bytes.
func (c FastOpenCookie) Size() int { return (2 + int(c.size) + 3) &^ 3 }

// Before it had a kind of its own Fast Open was an experiment with a kind that all share,
// told by a number. Clients that know no better still ask so.
// https://www.rfc-editor.org/rfc/rfc6994#section-3
const (
	fastOpenMagic      = 0xf989
	fastOpenExperiment = 0x80 // in Options.fastOpen
)

// A SYN has no SACK blocks, so a cookie lies where the first two would: of both options in
// one segment the first counts.

// SetFastOpen puts the option into o, which then has no SACK blocks: an empty cookie asks for
// one.
func (o *Options) SetFastOpen(c FastOpenCookie) { o.setFastOpen(c, 0) }

// SetFastOpenExperiment is SetFastOpen for a peer that knows the experiment only.
func (o *Options) SetFastOpenExperiment(c FastOpenCookie) { o.setFastOpen(c, fastOpenExperiment) }

// FastOpenExperiment reports whether the option has the kind of the experiment.
func (o *Options) FastOpenExperiment() bool { return o.fastOpen&fastOpenExperiment != 0 }

func (o *Options) setFastOpen(c FastOpenCookie, form uint8) {
	o.Set, o.fastOpen = o.Set|OptFastOpen, c.size|form
	for i := range o.SACK[:2] {
		b := c.bytes[8*i:]
		o.SACK[i] = SACKBlock{seq.Num(be32(b)), seq.Num(be32(b[4:]))}
	}
}

// takeFastOpen stores the option, in either of its forms.
func (o *Options) takeFastOpen(kind byte, v []byte) {
	form := uint8(0)
	if kind == kindExperiment {
		if len(v) < 2 || be16(v) != fastOpenMagic {
			return // another experiment
		}
		v, form = v[2:], fastOpenExperiment
	}
	if c, ok := MakeFastOpenCookie(v); o.first(OptFastOpen, ok) {
		o.setFastOpen(c, form)
	}
}

// FastOpen returns the cookie of the option, which counts when OptFastOpen is in Set.
func (o *Options) FastOpen() (c FastOpenCookie) {
	c.size = o.fastOpen &^ fastOpenExperiment
	for i, s := range o.SACK[:2] {
		put32(c.bytes[8*i:], uint32(s.Left))
		put32(c.bytes[8*i+4:], uint32(s.Right))
	}
	return c
}

// fastOpenAfter returns what the option takes after n bytes of others: nothing where it
// has no room.
func (o *Options) fastOpenAfter(n int) int {
	if o.Set&OptFastOpen == 0 {
		return 0
	}
	size := o.FastOpen().Size()
	if o.FastOpenExperiment() {
		size = (4 + o.FastOpen().Len() + 3) &^ 3
	}
	if n+size > MaxTCPOptions {
		return 0
	}
	return size
}

// putFastOpen writes the option to w, which is as long as it and its padding, and returns
// the sum of its words. As with Linux the padding comes last.
func (o *Options) putFastOpen(w []byte) (sum uint64) {
	c := o.FastOpen()
	w[len(w)-2], w[len(w)-1] = kindNOP, kindNOP
	if o.FastOpenExperiment() {
		put32(w, kindExperiment<<24|uint32(4+c.size)<<16|fastOpenMagic)
		copy(w[4:], c.bytes[:c.size])
	} else {
		w[0], w[1] = kindFastOpen, 2+c.size
		copy(w[2:], c.bytes[:c.size])
	}
	for ; len(w) > 0; w = w[4:] {
		sum += uint64(be32(w))
	}
	return sum
}

// FastOpenString returns the option as packetdrill writes it: "FO 0123456789abcdef", or
// "FO", which asks for a cookie; with the kind of the experiment FOEXP.
func (o *Options) FastOpenString() string {
	name := "FO"
	if o.FastOpenExperiment() {
		name = "FOEXP"
	}
	if o.FastOpen().Len() == 0 {
		return name
	}
	return name + " " + o.FastOpen().String()
}
