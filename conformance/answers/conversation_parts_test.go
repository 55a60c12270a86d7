package answers

import "github.com/handfast-tcp/handfast/engine/wire"

// piece is a part of conversations that is named: an opening, a middle or an ending.
type piece struct {
	name  string
	steps []step
}

func tell(s segment) step { return step{act: tells, segment: s} }

// text is n bytes of text, plus bytes behind what the stack expects.
func text(n int, plus int64) step {
	return tell(segment{flags: wire.ACK, text: n, seq: point{next, plus}})
}

// ack acknowledges, n bytes more than before; 0: all.
func ack(n int64) step {
	if n == 0 {
		return tell(segment{flags: wire.ACK})
	}
	return tell(segment{flags: wire.ACK, ack: point{una, n}})
}

func sends(flags wire.Flags) step               { return tell(segment{flags: flags}) }
func at(flags wire.Flags, b base, n int64) step { return tell(segment{flags: flags, seq: point{b, n}}) }
func acked(flags wire.Flags, b base, n int64) step {
	return tell(segment{flags: flags, ack: point{b, n}})
}
func with(options string, s segment) step { s.options = options; return tell(s) }

// does is a step of the program's.
func does(a act) step          { return step{act: a, n: all} }
func doesN(a act, n int) step  { return step{act: a, n: n} }
func win(w window, n int) step { return tell(segment{flags: wire.ACK, window: w, text: n}) }

// again repeats a step.
func again(n int, s step) (many []step) {
	for range n {
		many = append(many, s)
	}
	return many
}

func join(parts ...[]step) (all []step) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

const rstAck = wire.RST | wire.ACK

// openings lead to a connection that the program has, most of them.
var openings = []piece{
	{"plain", []step{does(listens), sends(wire.SYN), ack(0), does(accepts)}},
	{"the SYN twice", []step{does(listens), sends(wire.SYN), at(wire.SYN, next, -1), ack(0), does(accepts)}},
	{"the SYN again at last", []step{does(listens), sends(wire.SYN), ack(0), does(accepts), at(wire.SYN, next, -1)}},
	{"text with the last ACK", []step{does(listens), sends(wire.SYN), text(100, 0), does(accepts)}},
	{"text for the lost last ACK", []step{does(listens), sends(wire.SYN), text(700, 700), text(700, 0), does(accepts)}},
	{"FIN with the last ACK", []step{does(listens), sends(wire.SYN), tell(segment{flags: finAck, text: 9}), does(accepts)}},
	{"the last ACK twice", []step{does(listens), sends(wire.SYN), ack(0), ack(0), does(accepts)}},
	{"ACK of too little", []step{does(listens), sends(wire.SYN), acked(wire.ACK, end, -1), ack(0), does(accepts)}},
	{"ACK of too much", []step{does(listens), sends(wire.SYN), acked(wire.ACK, end, 1), ack(0), does(accepts)}},
	{"ACK of far too much", []step{does(listens), sends(wire.SYN), acked(wire.ACK, end, 100000), ack(0), does(accepts)}},
	{"ACK from another place", []step{does(listens), sends(wire.SYN), at(wire.ACK, edge, 100), ack(0), does(accepts)}},
	{"RST, then anew", []step{does(listens), sends(wire.SYN), sends(wire.RST), at(wire.SYN, next, 5000), ack(0), does(accepts)}},
	{"RST from another place", []step{does(listens), sends(wire.SYN), at(wire.RST, edge, 100), ack(0), does(accepts)}},
	{"FIN without ACK", []step{does(listens), sends(wire.SYN), sends(wire.FIN), ack(0), does(accepts)}},
	{"text without ACK", []step{does(listens), sends(wire.SYN), tell(segment{flags: wire.PSH, text: 5}), ack(0), does(accepts)}},
	{"text with the SYN", []step{does(listens), tell(segment{flags: wire.SYN, text: 20}), ack(0), does(accepts)}},
	{"ECN asked for", []step{does(listens), sends(wire.SYN | wire.ECE | wire.CWR), ack(0), does(accepts)}},
	{"AccECN asked for", []step{does(listens), sends(wire.SYN | wire.ECE | wire.CWR | wire.AE), ack(0), does(accepts)}},
	{"a shut window", []step{does(listens), sends(wire.SYN), win(closed, 0), does(accepts), win(open, 0)}},
	{"nothing accepted yet", []step{does(listens), sends(wire.SYN), ack(0), text(10, 0), does(accepts)}},
	{"active", []step{does(connects), sends(synAck)}},
	{"active, SYN-ACK twice", []step{does(connects), sends(synAck), at(synAck, next, -1)}},
	{"active, ACK of too much", []step{does(connects), acked(synAck, end, 1), sends(synAck)}},
	{"active, ACK alone first", []step{does(connects), sends(wire.ACK), sends(synAck)}},
	{"active, a RST without ACK first", []step{does(connects), sends(wire.RST), sends(synAck)}},
	{"active, a RST of another first", []step{does(connects), acked(rstAck, end, 7), sends(synAck)}},
	{"simultaneous", []step{does(connects), sends(wire.SYN), sends(synAck)}},
	{"simultaneous, by an ACK", []step{does(connects), sends(wire.SYN), ack(0)}},
}

