package host

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// softwareGSO is the largest IP packet, in bytes, that TCP makes for a link that
// takes no super-segments. The host takes them apart (generic segmentation
// offload): most of what TCP does for a segment does not depend on its length.
const softwareGSO = 32 << 10

// takePart moves to p what goes into one packet of the super-segment out, and
// returns how many bytes that are: all that is left, when the link takes packets
// that large, or one segment. A kernel that cuts it up clears CWR in all but the first,
// which would change a counter of AccECN.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.3.4
func (h *Host) takePart(p *buf.Packet, largest int, out *tcp.Output) (n int) {
	n = out.Len
	switch {
	case n <= out.GSOSize:
	case out.ACE && out.Flags.Has(wire.CWR):
		n = out.GSOSize
	case h.ip.HeaderSize()+out.HeaderLen()+n <= largest:
		p.GSOSize = uint16(out.GSOSize)
		h.counters.TcpOutSegs += uint64(out.Count() - 1)
	default:
		n = out.GSOSize
	}
	takeViews(p, out, n)
	return n
}

// takeViews moves n bytes from the front of out to p. A view that is cut has a reference in
// each part; one that goes whole takes its own along.
func takeViews(p *buf.Packet, out *tcp.Output, n int) {
	for n > 0 {
		v := &out.Views[0]
		if n < v.Len() {
			p.AddView(v.Slice(0, n).Retain())
			*v = v.Slice(n, v.Len())
			return
		}
		n -= v.Len()
		p.AddView(*v)
		out.Views = out.Views[1:]
	}
}
