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
// that belongs to none, or a SYN-ACK of which nothing is kept. It is short, and
// becomes a header when it is sent.
type statelessReply struct {
	tuple        wire.Tuple
	seq, ack     seq.Num
	tsVal, tsEcr uint32
	offer        offer // of the SYN that a SYN-ACK answers
	mss          uint16
	flags        wire.Flags
}

// header makes h the header of the reply.
func (r *statelessReply) header(h *wire.TCP, cfg *Config) {
	h.SrcPort, h.DstPort, h.Seq, h.Ack, h.Flags = r.tuple.LocalPort, r.tuple.RemotePort, r.seq, r.ack, r.flags
	h.Window, h.Checksum, h.Urgent = 0, 0, 0
	h.Options.Set, h.Options.SACKBlocks = 0, 0
	if r.flags.Has(wire.SYN) {
		r.offer.answer(h, cfg, r.mss)
		h.Options.TSVal, h.Options.TSEcr = r.tsVal, r.tsEcr
	}
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
	r.tuple, r.seq, r.ack, r.flags = *t, seq, ack, flags
	if e.trace != nil {
		ev := Event{Time: now, Kind: SegmentSent, Tuple: *t}
		r.header(&ev.Segment, e.cfg)
		e.trace.add(ev)
	}
}

func (e *Endpoint) outputReply(out *Output) bool {
	r := e.replies.front()
	if r == nil {
		return false
	}
	out.Tuple.Local, out.Tuple.Remote = r.tuple.Local, r.tuple.Remote
	out.Tuple.LocalPort, out.Tuple.RemotePort = r.tuple.LocalPort, r.tuple.RemotePort
	r.header(&out.TCP, e.cfg)
	out.Len, out.Views, out.GSOSize, out.again = 0, nil, 0, false
	e.replies.drop()
	return true
}
