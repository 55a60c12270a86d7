package answers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// conversation is a whole life of a connection, as a script: what the client sends,
// and what the stack's program does. What the client sends is said relative to what
// the stack has said (see segment), so that it is the same conversation with every stack.
type conversation struct {
	name  string
	v6    bool
	offer offer
	irs   seq.Num
	steps []step
}

// step is one thing that the client or the program does.
type step struct {
	act     act
	segment segment
	n       int // bytes
}

type act uint8

const (
	tells    act = iota // the client sends the segment
	goesOn              // the client sends what the stack expects next, whatever its state
	fills               // the client sends text until the window is shut
	listens             // the program listens
	connects            // the program connects to the client
	accepts             // the program accepts the connection
	reads               // the program reads, n bytes at most
	writes              // the program writes n bytes
	shuts               // the program closes its sending side
	closes              // the program closes
	aborts              // the program closes with linger 0
)

var actNames = [...]string{
	goesOn: "the segment that is expected", fills: "text until the window is shut", listens: "listen", connects: "connect",
	accepts: "accept", reads: "read", writes: "write", shuts: "shutdown", closes: "close", aborts: "close, linger 0",
}

func (s step) String() string {
	switch {
	case s.act == tells:
		return s.segment.String()
	case s.n > 0 && s.n < all:
		return fmt.Sprintf("%s %d", actNames[s.act], s.n)
	}
	return actNames[s.act]
}

// byClient reports whether a step is the client's.
func (s step) byClient() bool { return s.act <= fills }

// all is more than any program reads.
const all = 1 << 20

func (c *conversation) String() string {
	q := probe{v6: c.v6, offer: c.offer, state: state{name: c.name}}
	return strings.TrimSuffix(q.String(), ":")
}

// turn is what came of a step.
type turn struct {
	said  []string // by the stack
	told  string   // to the program
	state string   // of the program's connection
	// How far both directions have come, relative to their first numbers.
	next, end int32
}

func (t *turn) equal(to *turn) bool {
	return slices.Equal(t.said, to.said) && t.told == to.told && t.state == to.state
}

// lines are what is shown of a turn.
func (t *turn) lines() (all []string) {
	for _, s := range t.said {
		all = append(all, "<- "+s)
	}
	if t.told != "" {
		all = append(all, t.told)
	}
	return append(all, "("+t.state+")")
}

// play has the client and the program do a step. What needs a connection is left out
// while the program has none.
func (p *peer) play(s step) (t turn) {
	switch s.act {
	case tells:
		t.said = p.talk(s.segment)
	case goesOn:
		t.said = p.talk(p.usualNext())
	case fills:
		t.told = p.fill()
	case listens:
		p.listen()
	case connects:
		p.socket = p.stack.connect(p.there, p.here)
		t.said = p.exchange()
	case accepts:
		t.told = p.takes()
	default:
		if p.socket == nil {
			t.told = "no connection"
			break
		}
		t.said, t.told = p.program(s)
	}
	t.state = "-"
	if p.socket != nil {
		t.state = p.state()
	}
	t.next, t.end = p.relative(p.next), int32(p.end.Diff(p.iss))
	return t
}

// takes has the program accept the connection that waits.
func (p *peer) takes() string {
	var s socket
	if p.listener != nil {
		s = p.listener.accept()
	}
	if s == nil {
		return "nothing to accept"
	}
	p.socket, p.wrote, p.taken, p.orphan = s, 0, 0, false
	return "accepted"
}

// program has the program do its part of a step. A read is also an exchange: the
// stack may tell of a window that is open again. Before it is connected, and after it was told
// of an error, a program calls nothing but close: stacks tell an error once or always,
// and what they take before they are connected is their API's.
func (p *peer) program(s step) (said []string, told string) {
	switch state := p.state(); {
	case s.act >= closes:
	case p.failed:
		return nil, "had an error"
	case state == "SYN-SENT" || state == "SYN-RECEIVED":
		return nil, "not connected"
	}
	switch s.act {
	case reads:
		told = "reads " + p.reads(s.n)
		p.failed = !strings.HasSuffix(told, "open") && !strings.HasSuffix(told, "EOF")
		said = p.exchange()
	case writes:
		said = p.writes(s.n)
	case shuts:
		p.socket.shutdown()
		said = p.exchange()
	default:
		if s.act == aborts {
			p.socket.abort()
		} else {
			p.socket.close()
		}
		p.socket, p.orphan = nil, true
		said = p.exchange()
	}
	return said, told
}

// talk sends a segment, and remembers what it acknowledges.
func (p *peer) talk(s segment) []string {
	una, known := p.una, p.knowsISS
	if _, ack := s.resolved(); s.flags.Has(wire.ACK) && !s.flags.Has(wire.RST) && known {
		if to := p.number(ack); to.Diff(una) > 0 && to.Diff(p.end) <= 0 {
			una = to
		}
	}
	p.comes()
	said := p.tell(s)
	if known && p.una.Diff(una) < 0 {
		p.una = una
	}
	return said
}

// mostBursts is after how many bursts fill gives up.
const mostBursts = 30

// filled is how much fill seems to have sent.
const filled = 100000

// fill sends text until the stack's window is shut. How much that takes, and how
// often the stack acknowledges it, is its own: from here on numbers are told as if it
// were the same.
func (p *peer) fill() (told string) {
	from := p.next
	told = "shut"
	bursts := 0
	for n := p.edge.Diff(p.next); n > 0; n = p.edge.Diff(p.next) {
		before := p.next
		var burst [][]byte
		for s := (segment{flags: wire.ACK}); n > 0 && len(burst) < 32; n -= int32(s.text) {
			s.seq, s.text = point{next, s.seq.plus + int64(s.text)}, min(1400, int(n))
			burst = append(burst, p.packet(s))
		}
		p.exchange(burst...)
		if p.next == before || bursts == mostBursts {
			told = "takes no more"
			break
		}
		bursts++
	}
	if p.surplus == 0 {
		p.from = from
	}
	p.surplus += p.next.Diff(from) - filled
	p.unread += int(p.next.Diff(from)) - filled
	p.tsval = firstTimestamp + 1<<16
	p.tell(segment{flags: wire.ACK})
	return told
}

// relative returns a number of ours relative to our first.
func (p *peer) relative(n seq.Num) int32 {
	if p.surplus != 0 && n.Diff(p.from) > 0 {
		n -= seq.Num(p.surplus)
	}
	return n.Diff(p.irs)
}
