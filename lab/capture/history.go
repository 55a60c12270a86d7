package capture

import (
	"cmp"

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
	seen    [2]letterSet
	counts  [2][4]uint32  // of c, g, t, w
	last    [2][4]seq.Num // of f, h, r, s
}

// letterSet has the letters that one side has, a bit each from a on.
type letterSet uint32

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

// counted are told at 1, 10, 100 and so on; numbered again when the number is another.
const (
	counted  = "cgtw"
	numbered = "fhrs"
)

func (h *history) add(from int, s *segment, what sort) {
	if len(h.letters) == 0 && h.flipped {
		h.letters = append(h.letters, '^')
	}
	f := s.tcp.Flags
	syn, ack, fin, rst := f.Has(wire.SYN), f.Has(wire.ACK), f.Has(wire.FIN), f.Has(wire.RST)
	h.letter(from, 'q', s, syn && (fin || rst))
	h.letter(from, 'i', s, fin && rst && !syn)
	h.letter(from, 'h', s, syn && ack)
	h.letter(from, 's', s, syn && !ack)
	h.letter(from, 't', s, s.length > 0 && what.repeat())
	h.letter(from, 'd', s, s.length > 0 && !syn && !what.repeat())
	h.letter(from, 'a', s, s.length == 0 && ack && !syn && !fin && !rst)
	h.letter(from, 'f', s, fin)
	h.letter(from, 'r', s, rst)
	h.letter(from, 'w', s, ack && !syn && !rst && s.tcp.Window == 0)
	h.states(from, s)
}

// letter adds one if it applies, unless it is known already.
func (h *history) letter(from int, l byte, s *segment, applies bool) {
	if !applies {
		return
	}
	mark := letterSet(1) << (l - 'a')
	again := h.seen[from]&mark != 0
	h.seen[from] |= mark
	if i := index(counted, l); i >= 0 {
		h.counts[from][i]++
		if !powerOfTen(h.counts[from][i]) {
			return
		}
	} else if i := index(numbered, l); i >= 0 {
		if again && h.last[from][i] == s.tcp.Seq {
			return
		}
		h.last[from][i] = s.tcp.Seq
	} else if again {
		return
	}
	if len(h.letters) == maxHistory {
		return
	}
	if from == Client {
		l -= 'a' - 'A'
	}
	h.letters = append(h.letters, l)
}

// maxHistory bounds a history; RSTs with ever other numbers would make it grow.
const maxHistory = 64

func index(in string, l byte) int {
	for i := range len(in) {
		if in[i] == l {
			return i
		}
	}
	return -1
}

func powerOfTen(n uint32) bool {
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
