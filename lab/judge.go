package lab

import (
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/internal/look"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// A host's judges: what it sends goes through wire, what a segment made of its connection
// through the world's relation, and what its programs write and read through the streams.

// hearing is a segment that a host takes in, while it does.
type hearing struct {
	oracle.Step
	tuple wire.Tuple
	back  oracle.Flow // of what answers it
}

// begin notes what a segment meets; nil when it is none.
func (n *node) begin(data []byte) *hearing {
	s, flow, ok := oracle.SegmentOf(data)
	if !ok {
		return nil
	}
	k := &hearing{back: flow.Reverse()}
	k.Segment, k.Unheard, k.Delays, k.Signed = s, n.Prompt, n.Host.TCP.AsLinux, n.Host.TCP.Authenticator != nil
	k.tuple = wire.Tuple{Local: wire.AddrFrom16(flow.Dst), Remote: wire.AddrFrom16(flow.Src), LocalPort: flow.DstPort, RemotePort: flow.SrcPort}
	k.Before = look.View(n.host.TCP().Look(k.tuple))
	return k
}

// sent has the judges look at a packet that leaves.
func (n *node) sent(data []byte) {
	if err := n.wire.Sent(n.now(), data); err != nil {
		n.world.fault(n, err)
	}
	if n.step == nil {
		return
	}
	if s, flow, ok := oracle.SegmentOf(data); ok && flow == n.step.back {
		n.step.Replies = append(n.step.Replies, s)
	}
}

// finish has the relation judge what the segment made of the connection.
func (n *node) finish(k *hearing) {
	k.After = look.View(n.host.TCP().Look(k.tuple))
	if err := n.world.Relation.Check(&k.Step); err != nil {
		n.world.fault(n, err)
	}
}

// beginStream names the stream that a program writes.
func (c *Conn) beginStream() {
	t := c.entry.Tuple()
	c.stream = oracle.Stream{Flow: oracle.Flow{Src: t.Local.As16(), Dst: t.Remote.As16(), SrcPort: t.LocalPort, DstPort: t.RemotePort},
		ISN: c.proc.node.host.TCP().Look(t).ISS}
	c.proc.world.Streams.Opened(c.stream)
}

// reads names the stream that it reads; not ok when the handshake never came to it, or
// another connection has taken the four-tuple.
func (c *Conn) reads() (k oracle.Stream, ok bool) {
	i := c.proc.node.host.TCP().Look(c.entry.Tuple())
	return oracle.Stream{Flow: c.stream.Flow.Reverse(), ISN: i.IRS}, i.ISS == c.stream.ISN && i.IRS != 0
}

// judge tells of a fault. Where TIME-WAIT is shorter than packets live, nothing keeps old
// text out of a new connection: a scenario shows that.
func (c *Conn) judge(err error) {
	n := c.proc.node
	if msl := n.Host.TCP.MSL; err != nil && (msl == 0 || msl >= n.world.base.Delay) {
		n.world.fault(n, err)
	}
}

func (c *Conn) judgeRead(text []byte) {
	if k, ok := c.reads(); ok {
		c.judge(c.proc.world.Streams.Read(k, text))
	}
}

// judgeEnd judges that a program is told of an end, or else of a failure.
func (c *Conn) judgeEnd(end bool) {
	if !c.usable() {
		return
	}
	switch k, ok := c.reads(); {
	case !ok:
	case end:
		c.judge(c.proc.world.Streams.Ended(k))
	default:
		c.proc.world.Streams.Failed(k)
	}
}
