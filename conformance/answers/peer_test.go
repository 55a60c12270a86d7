package answers

import (
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// firstTimestamp is the value of the first timestamps option that a peer sends.
const firstTimestamp = 1000

// noISS stands for the first number of a stack that has sent none.
const noISS seq.Num = 0x50000000

// peer is the far end of a stack's conversation: it sends what it is told, and
// takes note of what the stack says.
type peer struct {
	stack       stack
	here, there netip.AddrPort
	offer       offer

	listener  listener
	socket    socket    // of the stack's program, while that has it
	datagrams datagrams // likewise

	irs      seq.Num // our own first number, the stack's IRS
	next     seq.Num // what the stack expects next
	edge     seq.Num // the end of its window
	shift    uint8   // of the windows that it offers
	iss      seq.Num // the stack's first number
	knowsISS bool
	end      seq.Num // the end of what it has sent
	una      seq.Num // how far we have acknowledged that
	tsval    uint32  // of our last timestamps option
	tsecr    uint32  // what the stack's last one said

	fins   []seq.Num // the ends of our FINs, taken or not
	syn    seq.Num   // the number of our last SYN
	edges  []seq.Num // the edges when segments of the probe came
	was    tcp.State // of a connection of ours, then
	orphan bool      // the stack's program has closed it

	wrote, taken uint32 // how much the stack's program has written and read

	from    seq.Num // where fill began
	surplus int32   // how much more it took than it seems to
	unread  int     // how much of that the program has not read
	failed  bool    // the program was told of an error

	sent [][]byte // the packets of the last exchange
}

// newPeer returns the peer that has the given ports.
func newPeer(s stack, here, there netip.AddrPort, irs seq.Num, o offer) *peer {
	return &peer{
		stack: s, here: here, there: there, offer: o,
		irs: irs, next: irs, edge: irs, iss: noISS, end: noISS, una: noISS, tsval: firstTimestamp - 1,
	}
}

// header returns the header of a packet from p to its stack.
func (p *peer) header() ipHeader {
	return ipHeader{src: p.here.Addr(), dst: p.there.Addr(), protocol: protoTCP, ttl: 64}
}

// isOurs reports whether a segment from the stack belongs to the conversation.
func (p *peer) isOurs(h *wire.TCP) bool {
	return h.SrcPort == p.there.Port() && h.DstPort == p.here.Port()
}

// exchange gives the stack packets and says what it answers.
func (p *peer) exchange(packets ...[]byte) (said []string) {
	p.sent = packets
	for _, b := range p.stack.exchange(packets...) {
		said = append(said, describe(b, p))
		p.saw(b)
	}
	return said
}

// saw takes note of the stack's numbers in one of its packets.
func (p *peer) saw(packet []byte) {
	var ip wire.IP
	var h wire.TCP
	if wire.ParseIP(packet, &ip) != wire.None || ip.Proto != protoTCP || ip.IsFragment() {
		return
	}
	b := packet[ip.HeaderLen:]
	n, d := wire.ParseTCP(b, &h)
	if d != wire.None || !p.isOurs(&h) || h.Flags.Has(wire.RST) {
		return
	}
	shift := p.shift
	if h.Flags.Has(wire.SYN) {
		shift = 0
		p.sawSyn(&h)
	}
	end := h.Seq.Add(seq.Size(len(b) - n))
	if h.Flags&(wire.SYN|wire.FIN) != 0 {
		end++
	}
	p.end = seq.Max(p.end, end)
	if h.Flags.Has(wire.ACK) {
		p.next = seq.Max(p.next, h.Ack)
		p.edge = seq.Max(p.edge, h.Ack.Add(seq.Size(h.Window)<<shift))
	}
	if h.Options.Has(wire.OptTimestamps) {
		p.tsecr = h.Options.TSVal
	}
}

// sawSyn begins to count again when the stack does.
func (p *peer) sawSyn(h *wire.TCP) {
	if !p.knowsISS || h.Seq != p.iss {
		p.iss, p.knowsISS, p.end, p.una = h.Seq, true, h.Seq, h.Seq
		p.surplus, p.unread = 0, 0
		if h.Flags.Has(wire.ACK) {
			p.irs = h.Ack - 1
			p.next, p.edge = h.Ack, h.Ack
		}
	}
	if p.offer.scale && h.Options.Has(wire.OptWindowScale) {
		p.shift = h.Options.WindowScale
	}
}

// tell sends a segment. A SYN says where our numbers begin, unless the stack
// knows that already.
func (p *peer) tell(s segment) []string {
	if s.flags.Has(wire.SYN) && p.next == p.irs {
		p.irs = p.number(s.seq)
		p.next, p.edge, s.seq = p.irs, p.irs, point{}
	}
	if s.flags.Has(wire.SYN) {
		p.syn = p.number(s.seq)
	}
	if s.flags.Has(wire.FIN) {
		p.fins = append(p.fins, p.number(s.seq).Add(s.length()))
	}
	return p.exchange(p.packet(s))
}

// say sends a segment as a peer of good faith would, and expects that it is taken.
func (p *peer) say(flags wire.Flags, text int) {
	s := segment{flags: flags, text: text}
	next := p.next.Add(s.length())
	p.tell(s)
	if flags.Has(wire.ACK) {
		p.una = p.end
	}
	p.next = seq.Max(p.next, next)
}

// open opens a connection that the stack's program accepts.
func (p *peer) open() {
	p.listen()
	p.say(wire.SYN, 0)
	p.say(wire.ACK, 0)
	p.socket = p.listener.accept()
}

// listen makes the stack's program listen.
func (p *peer) listen() { p.listener = p.stack.listen(p.there) }

// connect makes the stack's program connect to us.
func (p *peer) connect() {
	p.socket = p.stack.connect(p.there, p.here)
	p.exchange()
}

// closes makes the stack's program close the connection.
func (p *peer) closes() {
	p.socket.close()
	p.socket, p.orphan = nil, true
	p.exchange()
}

// shuts makes the stack's program close its sending side.
func (p *peer) shuts() {
	p.socket.shutdown()
	p.exchange()
}

// writes has the stack's program write n bytes.
func (p *peer) writes(n int) []string {
	b := make([]byte, n)
	for i := range b {
		b[i] = pattern(p.wrote + uint32(i+1))
	}
	if !p.socket.write(b) {
		return []string{"the write fails"}
	}
	p.wrote += uint32(n)
	return p.exchange()
}
