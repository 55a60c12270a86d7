package answers

import (
	"fmt"
	"hash/crc32"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// probe is one question: a state, and what comes then: segments, or packets of
// another kind.
type probe struct {
	state    state
	v6       bool
	offer    offer
	irs      seq.Num
	segments []segment
	packets  packetKind
}

func (q probe) String() string {
	family := "IPv4"
	if q.v6 {
		family = "IPv6"
	}
	text := fmt.Sprintf("%s%v, %s:", family, q.offer, q.state.name)
	for _, s := range q.segments {
		text += fmt.Sprintf("\n    < %v", s)
	}
	if q.packets.name != "" {
		text += "\n    < " + q.packets.name
	}
	return text
}

// outcome is what a stack made of a probe.
type outcome struct {
	before  []string // the answers to all segments but the last
	answers []string // to the last
	state   string   // of the connection, when its program has it
	after   []string // to a segment that a connection which lives takes
	read    string   // what the program could read at the end
}

func (o outcome) equal(to outcome) bool {
	return slices.Equal(o.before, to.before) && slices.Equal(o.answers, to.answers) && o.state == to.state && slices.Equal(o.after, to.after) && o.read == to.read
}

func (o outcome) String() string {
	text := ""
	for _, a := range append(slices.Clone(o.before), o.answers...) {
		text += "\n    > " + a
	}
	if len(o.answers) == 0 {
		text += "\n    > silence"
	}
	text += "\n    then " + strings.Join(append([]string{o.state}, o.after...), " > ")
	if o.read != "" {
		text += "\n    the program reads " + o.read
	}
	return text
}

// ask puts the question to p's stack.
func (q probe) ask(p *peer) (o outcome) {
	q.state.reach(p)
	for _, s := range q.segments {
		p.comes()
		o.before = append(o.before, o.answers...)
		o.answers = p.tell(s)
	}
	if q.packets.packets != nil {
		o.answers = p.exchange(q.packets.packets(p)...)
	}
	o.state = p.state()
	follow := p.usualNext()
	o.after = p.tell(follow)
	if follow.flags.Has(wire.FIN) {
		o.after = withoutEchoes(o.after)
	}
	o.read = p.read()
	return o
}

// comes notes what is before a segment comes.
func (p *peer) comes() {
	p.edges = append(p.edges, p.edge)
	p.was = p.stateOfOurs()
}

// stateOfOurs returns the state of the connection, when the stack is ours.
func (p *peer) stateOfOurs() tcp.State {
	if s, ok := p.stack.(interface {
		state(local, remote netip.AddrPort) tcp.State
	}); ok {
		return s.state(p.there, p.here)
	}
	return tcp.Closed
}

// withoutEchoes leaves out what timestamp is echoed. Whether that of a repeated
// FIN counts is another question than what became of the connection.
func withoutEchoes(said []string) (all []string) {
	for _, s := range said {
		all = append(all, anEcho.ReplaceAllString(s, "TS"))
	}
	return all
}

var anEcho = regexp.MustCompile(`TS ecr -?\d+`)

// state returns the state of the stack's connection. That a program may hold on
// to a connection in TIME-WAIT is only our API's.
func (p *peer) state() string {
	p.accept()
	if p.socket == nil {
		return "-"
	}
	if s := p.socket.state(); s != "TIME-WAIT" {
		return s
	}
	return "CLOSED"
}

func (p *peer) accept() {
	if p.socket == nil && p.listener != nil {
		p.socket = p.listener.accept()
	}
}

// usualNext is the segment that the stack expects next, in any state.
func (p *peer) usualNext() segment {
	switch {
	case !p.knowsISS:
		return segment{flags: wire.SYN}
	case p.next == p.irs:
		return segment{flags: synAck}
	case slices.Contains(p.fins, p.next):
		return segment{flags: finAck, seq: point{next, -1}} // the FIN again
	}
	return segment{flags: wire.ACK, text: 1}
}

// read returns what the stack's program reads.
func (p *peer) read() string {
	p.accept()
	if p.datagrams != nil {
		return p.readDatagrams()
	}
	if p.socket == nil {
		return ""
	}
	return p.reads(all)
}

// reads has the program read n bytes at most.
func (p *peer) reads(n int) string {
	r := p.socket.read(n)
	for i, b := range r.text {
		if b != pattern(p.taken+uint32(i+1)) {
			return fmt.Sprintf("%d bytes, wrong from %d on, %s", len(r.text), i, r.end)
		}
	}
	p.taken += uint32(len(r.text))
	shown := len(r.text)
	if n == all {
		shown, p.unread = shown-p.unread, 0
	}
	return fmt.Sprintf("%d bytes, %s", shown, r.end)
}

func (p *peer) readDatagrams() string {
	var all []string
	for _, d := range p.datagrams.received() {
		text := fmt.Sprintf("%d bytes %08x", len(d.payload), crc32.ChecksumIEEE(d.payload))
		if d.from != p.here {
			text += " from another"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}
