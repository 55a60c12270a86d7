package capture

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxHeld bounds how many bytes of one side are held while some before them are
// missing. Of more, what is missing is taken for not captured.
const maxHeld = 4 << 20

// Contents take what a connection carries, in order: the next bytes of one side's
// stream, valid during the call, or how many are missing of it, which the capture does
// not have. What is sent again comes once.
type Contents func(c *Conn, from int, data []byte, missing int64)

// contents put the stream of one side together.
type contents struct {
	next  int64 // the place of what is told next
	begun bool
	fin   int64 // the place of its FIN; 0: there is none yet
	held  []piece
	bytes int // in held
}

// piece lies behind something that is missing.
type piece struct {
	at   int64
	data []byte
}

// carry takes a segment that both sides have taken. It tells what follows from it.
func (t *Tracker) carry(c *Conn, from int, s *segment) {
	if s.tcp.Flags.Has(wire.RST) {
		return
	}
	me, peer := &c.Sides[from], &c.Sides[1-from]
	at := me.placeOf(s.tcp.Seq)
	in := &c.contents[from]
	tell := func(data []byte, missing int64) { t.options.Contents(c, from, data, missing) }
	if !in.begun {
		in.begun, in.next = true, at
		if s.tcp.Flags.Has(wire.SYN) || me.SYNs > 0 {
			in.next = 1
		}
	}
	if s.tcp.Flags.Has(wire.SYN) {
		at++
	}
	if s.tcp.Flags.Has(wire.FIN) {
		in.fin = at + int64(s.length)
	}
	if s.length > 0 {
		in.take(at, s.data, tell)
	}
	if s.tcp.Flags.Has(wire.ACK) && peer.begun {
		// What has arrived and was not captured will not come any more.
		c.contents[1-from].arrived(peer.placeOf(s.tcp.Ack), func(data []byte, missing int64) { t.options.Contents(c, 1-from, data, missing) })
	}
}

// take takes data at a place.
func (in *contents) take(at int64, data []byte, tell func([]byte, int64)) {
	if late := in.next - at; late > 0 {
		data = data[min(late, int64(len(data))):]
		at = in.next
	}
	switch {
	case len(data) == 0:
	case at == in.next:
		in.next += int64(len(data))
		tell(data, 0)
		in.follow(tell)
	default:
		i, _ := slices.BinarySearchFunc(in.held, at, func(p piece, at int64) int { return int(min(max(p.at-at, -1), 1)) })
		in.held = slices.Insert(in.held, i, piece{at, slices.Clone(data)})
		for in.bytes += len(data); in.bytes > maxHeld; {
			in.pass(in.held[0].at, tell)
		}
	}
}

// follow tells what is held and no longer behind anything.
func (in *contents) follow(tell func([]byte, int64)) {
	for len(in.held) > 0 && in.held[0].at <= in.next {
		p := in.held[0]
		in.held = slices.Delete(in.held, 0, 1)
		in.bytes -= len(p.data)
		if rest := p.data[min(in.next-p.at, int64(len(p.data))):]; len(rest) > 0 {
			in.next += int64(len(rest))
			tell(rest, 0)
		}
	}
}

// pass goes on at a place: what lies before it is missing.
func (in *contents) pass(to int64, tell func([]byte, int64)) {
	if missing := to - in.next; missing > 0 {
		in.next = to
		tell(nil, missing)
	}
	in.follow(tell)
}

// arrived notes that all before a place has come to the peer.
func (in *contents) arrived(until int64, tell func([]byte, int64)) {
	if in.fin > 0 {
		until = min(until, in.fin)
	}
	for len(in.held) > 0 && in.held[0].at <= until && in.next < until {
		in.pass(in.held[0].at, tell)
	}
	// The number of a FIN that was not captured looks like one byte.
	if until > in.next+1 && len(in.held) == 0 && in.begun {
		in.pass(until, tell)
	}
}

// end tells what is held when nothing more comes.
func (in *contents) end(tell func([]byte, int64)) {
	for len(in.held) > 0 {
		in.pass(in.held[0].at, tell)
	}
}
