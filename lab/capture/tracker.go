package capture

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

const (
	protoICMP   = 1
	protoIPv4   = 4 // in a tunnel
	protoTCP    = 6
	protoIPv6   = 41 // in a tunnel
	protoICMPv6 = 58

	// maxTunnels bounds how many IP headers may stand before that of a connection.
	maxTunnels = 3

	// DefaultOpen is how many connections are followed at the same time unless
	// Options.MaxOpen says another number. One takes about two kilobytes, and a
	// quarter of one while only its SYN has come.
	DefaultOpen = 1 << 16
	// lingers is how long a connection that has ended is kept for what comes after: 2MSL.
	lingers = 2 * 60e9
)

// Options say how a capture is followed.
type Options struct {
	// MaxOpen bounds how many connections are followed at the same time. At the bound one
	// that is over is told, or else one whose handshake is not, as those of a flood are,
	// or else any: of each kind the one that is silent the longest. What was not over is
	// told as Conn.Cut.
	MaxOpen int
	// Keep says of a connection whose first segment has come whether its segments are
	// kept, for Conn.Run. nil: none are.
	Keep func(stream int) bool
	// MaxKept bounds how many segments are kept of one connection: half of them from its
	// beginning, half from its end. 0: 2000.
	MaxKept int
	// Contents takes what the connections carry for which Follow holds. nil: nothing is
	// put together.
	Contents Contents
	Follow   func(stream int) bool
	// Ended is told each connection, when nothing more can come of it. It may keep it, or
	// give it back by Tracker.Release.
	Ended func(*Conn)
}

// Counts say what became of the packets of a capture.
type Counts struct {
	Packets     int
	TCP         int
	Fragments   int // of IP packets: nothing is put together
	Broken      int // TCP segments whose headers are broken or cut off
	ICMP        int // errors about TCP
	Other       int // neither TCP nor about it
	UnknownLink int // of a link type that is not read
	Cut         int // connections that the bound has ended early
	First, Last clock.Time
}

// Tracker follows the connections of a capture.
type Tracker struct {
	Counts Counts

	options Options
	open    table // by the tuple of who comes first in order
	streams int
	// by their last segments: those that are over, those whose handshake is not, the others
	ended, opening, living list
	unused                 []*Conn // that were given back
	spare                  []*lone // that are over

	watch   *watch
	segment segment // scratch
	again   segment // scratch: of a SYN that is taken a second time
}

// NewTracker returns a Tracker that has seen nothing.
func NewTracker(o Options) *Tracker {
	if o.MaxOpen <= 0 {
		o.MaxOpen = DefaultOpen
	}
	if o.MaxKept <= 0 {
		o.MaxKept = 2000
	}
	t := &Tracker{options: o, watch: newWatch()}
	t.open.init()
	return t
}

// segment is a TCP segment of the capture.
type segment struct {
	number int
	time   clock.Time
	ip     wire.IP
	tcp    wire.TCP
	length int // of the payload on the wire
	data   []byte
}

// Packet takes the next packet of the capture.
func (t *Tracker) Packet(p *Packet) {
	c := &t.Counts
	if c.Packets++; c.Packets == 1 {
		c.First = p.Time
	}
	c.Last = max(c.Last, p.Time)
	if !p.Link.Known() {
		c.UnknownLink++
		return
	}
	b, before := p.Link.IP(p.Data)
	s := &t.segment
	s.number, s.time = p.Number, p.Time
	if b = s.packet(b, p.Size-before); b == nil {
		c.Other++
		return
	}
	switch {
	case s.ip.IsFragment():
		c.Fragments++
	case s.ip.Proto == protoTCP:
		t.tcp(b)
	case s.ip.Proto == protoICMP || s.ip.Proto == protoICMPv6:
		t.icmp(b)
	default:
		c.Other++
	}
}

// packet reads the IP header of a packet, and returns the packet: of a tunnel that carries IP
// in IP (RFC 2003, 2473, 4213) the one within. It is nil when there is none.
func (s *segment) packet(b []byte, size int) []byte {
	for range 1 + maxTunnels {
		if b == nil || !parseIP(b, size, &s.ip) {
			return nil
		}
		if s.ip.Proto != protoIPv4 && s.ip.Proto != protoIPv6 || s.ip.IsFragment() {
			return b
		}
		b, size = b[s.ip.HeaderLen:], size-s.ip.HeaderLen
	}
	return nil
}

