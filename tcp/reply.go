package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// maxReplies bounds the RSTs that wait to be sent; more segments that deserve
// one are ignored.
const maxReplies = 256

// maxAnswers bounds the SYN-ACKs without an entry that wait to be sent; more
// SYNs are dropped, and will be repeated by those that mean it.
const maxAnswers = 1024

// statelessReply is a RST for a segment that belongs to no connection.
type statelessReply struct {
	tuple    wire.Tuple
	seq, ack seq.Num
	flags    wire.Flags
}

// reply answers s with a RST, RFC 9293 §3.10.7.1: with the sequence number that
// its ACK asks for, or else with an ACK of all that it occupies.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1
func (e *Endpoint) reply(now clock.Time, t wire.Tuple, s *Segment) {
	r := statelessReply{tuple: t, flags: wire.RST}
	if s.Flags.Has(wire.ACK) {
		r.seq = s.Ack
	} else {
		r.flags |= wire.ACK
		r.ack = s.Seq.Add(s.SeqLen())
	}
	if !e.replies.push(r) {
		e.stats.RepliesDropped++
	}
}

func (r *statelessReply) fill(now clock.Time, out *Output, t *Trace) {
	out.Tuple, out.GSOSize, out.Len, out.Views, out.again = r.tuple, 0, 0, nil, false
	out.TCP = wire.TCP{SrcPort: r.tuple.LocalPort, DstPort: r.tuple.RemotePort,
		Seq: r.seq, Ack: r.ack, Flags: r.flags}
	if t != nil {
		t.add(Event{Time: now, Kind: SegmentSent, Tuple: r.tuple, Segment: out.TCP})
	}
}
