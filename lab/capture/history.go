package capture

import (
	"cmp"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// history is Zeek's: a letter for each kind of thing that happened, in upper case when
// the client did it, and the states that Zeek gives both ends. It follows Zeek's source, also where
// other words of this package know better: who compares the two wants the same.
// https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html
type history struct {
	letters []byte
	flipped bool // the first segment was the server's
	ends    [2]zeekEnd
	last    clock.Time // of the last segment before both ends had closed
	missed  int64      // bytes, while both ends were open or had closed in order
}

// zeekEnd is one end as Zeek knows it. Zeek does not ask what has arrived.
type zeekEnd struct {
	state, before zeekState
	start         seq.Num // of its SYN, or where that would be
	behind        seq.Num // the largest that was seen
	closed        bool    // and all before its end was seen, or acknowledged

	seen           letterSet
	syn, fin, rst  seq.Num // of the last of each, from start on
	again, shut, g uint32  // how often those came that are counted
}

// letterSet has a bit for each letter that an end adds once, or once for each number.
type letterSet uint8

const (
	letterS letterSet = 1 << iota // and H
	letterF
	letterR
	letterA
	letterD
	letterI
	letterQ
)

// zeekState is what Zeek says of an end: less than the state of RFC 9293.
type zeekState uint8

const (
	inactive zeekState = iota
	synSent
	partial
	established
	ended
	reset
)

func (e *zeekEnd) goes(to zeekState) {
	if e.state != to {
		e.before, e.state = e.state, to
	}
}

// clean reports whether it is open, or was when it closed.
func (e *zeekEnd) clean() bool {
	return e.state == established || e.state == ended && e.before == established
}

// silent reports whether nothing of its handshake was seen.
func (e *zeekEnd) silent() bool { return e.state == inactive || e.state == partial }

// farAway is how far off a number of a SYN or a RST may be, in bytes.
const farAway = 1 << 20

// add takes a segment, and what it acknowledges of the peer's stream that was never seen. pending
// says of which side something is missing still.
func (h *history) add(from int, s *segment, gaps holes, pending [2]bool) {
	me, peer, f := &h.ends[from], &h.ends[1-from], s.tcp.Flags
	if len(h.letters) == 0 && h.flipped {
		h.letters = append(h.letters, '^')
	}
	first, n := s.tcp.Seq, s.length
	if f.Has(wire.RST) {
		n = 0
	}
	end := first.Add(seq.Size(n) + seq.Size(bit(f, wire.SYN)+bit(f, wire.FIN)))
	me.place(f, first, end)
	h.flags(from, f, first.Sub(me.start), s.length)
	if s.tcp.Window == 0 && !f.Has(wire.RST) && peer.state != ended && me.state != reset {
		h.scaled(from, 'w', &me.shut)
	}
	if !me.closed || !peer.closed {
		h.last = s.time
	}
	if me.advance(f, end) && s.length > 0 {
		h.scaled(from, 't', &me.again)
	}
	h.states(from, s)
	if me.clean() && peer.clean() {
		h.missed += gaps.bytes
		for range gaps.count {
			h.scaled(1-from, 'g', &peer.g)
		}
	}
	for i := range h.ends {
		h.ends[i].close(pending[i])
	}
}

func bit(f, of wire.Flags) int {
	if f.Has(of) {
		return 1
	}
	return 0
}

// place begins to number an end by its segment, or anew by a SYN with another number.
func (e *zeekEnd) place(f wire.Flags, first, end seq.Num) {
	syn := f.Has(wire.SYN)
	switch e.state {
	case inactive:
		if e.start, e.behind = first, end; !syn {
			e.start, e.behind = first-1, first
		}
	case established, partial:
		if syn {
			e.start, e.behind = first, end
		}
	case reset:
		if syn && e.before == inactive {
			e.start, e.behind = first, end
		}
	}
}

// flags adds the letters of a segment's flags and text; number is its own, from the SYN on.
func (h *history) flags(from int, f wire.Flags, number seq.Size, length int) {
	e := &h.ends[from]
	n := seq.Num(number)
	switch syn, fin, rst := f.Has(wire.SYN), f.Has(wire.FIN), f.Has(wire.RST); {
	case fin && rst:
		h.once(from, letterI, 'i')
	case syn && (fin || rst):
		h.once(from, letterQ, 'q')
	case syn:
		h.numbered(from, letterS, "sh"[bit(f, wire.ACK)], &e.syn, n)
	case fin:
		h.numbered(from, letterF, 'f', &e.fin, n+seq.Num(length))
	case rst:
		h.numbered(from, letterR, 'r', &e.rst, n)
	case length > 0:
		h.once(from, letterD, 'd')
	case f.Has(wire.ACK):
		h.once(from, letterA, 'a')
	}
}

// once adds a letter that an end has once, and reports whether it has.
func (h *history) once(from int, l letterSet, letter byte) bool {
	e := &h.ends[from]
	if e.seen&l != 0 {
		return false
	}
	e.seen |= l
	h.letter(from, letter)
	return true
}

// numbered adds one that an end has again when its number is another than the last time.
func (h *history) numbered(from int, l letterSet, letter byte, last *seq.Num, number seq.Num) {
	if !h.once(from, l, letter) && number != *last {
		h.letter(from, letter)
	}
	*last = number
}

// scaled adds one for the first, the tenth, the hundredth time and so on.
func (h *history) scaled(from int, letter byte, count *uint32) {
	*count++
	n := *count
	for n >= 10 && n%10 == 0 {
		n /= 10
	}
	if n == 1 {
		h.letter(from, letter)
	}
}

func (h *history) letter(from int, letter byte) {
	if len(h.letters) == maxHistory {
		return
	}
	if from == Client {
		letter -= 'a' - 'A'
	}
	h.letters = append(h.letters, letter)
}

// maxHistory bounds a history; RSTs with ever other numbers would make it grow.
const maxHistory = 64

// advance notes how far an end has come, and reports whether all of a segment lies before that.
func (e *zeekEnd) advance(f wire.Flags, end seq.Num) (again bool) {
	on := end.Diff(e.behind)
	switch {
	case (f.Has(wire.SYN) || f.Has(wire.RST)) && (on > farAway || on < -farAway):
	case f.Has(wire.FIN) && e.behind == e.start.Add(1):
		e.behind = end // of a long stream nothing else was captured
	case e.state == reset:
	case on > 0:
		e.behind = end
	default:
		return true
	}
	return false
}

// states follows both ends as Zeek does: the server's SYN opens the connection for both,
// and no number is asked for.
func (h *history) states(from int, s *segment) {
	me, peer, f := &h.ends[from], &h.ends[1-from], s.tcp.Flags
	fin, rst := f.Has(wire.FIN), f.Has(wire.RST)
	switch me.state {
	case inactive:
		h.begin(from, s)
	case synSent:
		if fin {
			me.goes(ended)
		}
		if rst {
			me.goes(reset)
		}
	case established, partial:
		if rst {
			me.goes(reset)
		} else if fin {
			if me.goes(ended); peer.state == reset && peer.before == ended {
				peer.goes(ended) // its FIN came before its RST
			}
		}
	case ended:
		if rst && peer.state != ended {
			me.goes(reset)
		}
	}
}

// begin is for the first segment of an end.
func (h *history) begin(from int, s *segment) {
	me, peer, f := &h.ends[from], &h.ends[1-from], s.tcp.Flags
	switch syn := f.Has(wire.SYN); {
	case syn && from == Client:
		me.goes(synSent)
	case syn:
		if me.goes(established); peer.state == synSent {
			peer.goes(established)
		}
	}
	if f.Has(wire.FIN) {
		me.goes(ended)
	}
	if f.Has(wire.RST) {
		me.goes(reset)
	}
	switch {
	case me.state != inactive:
	case from == Server && s.length == 0 && peer.state == synSent: // some acknowledge the SYN before they answer it
	case f.Has(wire.ACK) && peer.state == established:
		me.goes(established)
	default:
		me.goes(partial)
	}
}

// close notes that an end has closed, once nothing of its stream is missing: what comes when
// both have is not part of the duration.
func (e *zeekEnd) close(missing bool) {
	e.closed = e.closed || !missing && (e.state == ended || e.state == reset)
}

// History is Zeek's history of the connection, such as ShADadFf: a SYN, its SYN-ACK, an
// ACK, data, and so on, in upper case what the client did.
func (c *Conn) History() string { return string(c.history.letters) }

// State is Zeek's conn_state, such as SF for a connection that both sides have opened and
// closed, S0 for a SYN without an answer, REJ for one that was refused.
func (c *Conn) State() string {
	client, server := &c.history.ends[Client], &c.history.ends[Server]
	o, r := client.state, server.state
	switch {
	case r == reset:
		return c.resetByServer(o)
	case o == reset && !server.silent():
		return "RSTO"
	case o == reset && c.startsOnly():
		return "RSTOS0"
	case o == ended && server.silent():
		return "SH"
	case r == ended && client.silent():
		return "SHR"
	}
	return cmp.Or(bothStates[[2]zeekState{o, r}], oneState[0][o], oneState[1][r], "OTH")
}

// bothStates and oneState are what Zeek calls the states of both ends, and those of one
// when the other's does not matter.
var (
	bothStates = map[[2]zeekState]string{
		{ended, ended}: "SF", {established, established}: "S1", {synSent, inactive}: "S0", {reset, inactive}: "OTH", {reset, partial}: "OTH",
	}
	oneState = [2]map[zeekState]string{{ended: "S2"}, {ended: "S3"}}
)

// resetByServer is the state of what the server has reset.
func (c *Conn) resetByServer(client zeekState) string {
	switch empty := c.Sides[Client].Bytes+c.Sides[Server].Bytes == 0; {
	case client == synSent, client == reset && empty:
		return "REJ"
	case client == inactive, client == partial:
		return "RSTRH"
	}
	return "RSTR"
}

// startsOnly reports whether the client did nothing but open, before it reset.
func (c *Conn) startsOnly() bool {
	l := c.history.letters
	if len(l) > 0 && l[0] == '^' {
		l = l[1:]
	}
	if len(l) == 0 || l[0] != 'S' {
		return false
	}
	for _, b := range l {
		switch b {
		case 'H', 'A', 'F', 'G', 'I', 'Q':
			return false
		case 'R':
			return true
		}
	}
	return false
}