// middles are what is said in ESTABLISHED.
var middles = []piece{
	{"nothing", nil},
	{"text", []step{text(100, 0), does(reads)}},
	{"text, not read", []step{text(100, 0), text(1460, 0)}},
	{"full segments", join(again(3, text(1460, 0)), []step{does(reads)})},
	{"echo", []step{text(100, 0), does(reads), doesN(writes, 100), ack(0)}},
	{"echo, piggybacked", []step{text(100, 0), does(reads), doesN(writes, 100), text(100, 0), does(reads), doesN(writes, 50)}},
	{"read in pieces", []step{text(100, 0), doesN(reads, 30), doesN(reads, 70), doesN(reads, 1)}},
	{"out of order", []step{text(100, 100), text(100, 0), does(reads)}},
	{"backwards", []step{text(100, 300), text(100, 200), text(100, 100), text(100, 0), does(reads)}},
	{"two gaps", []step{text(100, 100), text(100, 300), text(100, 0), text(100, 100), text(100, 0), does(reads)}},
	{"the middle missing", []step{text(100, 0), text(100, 200), text(100, 100), text(100, 0), does(reads)}},
	{"a gap from the left", []step{text(100, 100), text(50, 0), text(50, 0), does(reads)}},
	{"duplicate", []step{text(100, 0), text(100, -100), does(reads)}},
	{"half duplicate", []step{text(100, 0), text(100, -50), does(reads)}},
	{"duplicate and more", []step{text(100, 0), text(300, -100), does(reads)}},
	{"overlap beyond a gap", []step{text(100, 100), text(100, 150), text(150, 0), does(reads)}},
	{"overlap of both sides", []step{text(100, 100), text(300, 50), text(60, 0), does(reads)}},
	{"a gap covered", []step{text(100, 200), text(400, 0), does(reads)}},
	{"duplicate beyond a gap", []step{text(100, 100), text(100, 100), text(100, 0), does(reads)}},
	{"old text", []step{text(100, 0), text(100, 0), text(100, -200), does(reads)}},
	{"a byte each", join(again(5, text(1, 0)), []step{does(reads)})},
	{"beyond the window", []step{tell(segment{flags: wire.ACK, seq: point{edge, 1}, text: 100}), text(10, 0), does(reads)}},
	{"a probe of nothing", []step{at(wire.ACK, next, -1), ack(0)}},
	{"a probe of a byte", []step{text(10, 0), text(1, -1), does(reads)}},
	{"PSH", []step{tell(segment{flags: wire.ACK | wire.PSH, text: 10}), does(reads)}},
	{"URG", []step{tell(segment{flags: wire.ACK | wire.URG, text: 10, urgent: 5}), does(reads)}},
	{"URG beyond", []step{tell(segment{flags: wire.ACK | wire.URG, text: 10, urgent: 500}), text(600, 0), does(reads)}},
	{"no ACK flag", []step{tell(segment{flags: wire.PSH, text: 10}), text(10, 0), does(reads)}},
	{"no flags", []step{tell(segment{text: 10}), text(10, 0), does(reads)}},
	{"ACK of the future", []step{acked(wire.ACK, end, 1), acked(wire.ACK, end, 100000), text(5, 0)}},
	{"text with ACK of the future", []step{tell(segment{flags: wire.ACK, ack: point{end, 9}, text: 10}), does(reads)}},
	{"ACK of the past", []step{doesN(writes, 100), ack(0), acked(wire.ACK, una, -50), text(5, 0)}},
	{"ACK of long ago", []step{acked(wire.ACK, una, -100000), tell(segment{flags: wire.ACK, ack: point{una, -100000}, text: 10}), does(reads)}},
	{"write", []step{doesN(writes, 100), ack(0)}},
	{"two writes", []step{doesN(writes, 100), doesN(writes, 100), ack(0), ack(0)}},
	{"a large write", []step{doesN(writes, 5000), ack(1460), ack(1460), ack(0)}},
	{"a write beyond the first window", []step{doesN(writes, 20000), ack(1460), ack(2920), ack(0), ack(0)}},
	{"ACK in pieces", []step{doesN(writes, 3000), ack(1), ack(700), ack(1000), ack(0)}},
	{"write, not acknowledged", []step{doesN(writes, 100), text(10, 0), does(reads)}},
	{"ACK with text", []step{doesN(writes, 100), text(10, 0), doesN(writes, 100), text(10, 0), does(reads)}},
	{"text while unacknowledged", []step{doesN(writes, 100), acked(wire.ACK, una, 0), tell(segment{flags: wire.ACK, ack: point{una, 0}, text: 10}), does(reads), ack(0)}},
	{"three duplicate ACKs", join([]step{doesN(writes, 4000)}, again(4, acked(wire.ACK, una, 0)), []step{ack(0), ack(0)})},
	{"SACK of the second", []step{doesN(writes, 4000), with("sack", segment{flags: wire.ACK, ack: point{una, 0}}), ack(0)}},
	{"SACK of the future", []step{doesN(writes, 100), with("sack forged", segment{flags: wire.ACK, ack: point{una, 0}}), ack(0)}},
	{"the peer's window shuts", []step{win(closed, 10), doesN(writes, 100), win(open, 0), ack(0), does(reads)}},
	{"the peer's window shuts later", []step{doesN(writes, 100), win(closed, 0), doesN(writes, 100), win(open, 0), ack(0)}},
	{"the peer's window shrinks", []step{doesN(writes, 5000), tell(segment{flags: wire.ACK, ack: point{una, 1460}, window: narrow}), ack(0), ack(0)}},
	{"a tiny window", []step{text(1, 0), win(tiny, 1), doesN(writes, 100), win(open, 0), ack(0)}},
	{"a narrow window", []step{text(1, 0), win(narrow, 1), doesN(writes, 3000), ack(0), ack(0), ack(0)}},
	{"our window shuts", []step{does(fills), text(1, 0), does(reads), text(10, 0), does(reads)}},
	{"our window shuts, a probe of nothing", []step{does(fills), at(wire.ACK, next, -1), ack(0), does(reads)}},
	{"our window shuts, and a FIN", []step{does(fills), at(finAck, next, 0), does(reads), at(finAck, next, 0)}},
	{"our window shuts, and we write", []step{does(fills), doesN(writes, 100), ack(0), does(reads)}},
	{"SYN", []step{sends(wire.SYN), text(10, 0), does(reads)}},
	{"SYN-ACK", []step{sends(synAck), text(10, 0), does(reads)}},
	{"an old timestamp", []step{text(10, 0), with("TS ancient", segment{flags: wire.ACK, text: 10}), text(10, 0), does(reads)}},
	{"no timestamp", []step{with("none", segment{flags: wire.ACK, text: 10}), text(10, 0), does(reads)}},
	{"an old timestamp, no text", []step{text(10, 0), with("TS ancient", segment{flags: wire.ACK}), text(10, 0), does(reads)}},
	{"the same timestamp", []step{text(10, 0), with("TS same", segment{flags: wire.ACK, text: 10}), does(reads)}},
	{"congestion", []step{tell(segment{flags: wire.ACK | wire.ECE, text: 10}), does(reads), doesN(writes, 10), tell(segment{flags: wire.ACK | wire.CWR, text: 10})}},
}
