package tcp

import (
	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Segment is a TCP segment: its header, and its payload as views.
type Segment struct {
	wire.TCP
	// Len is the payload's length in bytes.
	Len int
	// Views hold the payload. Of a segment that arrives they are borrowed; of
	// one that leaves, its taker owns the references.
	Views []buf.View
	// GSOSize is the payload of each segment when this one stands for several,
	// of which the last may be shorter: a super-segment. 0 when it is one.
	GSOSize int

	skip int  // bytes at the front of Views that are no longer payload
	cut  bool // text or a FIN past the window or the peer's FIN was cut off

	// ECN is the field of that name in the IP header, of each of them. It stands last,
	// where there is room.
	ECN wire.ECN
	// TOS is, of what arrives, the octet that the field is a part of.
	TOS uint8
	// ACE says of what leaves that AE, CWR and ECE are a counter, which all segments
	// that it stands for have; without it CWR is for the first alone.
	ACE bool
}

// Count returns how many segments s stands for.
func (s *Segment) Count() int {
	if s.GSOSize == 0 {
		return 1
	}
	return max((s.Len+s.GSOSize-1)/s.GSOSize, 1)
}

// largest returns the payload of the largest segment that s stands for.
func (s *Segment) largest() int {
	if s.GSOSize == 0 {
		return s.Len
	}
	return min(s.Len, s.GSOSize)
}

// last returns the number of the last segment that s stands for. All of them carry the
// same window, and SND.WL1 has to name the newest that did.
func (s *Segment) last() seq.Num {
	if s.GSOSize == 0 || s.Len == 0 {
		return s.Seq
	}
	over := (s.skip+s.Len-1)/s.GSOSize*s.GSOSize - s.skip
	return s.Seq.Add(seq.Size(max(over, 0)))
}

// cutFront takes n bytes of text off the front. The views are not touched: they are
// borrowed, and another copy of the segment may be read from the same ones.
func (s *Segment) cutFront(n int) {
	s.skip += n
	s.Len -= n
	s.Seq = s.Seq.Add(seq.Size(n))
	if int(s.Urgent) > n {
		s.Urgent -= uint16(n)
	} else {
		s.Flags &^= wire.URG
	}
}

// cutBack takes n bytes of text off the back.
func (s *Segment) cutBack(n int) {
	s.Len -= n
	s.cut = true
}

// cutBehind takes off what lies behind the peer's FIN, which has number fin.
func (s *Segment) cutBehind(fin seq.Num) {
	over := s.Seq.Add(seq.Size(s.Len)).Diff(fin)
	if over > 0 && s.SeqLen() > 0 { // an ACK alone has nothing to lose
		s.cutBack(min(int(over), s.Len))
		s.Flags &^= wire.FIN
	}
}

// SeqLen returns SEG.LEN of RFC 9293: the payload, SYN and FIN counted.
func (s *Segment) SeqLen() seq.Size {
	n := seq.Size(s.Len)
	if s.Flags.Has(wire.SYN) {
		n++
	}
	if s.Flags.Has(wire.FIN) {
		n++
	}
	return n
}

// Output is one segment that leaves, and where it goes.
type Output struct {
	Segment
	Tuple   wire.Tuple
	Service wire.Service

	// Auth signs the segment, which has the option without its MAC; nil: nobody does. Its
	// taker sets it to nil.
	Auth auth.Session

	views [buf.MaxViews]buf.View
	again bool // not the first time
}
