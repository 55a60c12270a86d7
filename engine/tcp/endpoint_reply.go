package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxReplies bounds the segments of no connection that wait to be sent. More
// segments that deserve a RST are ignored, and more SYNs that would be answered
// by a cookie are dropped: a real peer tries again.
const maxReplies = 1024

// statelessReply is a segment that no connection sends: the RST for a segment
// that belongs to none, or a stateless SYN-ACK.
type statelessReply struct {
	tuple   wire.Tuple
	header  wire.TCP
	service wire.Service
	signer  uint8 // see signs
}

// reply answers s with a RST, RFC 9293 §3.10.7.1: with the sequence number that
// its ACK asks for, or else with an ACK of all that it occupies.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1
func (e *Endpoint) reply(now clock.Time, t *wire.Tuple, s *Segment, options wire.Options) {
	h := wire.TCP{Flags: wire.RST, Seq: s.Ack, Options: options}
	if !s.Flags.Has(wire.ACK) {
		h.Flags, h.Seq, h.Ack = wire.RST|wire.ACK, 0, s.Seq.Add(s.SeqLen())
	}
	e.pushReset(now, t, h, s.TOS)
}

// stamp returns the options of a RST that answers a segment which was refused for
// reason d. When there is a connection, which has sent its SYN, a timestamp is
// among them: RFC 7323 §3.2.
func (e *Endpoint) stamp(now clock.Time, t *wire.Tuple, d wire.Drop) (o wire.Options) {
	if d != wire.BadAck {
		return o // there is none
	}
	if en := e.conns.find(t); en != nil {
		en.addTimestamp(now, &o)
		return o
	}
	f := e.cookies.flow(t)
	if at := e.halfOpen.find(f, t); at != 0 {
		h := e.halfOpen.at(at)
		e.expandAt(now, t, f, h).addTimestamp(now, &o)
	}
	return o
}

// pushReset queues a RST from t. When too many wait it is dropped: nobody relies on
// one, and a flood must not make us send as much as it does.
//
// The DiffServ field is that of the segment that it answers, as in Linux: its sender wants
// the flow to be treated so.
func (e *Endpoint) pushReset(now clock.Time, t *wire.Tuple, h wire.TCP, tos uint8) {
	session := e.cfg.session(t)
	if session != nil && !h.Flags.Has(wire.ACK) {
		return // what could sign it is not known, and the peer would not believe it without
	}
	r := e.replies.extend()
	if r == nil {
		e.stats.RepliesDropped++
		return
	}
	r.tuple, r.service = *t, wire.MakeService(tos, 0)
	h.SrcPort, h.DstPort = t.LocalPort, t.RemotePort
	r.header = h
	if session != nil {
		r.mark(session)
	}
	e.trace.add(Event{Time: now, Kind: SegmentSent, Tuple: *t, Segment: r.header})
}

// outputReply fills out with the first of the replies, of which there is one.
func (e *Endpoint) outputReply(out *Output) {
	r := e.replies.front()
	out.Tuple, out.Service = r.tuple, r.service
	out.TCP = r.header
	out.Len, out.Views, out.GSOSize, out.ECN, out.again = 0, nil, 0, 0, false
	if r.header.Options.Has(wire.OptAuth) {
		e.sign(r, out)
	}
	e.replies.drop()
}