// parseIP reads a header whose packet may be cut off, or be a super-segment too long for
// the field of its length.
func parseIP(b []byte, size int, ip *wire.IP) bool {
	d := wire.ParseQuotedIP(b, ip)
	if d == wire.BadTotalLength && len(b) > 4 && b[0]>>4 == 4 && b[2] == 0 && b[3] == 0 {
		whole := append([]byte(nil), b[:min(len(b), 60)]...) // a host that left the length to its device
		whole[2], whole[3] = 0xff, 0xff
		d = wire.ParseQuotedIP(whole, ip)
		ip.TotalLen = size
	}
	return d == wire.None && ip.HeaderLen <= len(b)
}

func (t *Tracker) tcp(b []byte) {
	s := &t.segment
	if !s.parse(b) {
		t.Counts.Broken++
		return
	}
	t.Counts.TCP++
	if t.wait(b) {
		t.sweep(s.time)
		return
	}
	c, from := t.find(s)
	t.watch.see(&c.handshake, &c.Tuple, from, c.synAckAt > 0, s)
	t.arrive(c, from, s)
	t.place(c).renew(&c.entry)
	t.sweep(s.time)
}

// parse reads the TCP header of a packet whose IP header was read.
func (s *segment) parse(b []byte) bool {
	n, d := wire.ParseTCP(b[s.ip.HeaderLen:], &s.tcp)
	if d != wire.None && d != wire.BadOption {
		return false
	}
	at := s.ip.HeaderLen + n
	s.length = max(s.ip.TotalLen-at, 0)
	s.data = b[at:min(len(b), at+s.length)]
	return true
}

// arrive has both sides of a connection take a segment.
func (t *Tracker) arrive(c *Conn, from int, s *segment) {
	c.arrive(from, s)
	if c.contents != nil {
		t.carry(c, from, s)
	}
}

// place is the list that a connection belongs into.
func (t *Tracker) place(c *Conn) *list {
	switch {
	case !c.begun:
		return &t.opening
	case c.over():
		return &t.ended
	}
	return &t.living
}

// sent is the tuple of who sent it.
func (s *segment) sent() wire.Tuple {
	return wire.Tuple{Local: s.ip.Src, Remote: s.ip.Dst, LocalPort: s.tcp.SrcPort, RemotePort: s.tcp.DstPort}
}

// find returns the segment's connection, a new one if need be, and which side sent it.
func (t *Tracker) find(s *segment) (*Conn, int) {
	sent := s.sent()
	key := ordered(sent)
	hash := t.open.hash(&key)
	c := t.whole(t.open.find(&key, hash))
	if c != nil && c.startsAnew(c.from(sent), s) {
		t.end(&c.entry)
		c = nil
	}
	if c == nil {
		t.needRoom()
		c = t.begin(key, hash, t.streams, s)
		t.streams++
		t.open.put(&c.entry)
	}
	return c, c.from(sent)
}

// ordered returns the tuple or its reverse, the same for both.
func ordered(t wire.Tuple) wire.Tuple {
	ah, al := t.Local.Words()
	bh, bl := t.Remote.Words()
	if ah != bh && ah > bh || ah == bh && al > bl || ah == bh && al == bl && t.LocalPort > t.RemotePort {
		return t.Reverse()
	}
	return t
}

// begin makes a connection. Who sends a SYN has opened it, and a SYN-ACK goes to who did.
// Without either the one with the larger port is taken for the client.
func (t *Tracker) begin(key wire.Tuple, hash uint64, stream int, s *segment) *Conn {
	c, sent := t.blank(), s.sent()
	c.Stream, c.Tuple, c.First, c.FirstPacket = stream, sent, s.time, s.number
	c.entry = entry{hash: hash, key: key, conn: c}
	syn, ack := s.tcp.Flags.Has(wire.SYN), s.tcp.Flags.Has(wire.ACK)
	if syn && ack || !syn && sent.LocalPort < sent.RemotePort {
		c.Tuple = sent.Reverse()
		c.history.flipped = true
	}
	c.start(syn)
	if t.options.Keep != nil && t.options.Keep(c.Stream) {
		c.kept = &kept{most: t.options.MaxKept}
	}
	if t.options.Contents != nil && t.options.Follow(c.Stream) {
		c.contents = new([2]contents)
	}
	return c
}

