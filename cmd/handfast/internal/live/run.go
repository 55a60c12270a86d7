package live

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// stranger is who all connections are said to come from whose peers are unknown.
var stranger = say.Text{"attacker", "攻击者"}

// Run returns what was kept, in the order in which it happened. When a segment of
// ours arrives at the other side nobody knows, and of packets there are the
// headers only.
func (r *Recorder) Run() *trace.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := builder{recorder: r, run: &trace.Run{}, offset: r.offset()}
	for _, e := range r.merged() {
		b.add(e)
	}
	b.finish()
	return b.run
}

// Speaks returns the language in which it is told.
func (r *Recorder) Speaks() story.Lang { return r.Lang }

// Empty reports whether nothing was kept.
func (r *Recorder) Empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moments == 0
}

// Tell returns the run as steps; what was left out is a gap.
func (r *Recorder) Tell(o story.TellOptions) *story.Telling {
	t := story.Tell(r.Run(), o)
	for i := range t.Steps {
		if s := &t.Steps[i]; s.Kind == story.Remark && r.isGap(s.Text) {
			*s = story.Skipped(s.Time, s.Text)
		}
	}
	r.titles(t.Lanes)
	return t
}

// titles adds the ports to the lanes when there is one connection only. Whose
// unknown states has none.
func (r *Recorder) titles(lanes []story.Head) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range lanes {
		if name, _, _ := strings.Cut(lanes[i].Title, "\n"); !r.looked && name != r.Host {
			lanes[i].Plain = true
		}
	}
	if len(r.connections) != 1 || len(lanes) != 2 {
		return
	}
	t := r.connections[0].tuple
	ours := r.Host + "\n" + netip.AddrPortFrom(t.Local.Netip(), t.LocalPort).String()
	theirs := r.Peer + "\n" + netip.AddrPortFrom(t.Remote.Netip(), t.RemotePort).String()
	lanes[0].Title, lanes[1].Title = theirs, ours
	if r.Dials {
		lanes[0].Title, lanes[1].Title = ours, theirs
	}
}

// gapEnd is how the text of a gap ends, which counts segments. By it a gap is found again
// among the remarks: a run, which the lab has too, knows of none.
var gapEnd = say.Text{" segments more", " 个报文段从略"}

func (r *Recorder) isGap(text string) bool {
	n, found := strings.CutSuffix(text, gapEnd[r.Lang])
	return found && n != "" && n[0] >= '0' && n[0] <= '9'
}

func (r *Recorder) gapText(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s + gapEnd[r.Lang]
}

// entry is a moment of a connection, or its gap.
type entry struct {
	*connection
	moment
	gap bool
}

// merged returns the moments of all connections in their order.
func (r *Recorder) merged() (all []entry) {
	for _, c := range r.connections {
		for _, m := range c.head {
			all = append(all, entry{c, m, false})
		}
		if c.skipped > 0 {
			all = append(all, entry{c, c.tail[0], true})
		}
		for _, m := range c.tail {
			all = append(all, entry{c, m, false})
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.order, b.order) })
	return all
}

// offset returns what to add to our clock to get the host's. An event is seen
// a little after it happened, so the smallest difference is the best.
func (r *Recorder) offset() clock.Time {
	best := clock.Time(0)
	first := true
	for _, c := range r.connections {
		for _, m := range slices.Concat(c.head, c.tail) {
			if d := m.event.Time - clock.Time(m.seen); m.peer == nil && (first || d > best) {
				best, first = d, false
			}
		}
	}
	return best
}

// builder makes a run of moments.
type builder struct {
	recorder *Recorder
	run      *trace.Run
	offset   clock.Time
	last     clock.Time
}

func (b *builder) add(e entry) {
	at := e.event.Time
	if e.peer != nil {
		at = clock.Time(e.seen) + b.offset
	}
	// Looks at a peer have a clock of their own, so that a little may be missing.
	b.last = max(b.last, at)
	if len(b.run.Events) == 0 {
		b.run.Start = b.last
	}
	switch {
	case e.gap:
		b.event(trace.Event{Host: b.recorder.Host, Class: trace.Note, Text: b.recorder.gapText(e.skipped)})
	case e.peer != nil:
		c := tcp.Event{Kind: tcp.StateChanged, Tuple: e.tuple.Reverse(), From: e.peer.from, State: e.peer.to, Cause: e.peer.cause}
		b.event(trace.Event{Host: b.peer(e.connection), Peer: b.recorder.Host, Event: c})
	default:
		b.ours(e)
	}
}

