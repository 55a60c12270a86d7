package oracle

import "strings"

// class is what a segment is to a connection: where its numbers lie.
type class struct {
	flags uint16
	seq   seqClass
	ack   ackClass
	facts facts
}

// seqClass is where SEG.SEQ lies, as a bit.
type seqClass uint16

const (
	exact  seqClass = 1 << iota // at RCV.NXT
	inside                      // in the window, behind RCV.NXT
	edge                        // just behind the window, without length
	across                      // before RCV.NXT, and the last number in the window
	touch                       // all before RCV.NXT, and the last one right before it
	old                         // all before RCV.NXT
	beyond                      // behind the window, or half the space away

	anySeq     = beyond<<1 - 1
	outside    = touch | old | beyond
	acceptable = exact | inside | across
)

// ackClass is where SEG.ACK lies, as a bit.
type ackClass uint16

const (
	noAck   ackClass = 1 << iota
	ackNew           // of something that is out, but not of our FIN
	ackFin           // of our FIN, which was not acknowledged
	ackSame          // SND.UNA
	ackOld           // less, by no more than the largest window
	ackGone          // less
	ackMore          // of what was never sent

	anyAck  = ackMore<<1 - 1
	badAck  = ackSame | ackOld | ackGone | ackMore // while our SYN is out
	goodAck = ackNew | ackFin | ackSame | ackOld
)

// facts are what else decides, as bits.
type facts uint32

const (
	stale      facts = 1 << iota // the timestamp is older than TS.Recent
	fresh                        // it is newer
	fromIRS                      // SEG.SEQ is the number of the peer's SYN
	opening                      // our SYN is not acknowledged
	passive                      // a SYN from outside opened it
	finHere                      // the FIN comes in order
	finAtEdge                    // and its number is the one behind the window
	textHere                     // there is text that comes in order
	textAhead                    // there is text in the window, and some before it is missing
	overlap                      // a part of it came before, or lies behind the window
	letGo                        // the program has let go of the connection
	earlyFin                     // the peer's FIN waits for what is missing
	noWindow                     // the window is shut
	newerSyn                     // a SYN's number is beyond all that came
	firstStamp                   // it has a timestamp, and the connection had none
	withText                     // there is text
	withSize                     // SEG.LEN is not 0
	asksECN                      // flags of ECN are set
	overtaken                    // its timestamp is hardly older than TS.Recent, and its text is missing
)

// classify says what a segment is to a connection.
func classify(v *View, s *Segment) class {
	c := class{flags: s.Flags, seq: v.place(s), ack: v.acked(s)}
	note := func(on bool, f facts) {
		if on {
			c.facts |= f
		}
	}
	age := int32(s.Stamp - v.TSRecent)
	note(v.Timestamps && s.Stamped && age < 0, stale)
	note(c.facts&stale != 0 && age >= -64 && s.Len > 0 && int32(s.Seq-v.RcvNext) >= 0, overtaken)
	note(v.Timestamps && s.Stamped && (age > 0 || age == -1<<31 && v.State == TimeWait), fresh) // half the space away may be either
	note(s.Seq == v.IRS && v.State == SynReceived || s.Seq == v.IRS && v.opening() && v.State == FinWait1, fromIRS)
	note(v.opening(), opening)
	note(v.Passive, passive)
	note(v.Orphan, letGo)
	note(v.EarlyFin, earlyFin)
	note(v.Window == 0, noWindow)
	note(s.Seq-v.RcvNext-1 < 1<<31, newerSyn) // half the space away may be either
	note(s.Stamped && !v.Timestamps, firstStamp)
	note(s.Len > 0, withText)
	note(s.size() > 0, withSize)
	note(s.Flags&(flagECE|flagCWR|flagAE) != 0, asksECN)
	if c.seq&acceptable != 0 {
		c.facts |= v.within(s, c.seq)
	}
	return c
}

// within says what text and FIN of an acceptable segment are to the window.
func (v *View) within(s *Segment, at seqClass) (f facts) {
	note := func(on bool, g facts) {
		if on {
			f |= g
		}
	}
	end := s.Seq + uint32(s.Len) // of the text
	fin, left := int64(int32(end-v.RcvNext)), int64(v.Window)
	inOrder := at&(exact|across) != 0
	note(s.has(flagFIN) && inOrder && fin >= 0 && fin < left, finHere)
	note(s.has(flagFIN) && inOrder && fin == left, finAtEdge)
	note(s.Len > 0 && inOrder && fin > 0 && left > 0, textHere)
	note(at == inside && s.size() > 0, textAhead)
	note(at == across || fin > left, overlap)
	return f
}

// place says where SEG.SEQ lies.
func (v *View) place(s *Segment) seqClass {
	n, at := int64(s.size()), int64(int32(s.Seq-v.RcvNext))
	last := int64(int32(s.Seq + s.size() - 1 - v.RcvNext))
	switch left := int64(v.Window); {
	case at == 0:
		return exact
	case n == 0 && at == left:
		return edge
	case at > 0 && at < left:
		return inside
	case at >= left:
		return beyond
	case n > 0 && last >= 0 && last < left:
		return across
	case n > 0 && last == -1:
		return touch
	case n > 0 && last >= left: // from before the window to behind it
		return beyond
	}
	return old
}

// acked says where SEG.ACK lies.
func (v *View) acked(s *Segment) ackClass {
	if !s.has(flagACK) {
		return noAck
	}
	switch of, out := int64(int32(s.Ack-v.Una)), int64(v.Next-v.Una); {
	case of == 0:
		return ackSame
	case of > out:
		return ackMore
	case of > 0 && of == out && v.FinSent:
		return ackFin
	case of > 0:
		return ackNew
	case -of <= int64(v.MaxWindow):
		return ackOld
	}
	return ackGone
}

// reply is what a segment is answered with, as a bit.
type reply uint16

const (
	aAck     reply = 1 << iota // an ACK without text
	aText                      // text, or a FIN
	aSyn                       // a SYN
	aSynAck                    // a SYN with an ACK
	aReset                     // a RST by the segment's own numbers
	anAbort                    // a RST by those of the connection
	anything = anAbort<<1 - 1
	nothing  = reply(0)
)

func (r reply) String() string {
	var names []string
	for i, n := range []string{"an ACK", "text", "a SYN", "a SYN-ACK", "a RST", "an abort"} {
		if r>>i&1 != 0 {
			names = append(names, n)
		}
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, " and ")
}

// replies says what the replies of a step are.
func (c *class) replies(k *Step) (set reply) {
	s := &k.Segment
	for i := range k.Replies {
		p := &k.Replies[i]
		switch {
		case p.has(flagRST) && (!p.has(flagACK) && s.has(flagACK) && p.Seq == s.Ack || p.has(flagACK) && !s.has(flagACK) && p.Seq == 0 && p.Ack == s.Seq+s.size()):
			set |= aReset
		case p.has(flagRST):
			set |= anAbort
		case p.has(flagSYN | flagACK):
			set |= aSynAck
		case p.has(flagSYN):
			set |= aSyn
		case p.size() > 0:
			set |= aText
		default:
			set |= aAck
		}
	}
	return set
}