// needRoom ends a connection early when one more is too many.
func (t *Tracker) needRoom() {
	if t.open.count < t.options.MaxOpen {
		return
	}
	if e := t.ended.oldest; e != nil {
		t.end(e)
		return
	}
	e := t.opening.oldest
	if e == nil {
		e = t.living.oldest
	}
	c := t.take(e)
	c.Cut = true
	t.Counts.Cut++
	t.tell(c)
}

// blank returns a Conn that knows nothing, one that was given back if there is one: a
// flood makes millions.
func (t *Tracker) blank() *Conn {
	last := len(t.unused) - 1
	if last < 0 {
		return new(Conn)
	}
	c := t.unused[last]
	t.unused = t.unused[:last]
	letters, sides := c.history.letters, [2]memory{c.Sides[0].memory(), c.Sides[1].memory()}
	*c = Conn{}
	c.history.letters = letters[:0]
	for i := range c.Sides {
		c.Sides[i].reuse(&sides[i])
	}
	return c
}

// Release takes a connection back that was told to Options.Ended: nothing may use it any
// more, nor what it has returned.
func (t *Tracker) Release(c *Conn) {
	if len(t.unused) < maxUnused {
		t.unused = append(t.unused, c)
	}
}

// maxUnused bounds how many are kept to be used again. Who releases one by one as they
// are told needs one.
const maxUnused = 1 << 10

// end tells of a connection and forgets it.
func (t *Tracker) end(e *entry) { t.tell(t.take(e)) }

// tell reports a connection that is over.
func (t *Tracker) tell(c *Conn) {
	if c.contents != nil {
		for i := range c.contents {
			c.contents[i].end(func(data []byte, missing int64) { t.options.Contents(c, i, data, missing) })
		}
	}
	c.finish(t.Counts.Last)
	if t.options.Ended != nil {
		t.options.Ended(c)
	}
}

// Any reports whether f holds for a connection that is followed.
func (t *Tracker) Any(f func(*Conn) bool) bool {
	for _, l := range []*list{&t.ended, &t.opening, &t.living} {
		for e := l.oldest; e != nil; e = e.newer {
			c := t.whole(e)
			if e = &c.entry; f(c) {
				return true
			}
		}
	}
	return false
}

// Finish ends the connections that are left, first those that are over, each kind in the
// order of their last segments.
func (t *Tracker) Finish() {
	for _, l := range []*list{&t.ended, &t.opening, &t.living} {
		for l.oldest != nil {
			t.end(l.oldest)
		}
	}
}

// sweep ends those that are over and have been silent for 2MSL.
func (t *Tracker) sweep(now clock.Time) {
	for e := t.ended.oldest; e != nil && now.Sub(e.conn.Last) >= lingers; e = t.ended.oldest {
		t.end(e)
	}
}

// icmp notes an error about a segment of a connection that is known.
func (t *Tracker) icmp(b []byte) {
	s := &t.segment
	b = b[s.ip.HeaderLen:]
	var m wire.ICMP
	if len(b) < 8 || wire.ParseICMP(b, &m) == wire.TooShort {
		t.Counts.Other++
		return
	}
	kind := icmpKindOf(s.ip.Version, m.Type, m.Code)
	var ip wire.IP
	var quoted wire.TCP
	if kind == noICMP || wire.ParseQuotedIP(b[8:], &ip) != wire.None || ip.Proto != protoTCP || ip.HeaderLen > len(b)-8 ||
		wire.ParseQuotedTCP(b[8+ip.HeaderLen:], &quoted) != wire.None {
		t.Counts.Other++
		return
	}
	sent := wire.Tuple{Local: ip.Src, Remote: ip.Dst, LocalPort: quoted.SrcPort, RemotePort: quoted.DstPort}
	c := t.whole(t.open.get(ordered(sent)))
	if c == nil {
		t.Counts.Other++
		return
	}
	t.Counts.ICMP++
	c.hear(c.from(sent), kind, s.number)
}

// Streams is how many connections there were so far.
func (t *Tracker) Streams() int { return t.streams }

// Open is how many are followed.
func (t *Tracker) Open() int { return t.open.count }
