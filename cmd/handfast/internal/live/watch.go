package live

import (
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

// Watched is a link that looks at the kernel's side of a connection at the
// moments when its state changes: just before our host sees a segment that the
// kernel sent, and just after the kernel was given one of ours. So the states
// come in their order, without asking all the time.
type Watched struct {
	link.Link
	Recorder *Recorder
	// State asks the kernel for the state of the socket with these ends.
	State func(local, remote netip.AddrPort) (tcp.State, error)
}

// Read reads packets and looks before they are passed on.
func (w *Watched) Read(queue int, batch []*buf.Packet) (int, error) {
	n, err := w.Link.Read(queue, batch)
	for _, p := range batch[:max(n, 0)] {
		if s, ok := w.parse(p); ok && w.glance(s.dst, s.src, s.flags) {
			w.look(s.src, s.dst)
		}
	}
	return n, err
}

// Write sends packets and looks when they are there.
func (w *Watched) Write(queue int, batch []*buf.Packet) error {
	var last segment
	found := false
	for _, p := range batch {
		if s, ok := w.parse(p); ok && w.glance(s.src, s.dst, s.flags) {
			last, found = s, true
		}
	}
	err := w.Link.Write(queue, batch) // the packets are the link's from here on
	// Once for a batch: the kernel has taken all of it, and earlier states are gone.
	if found {
		w.look(last.dst, last.src)
	}
	return err
}

// look asks for the state of the kernel's socket.
func (w *Watched) look(kernel, ours netip.AddrPort) {
	s, err := w.State(kernel, ours)
	if err != nil {
		w.Recorder.peerUnknown(err)
		return
	}
	w.Recorder.peer(tuple(ours, kernel), s, tcp.CauseNone)
}

// glance reports whether a segment between us and the kernel may change a state
// there: with a SYN, a FIN or an RST, or any at all while the kernel's state is
// on the move.
func (w *Watched) glance(ours, kernel netip.AddrPort, f wire.Flags) bool {
	return w.Recorder.serves(ours.Port(), kernel.Port()) &&
		(f&(wire.SYN|wire.FIN|wire.RST) != 0 || !w.Recorder.peerSettled(tuple(ours, kernel)))
}

func tuple(local, remote netip.AddrPort) wire.Tuple {
	return wire.Tuple{Local: wire.AddrFrom(local.Addr()), Remote: wire.AddrFrom(remote.Addr()), LocalPort: local.Port(), RemotePort: remote.Port()}
}

// segment is the little that must be known of one.
type segment struct {
	src, dst netip.AddrPort
	flags    wire.Flags
}

// parse reads p's segment.
func (w *Watched) parse(p *buf.Packet) (s segment, ok bool) {
	b := p.Data
	if w.Attributes().Medium == link.Ethernet {
		b = b[min(len(b), 14):]
	}
	return parseSegment(b)
}

// parseSegment reads an IP packet of which perhaps only the headers are here:
// the payload of a packet on its way out lies elsewhere.
func parseSegment(b []byte) (s segment, ok bool) {
	var src, dst netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == 6:
		src, dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		b = b[min(len(b), int(b[0]&15)*4):]
	case len(b) >= 40 && b[0]>>4 == 6 && b[6] == 6:
		src, dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		b = b[40:]
	default:
		return s, false
	}
	if len(b) < 14 {
		return s, false
	}
	s.src = netip.AddrPortFrom(src, uint16(b[0])<<8|uint16(b[1]))
	s.dst = netip.AddrPortFrom(dst, uint16(b[2])<<8|uint16(b[3]))
	s.flags = wire.Flags(b[13])
	return s, true
}

// Flags returns the flags of the segment in an IP packet; ok says that it is one.
func Flags(b []byte) (f wire.Flags, ok bool) {
	s, ok := parseSegment(b)
	return s.flags, ok
}
