package host

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// hasText reports whether what came in is a segment with text, for TCP.
func (in *inbound) hasText() bool { return in.forTCP && in.segment.Len > 0 }

// receiveMerged is receiveInTCP for packet number at, a segment with text, and for those
// of the next ones that continue it. It returns how many packets that are.
func (h *Host) receiveMerged(now clock.Time, d *Desk, at int, batch []*buf.Packet) int {
	in := d.in[at:len(batch)]
	n := h.merge(in, d.views[:0])
	drop := h.receiveInTCP(now, &in[0], batch[at])
	for i := 1; i < n; i++ {
		in[i].forTCP, in[i].drop = false, drop
		h.receiveInTCP(now, &in[i], batch[at+i])
	}
	if n > 1 {
		clear(in[0].segment.Views) // the desk's, which would keep memory
	}
	return n
}

// merge adds to the segment of the first packet what the next ones continue it
// with (generic receive offload), and returns how many packets are in it: most
// of what TCP does with a segment does not depend on its length. All are of one
// size, which is all that is kept of where one ends; a shorter one is the last, and so is
// one with PSH. Flags, SACK blocks and an urgent pointer mean something at their place:
// such a segment stays alone. Views is room for theirs.
func (h *Host) merge(in []inbound, views []buf.View) (n int) {
	whole := &in[0].segment
	if h.traced || whole.Flags&^wire.ACEMask != wire.ACK || whole.GSOSize != 0 || whole.Options.Set&^wire.OptTimestamps != 0 {
		return 1
	}
	size := whole.Len
	for n = 1; n < len(in); n++ {
		s := &in[n].segment
		if !in[n].continues(&in[0]) || s.Len > size {
			break
		}
		if n == 1 {
			whole.GSOSize, whole.Views = size, append(views, whole.Views...)
		}
		whole.Len += s.Len
		whole.Flags |= s.Flags
		whole.Views = join(whole.Views, s.Views)
		if s.Len < size || s.Flags.Has(wire.PSH) {
			return n + 1
		}
	}
	return n
}

// continues reports whether in is what follows first in its stream and differs
// in nothing else, marks of ECN and what it says of them among it, except that it may
// push.
func (in *inbound) continues(first *inbound) bool {
	s, f := &in.segment, &first.segment
	return in.hasText() && s.Seq == f.Seq.Add(seq.Size(f.Len)) && s.Flags&^wire.PSH == f.Flags && s.GSOSize == 0 &&
		s.Ack == f.Ack && s.Window == f.Window && s.Options.Set == f.Options.Set &&
		s.Options.TSVal == f.Options.TSVal && s.Options.TSEcr == f.Options.TSEcr &&
		in.tuple == first.tuple && in.ip.TOS == first.ip.TOS && in.path == first.path
}

// join appends views to all; one that begins where the last one ends makes that
// longer.
func join(all, views []buf.View) []buf.View {
	for _, v := range views {
		if last := &all[len(all)-1]; v.Follows(*last) {
			last.Grow(v.Len())
		} else {
			all = append(all, v)
		}
	}
	return all
}
