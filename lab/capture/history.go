package capture

import (
	"cmp"
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// history is Zeek's: a letter for each kind of thing that happened, in upper case when
// the client did it, and the states that Zeek gives both ends.
// https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html
type history struct {
	letters []byte
	flipped bool // the first segment was the server's
	ends    [2]zeekState
	closed  [2]bool // it was reset after it had closed
	told    [2]told
}

// told is what the history has of one side: which letters, how often those came that are
// counted, and with which number those last that are numbered.
type told struct {
	letters               letterSet
	repeats, shut         uint32
	syn, synAck, fin, rst seq.Num
}

// letterSet has a bit for each of letters.
type letterSet uint16

// letters are what a history has, in the order in which one segment adds them.
const letters = "qihstdafrw"

const (
	letterQ letterSet = 1 << iota
	letterI
	letterH
	letterS
	letterT
	letterD
	letterA
	letterF
	letterR
	letterW

	onlyOnce = letterQ | letterI | letterD | letterA
)

// zeekState is what Zeek says of an end. It knows less than the state of RFC 9293, and
// does not ask what has arrived.
type zeekState uint8

const (
	inactive zeekState = iota
	synSent
	synAckSent
	partial
	established
	ended
	reset
)

func (h *history) add(from int, s *segment, what SegmentKind) {
	if len(h.letters) == 0 && h.flipped {
		h.letters = append(h.letters, '^')
	}
	now := lettersOf(s.tcp.Flags, s.tcp.Window == 0)
	if s.length > 0 {
		now &^= letterA
		if what.Repeat() {
			now |= letterT
		} else if !s.tcp.Flags.Has(wire.SYN) {
			now |= letterD
		}
	}
	for now &^= h.told[from].letters & onlyOnce; now != 0; now &= now - 1 {
		h.letter(from, now&-now, s.tcp.Seq)
	}
	h.states(from, s)
}

// lettersOf are those of a segment without text.
func lettersOf(f wire.Flags, shut bool) (l letterSet) {
	switch syn, fin, rst := f.Has(wire.SYN), f.Has(wire.FIN), f.Has(wire.RST); {
	case syn && (fin || rst):
		l = letterQ
	case fin && rst:
		l = letterI
	case f.Has(wire.ACK) && !syn && !fin && !rst:
		l = letterA
	}
	for _, of := range [...]struct {
		flags, among wire.Flags
		letter       letterSet
	}{
		{wire.SYN | wire.ACK, wire.SYN | wire.ACK, letterH},
		{wire.SYN, wire.SYN | wire.ACK, letterS},
		{wire.FIN, wire.FIN, letterF},
		{wire.RST, wire.RST, letterR},
	} {
		if f&of.among == of.flags {
			l |= of.letter
		}
	}
	if shut && f&(wire.ACK|wire.SYN|wire.RST) == wire.ACK {
		l |= letterW
	}
	return l
}

// letter adds one, unless it is known already.
func (h *history) letter(from int, l letterSet, number seq.Num) {
	e := &h.told[from]
	again := e.letters&l != 0
	e.letters |= l
	switch l {
	case letterT:
		again = !powerOfTen(&e.repeats)
	case letterW:
		again = !powerOfTen(&e.shut)
	case letterH:
		again = again && e.synAck == number
		e.synAck = number
	case letterS:
		again = again && e.syn == number
		e.syn = number
	case letterF:
		again = again && e.fin == number
		e.fin = number
	case letterR:
		again = again && e.rst == number
		e.rst = number
	}
	if again {
		return
	}
	if len(h.letters) == maxHistory {
		return
	}
	b := letters[bits.TrailingZeros16(uint16(l))]
	if from == Client {
		b -= 'a' - 'A'
	}
	h.letters = append(h.letters, b)
}

// maxHistory bounds a history; RSTs with ever other numbers would make it grow.
const maxHistory = 64

// powerOfTen counts one more, and reports whether it is the first, the tenth, the
// hundredth and so on.
func powerOfTen(count *uint32) bool {
	*count++
	n := *count
	for n >= 10 && n%10 == 0 {
		n /= 10
	}
	return n == 1
}

// states follows both ends as Zeek does: the server's SYN opens the connection for both,
// and no number is asked for.
func (h *history) states(from int, s *segment) {
	me, peer := &h.ends[from], &h.ends[1-from]
	if *me == inactive {
		h.begin(from, s)
	}
	switch f := s.tcp.Flags; {
	case f.Has(wire.RST):
		if *me != ended || *peer != ended {
			h.closed[from] = *me == ended
			*me = reset
		}
	case f.Has(wire.FIN) && *me != reset:
		if *me = ended; *peer == reset && h.closed[1-from] {
			*peer = ended // its FIN came before its RST
		}
	}
}

// begin is for the first segment of an end.
func (h *history) begin(from int, s *segment) {
	me, peer, f := &h.ends[from], &h.ends[1-from], s.tcp.Flags
	switch syn := f.Has(wire.SYN); {
	case syn && from == Client && f.Has(wire.ACK):
		*me = synAckSent
	case syn && from == Client:
		*me = synSent
	case syn:
		if *me = established; *peer == synSent {
			*peer = established
		}
	case f.Has(wire.RST), from == Server && s.length == 0 && *peer == synSent: // some acknowledge the SYN before they answer it
	case f.Has(wire.ACK) && *peer == established:
		*me = established
	default:
		*me = partial
	}
}

// History is Zeek's history of the connection, such as ShADadFf: a SYN, its SYN-ACK, an
// ACK, data, and so on, in upper case what the client did.
func (c *Conn) History() string { return string(c.history.letters) }

// State is Zeek's conn_state, such as SF for a connection that both sides have opened and
// closed, S0 for a SYN without an answer, REJ for one that was refused.
func (c *Conn) State() string {
	o, r := c.history.ends[Client], c.history.ends[Server]
	switch {
	case r == reset:
		return c.resetByServer(o)
	case o == reset && r != inactive:
		return "RSTO"
	case o == reset && c.startsOnly():
		return "RSTOS0"
	case o == synSent && r == inactive:
		return "S0"
	}
	return cmp.Or(bothStates[[2]zeekState{o, r}], oneState[0][o], oneState[1][r], "OTH")
}

// bothStates and oneState are what Zeek calls the states of both ends, and those of one
// when the other's does not matter.
var (
	bothStates = map[[2]zeekState]string{
		{ended, ended}: "SF", {ended, inactive}: "SH", {inactive, ended}: "SHR", {established, established}: "S1", {reset, inactive}: "OTH",
	}
	oneState = [2]map[zeekState]string{{ended: "S2"}, {ended: "S3"}}
)

// resetByServer is the state of what the server has reset.
func (c *Conn) resetByServer(client zeekState) string {
	switch empty := c.Sides[Client].Bytes+c.Sides[Server].Bytes == 0; {
	case client == synSent, client == synAckSent, client == reset && empty:
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
