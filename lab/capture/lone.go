package capture

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxLone is the longest SYN that waits in the small form, in bytes: an IPv6 header and
// a TCP header with all options.
const maxLone = 40 + 60

// lone is a connection of which only a SYN has come, in a small form: the SYN itself, of
// which the whole Conn is made when anything else comes of it. A flood is millions of
// these. It takes a tenth of the memory, so that they stay in the processor's caches.
type lone struct {
	entry
	handshake
	stream, number int
	time           clock.Time
	size           uint8
	packet         [maxLone]byte
}

// wait takes the segment of a packet if it is the SYN of a new connection and nothing
// else, and reports whether it has.
func (t *Tracker) wait(b []byte) bool {
	s := &t.segment
	const one = wire.SYN | wire.ACK | wire.RST | wire.FIN
	if s.tcp.Flags&one != wire.SYN || s.length > 0 || s.ip.TotalLen > min(len(b), maxLone) {
		return false
	}
	sent := s.sent()
	key := ordered(sent)
	hash := t.open.hash(&key)
	if t.open.find(&key, hash) != nil {
		return false
	}
	t.needRoom()
	l := t.spareLone()
	l.entry, l.handshake = entry{hash: hash, key: key, lone: l}, handshake{}
	l.stream, l.number, l.time = t.streams, s.number, s.time
	l.size = uint8(copy(l.packet[:], b[:s.ip.TotalLen]))
	t.watch.see(&l.handshake, &sent, Client, false, s)
	t.streams++
	t.open.put(&l.entry)
	t.opening.renew(&l.entry)
	return true
}

// spareLone returns one that nobody uses.
func (t *Tracker) spareLone() *lone {
	last := len(t.spare) - 1
	if last < 0 {
		return new(lone)
	}
	l := t.spare[last]
	t.spare = t.spare[:last]
	return l
}

// whole returns the connection of an entry, which is made if there is only its SYN, and
// takes the place of that.
func (t *Tracker) whole(e *entry) *Conn {
	switch {
	case e == nil:
		return nil
	case e.conn != nil:
		return e.conn
	}
	c := t.make(e.lone)
	t.opening.replace(e, &c.entry)
	t.open.remove(e)
	t.open.put(&c.entry)
	t.spare = append(t.spare, e.lone)
	return c
}

// make makes the whole connection of a SYN.
func (t *Tracker) make(l *lone) *Conn {
	s, b := &t.again, l.packet[:l.size]
	s.number, s.time = l.number, l.time
	parseIP(b, len(b), &s.ip) // as it was when it came
	s.parse(b)
	c := t.begin(l.key, l.hash, l.stream, s)
	c.handshake = l.handshake
	t.arrive(c, Client, s)
	return c
}

// take takes an entry out of the table and its list, and returns its connection.
func (t *Tracker) take(e *entry) *Conn {
	t.open.remove(e)
	e.in.remove(e)
	if e.conn != nil {
		return e.conn
	}
	t.spare = append(t.spare, e.lone)
	return t.make(e.lone)
}