// event appends an event, now.
func (b *builder) event(e trace.Event) {
	e.Time = b.last
	b.run.Events = append(b.run.Events, e)
}

// ours appends what our host reports. What it receives somebody has sent.
func (b *builder) ours(e entry) {
	peer, host := b.peer(e.connection), b.recorder.Host
	ours := trace.Event{Host: host, Peer: peer, Event: e.event}
	switch e.event.Kind {
	case tcp.SegmentSent:
		lost := b.recorder.Withholds && !e.event.Segment.Flags.Has(wire.SYN)
		ours.Packet = b.packet(&e, host, peer, lost)
		b.event(ours)
		if lost {
			ours.Class, ours.Fate = trace.Wire, trace.Lost
			b.event(ours)
		}
	case tcp.SegmentReceived, tcp.SegmentDropped:
		ours.Packet = b.packet(&e, peer, host, false)
		theirs := trace.Event{Host: peer, Peer: host, Class: trace.Scripted, Packet: ours.Packet, Event: e.event}
		theirs.Kind, theirs.Tuple, theirs.Drop = tcp.SegmentSent, e.event.Tuple.Reverse(), wire.None
		theirs.ISS, theirs.IRS = e.event.IRS, e.event.ISS
		if e.forged {
			theirs.Class, theirs.Fate = trace.Wire, trace.Forged
		}
		b.event(theirs)
		b.event(ours)
	default:
		b.event(ours)
	}
}

// packet appends the packet of a segment, without its payload, and returns its
// number.
func (b *builder) packet(e *entry, from, to string, lost bool) int {
	t := e.event.Tuple
	if e.event.Kind != tcp.SegmentSent {
		t = t.Reverse()
	}
	ip := wire.IP{Version: 6, Proto: wire.ProtoTCP, TTL: 64, Src: t.Local, Dst: t.Remote, DontFragment: true}
	if t.Local.Is4() {
		ip.Version = 4
	}
	h := e.event.Segment
	h.SrcPort, h.DstPort = t.LocalPort, t.RemotePort
	p := trace.Packet{ID: len(b.run.Packets) + 1, Time: b.last, From: from, To: to, Forged: e.forged && from != b.recorder.Host, Lost: lost,
		Data: wire.AppendSegment(nil, &ip, &h, min(e.event.Len, 1<<16-1-ip.HeaderSize()-h.HeaderLen()), 0, false)}
	p.Size = len(p.Data) + e.event.Len
	if !lost {
		p.Arrivals = []trace.Arrival{{Data: p.Data}}
	}
	b.run.Packets = append(b.run.Packets, p)
	return p.ID
}

// peer returns the name of a connection's other side.
func (b *builder) peer(c *connection) string {
	if c.forged {
		return stranger[b.recorder.Lang]
	}
	for _, other := range b.recorder.connections {
		if !other.forged {
			if other.tuple.Remote == c.tuple.Remote {
				break
			}
			return fmt.Sprintf(say.Text{"%s at %v", "%s（%v）"}[b.recorder.Lang], b.recorder.Peer, c.tuple.Remote)
		}
	}
	return b.recorder.Peer
}

// finish adds the hosts: the clients on the left.
func (b *builder) finish() {
	r := b.recorder
	b.run.End = b.last
	var peers []trace.Host
	own := trace.Host{Name: r.Host}
	for _, c := range r.connections {
		own.Address = c.tuple.Local.String()
		h := trace.Host{Name: b.peer(c), Address: c.tuple.Remote.String()}
		if !slices.ContainsFunc(peers, func(p trace.Host) bool { return p.Name == h.Name }) {
			peers = append(peers, h)
		}
	}
	b.run.Hosts = append(peers, own)
	if r.Dials {
		b.run.Hosts = append([]trace.Host{own}, peers...)
	}
}
