package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// maxReplies bounds the segments of no connection that wait to be sent. More
// segments that deserve a RST are ignored, and more SYNs that would be answered
// by a cookie are dropped: who means it tries again.
const maxReplies = 1024

// statelessReply is a segment that no connection sends: the RST for a segment
// that belongs to none, or a SYN-ACK of which nothing is kept.
type statelessReply struct {
	tuple  wire.Tuple
	header wire.TCP
}

// reply answers s with a RST, RFC 9293 §3.10.7.1: with the sequence number that
// its ACK asks for, or else with an ACK of all that it occupies.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1
func (e *Endpoint) reply(now clock.Time, t *wire.Tuple, s *Segment) {
	if s.Flags.Has(wire.ACK) {
		e.pushReset(now, t, wire.RST, s.Ack, 0)
	} else {
		e.pushReset(now, t, wire.RST|wire.ACK, 0, s.Seq.Add(s.SeqLen()))
	}
}

func (e *Endpoint) pushReset(now clock.Time, t *wire.Tuple, flags wire.Flags, seq, ack seq.Num) {
	r := e.replies.extend()
	if r == nil {
		e.stats.RepliesDropped++
		return
	}
	r.tuple = *t
	r.header = wire.TCP{SrcPort: t.LocalPort, DstPort: t.RemotePort, Seq: seq, Ack: ack, Flags: flags}
	e.trace.add(Event{Time: now, Kind: SegmentSent, Tuple: *t, Segment: r.header})
}

func (e *Endpoint) outputReply(out *Output) bool {
	r := e.replies.front()
	if r == nil {
		return false
	}
	out.Tuple = r.tuple
	out.TCP = r.header
	out.Len, out.Views, out.GSOSize, out.again = 0, nil, 0, false
	e.replies.drop()
	return true
}
