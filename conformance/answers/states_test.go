package answers

import "github.com/handfast-tcp/handfast/engine/wire"

// state is a state of the stack's end, and how segments and the program's calls
// lead there.
type state struct {
	name  string
	reach func(p *peer)
}

const synAck, finAck = wire.SYN | wire.ACK, wire.FIN | wire.ACK

var states = []state{
	{"CLOSED", func(p *peer) {}},
	{"LISTEN", (*peer).listen},
	{"SYN-SENT", (*peer).connect},
	{"SYN-RECEIVED", func(p *peer) { p.listen(); p.say(wire.SYN, 0) }},
	{"SYN-RECEIVED, simultaneous", func(p *peer) { p.connect(); p.say(wire.SYN, 0) }},
	{"ESTABLISHED", (*peer).open},
	{"ESTABLISHED, active", func(p *peer) { p.connect(); p.say(synAck, 0) }},
	{"ESTABLISHED, text in flight", func(p *peer) { p.open(); p.writes(100) }},
	{"ESTABLISHED, text before a gap", beforeGap},
	{"ESTABLISHED, text unread", func(p *peer) { p.open(); p.say(wire.ACK, 100) }},
	{"CLOSE-WAIT", func(p *peer) { p.open(); p.say(finAck, 0) }},
	{"FIN-WAIT-1", func(p *peer) { p.open(); p.shuts() }},
	{"FIN-WAIT-1, closed", func(p *peer) { p.open(); p.closes() }},
	{"CLOSING", closing},
	{"LAST-ACK", func(p *peer) { p.open(); p.say(finAck, 0); p.shuts() }},
	{"LAST-ACK, closed", func(p *peer) { p.open(); p.say(finAck, 0); p.closes() }},
	{"FIN-WAIT-2", func(p *peer) { p.open(); p.shuts(); p.say(wire.ACK, 0) }},
	{"FIN-WAIT-2, closed", func(p *peer) { p.open(); p.closes(); p.say(wire.ACK, 0) }},
	{"TIME-WAIT", func(p *peer) { p.open(); p.shuts(); p.say(finAck, 0) }},
	{"TIME-WAIT, closed", func(p *peer) { p.open(); p.closes(); p.say(finAck, 0) }},
}

// serving has a program behind the port for TCP and for UDP.
var serving = state{"serving", func(p *peer) { p.listen(); p.datagrams = p.stack.openUDP(p.there) }}

// beyondGap leaves room for ten bytes before it.
var beyondGap = segment{flags: wire.ACK, seq: point{next, 10}, text: 10}

// beforeGap has text come beyond a gap. Its timestamp is not recorded.
func beforeGap(p *peer) {
	p.open()
	p.comes()
	p.tell(beyondGap)
	p.tsval--
}

// closing makes both FINs cross.
func closing(p *peer) {
	p.open()
	p.shuts()
	p.tell(segment{flags: finAck, ack: point{una, 0}})
}
