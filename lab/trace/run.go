package trace

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Run is what happened on some hosts and on the wire between them.
type Run struct {
	Hosts      []Host // in their order, left to right
	Start, End clock.Time
	Events     []Event  // in the order of time
	Packets    []Packet // in the order in which they were sent
}

// Host describes a host of a run.
type Host struct {
	Name     string
	Address  string
	Scripted bool // no engine: a script plays its segments
	Router   bool
	HalfOpen int // how many half-open connections it keeps at most; 0: not known
}

// Class says whose event it is.
type Class uint8

// The classes of event.
const (
	// Engine: what a host's TCP reports. All of tcp.Event counts.
	Engine Class = iota
	// Scripted: a segment of a host without an engine, which the scenario plays
	// line by line. Kind is SegmentSent or SegmentReceived; the state says nothing.
	Scripted
	// Wire: what happens to a packet between the hosts; Fate says what.
	Wire
	// Call: a program calls. Text is the call.
	Call
	// Outcome: the call returns. Text is the call and what it gave.
	Outcome
	// Note: a remark of the scenario, or of a program.
	Note
)

var classText = [...]string{"engine", "scripted", "wire", "call", "outcome", "note"}

func (c Class) String() string { return classText[c] }

// Fate is what happens to a packet on its way.
type Fate uint8

// The fates. Lost to Marked are the wire's doing.
const (
	NoFate      Fate = iota
	Lost             // never arrives
	Duplicated       // arrives twice
	Delayed          // arrives later than the wire's delay says; others may pass it
	Corrupted        // bits are flipped
	Marked           // CE: a queue is long, and its sender understands marks
	Forged           // put on the wire by the scenario with a forged source: the source never sent it
	TooBig           // a router drops it, because it is larger than the next link, and says so
	ICMPSent         // an ICMP message leaves Host
	ICMPArrived      // an ICMP message reaches Host
	Refused          // reaches Host, which does not use it, before TCP sees it: Drop says why
)

var fateText = [...]string{"", "lost", "duplicated", "delayed", "corrupted", "marked CE", "forged", "too big", "ICMP sent", "ICMP arrived", "refused"}

func (f Fate) String() string { return fateText[f] }

// Event is one thing that happened in a run.
type Event struct {
	// Host is where it happened: the sender's side for what a wire does.
	Host string
	// Peer is the other end of the segment or packet, when there is one.
	Peer  string
	Class Class
	Fate  Fate
	// Packet joins what is sent with what arrives and with what the wire does
	// to it: the ID of Run.Packets. 0: no packet.
	Packet int
	// Text is a call, its outcome, a note, or an ICMP message in words.
	Text string
	// TextZH is a Note in Chinese; empty: it has none.
	TextZH string
	// HalfOpen is how many half-open connections Host keeps after an Engine event.
	HalfOpen int
	// Event has the time of every event. The rest counts for Engine and
	// Scripted, and the segment (as a SegmentSent) for Wire when it is TCP.
	tcp.Event
}

// IsTCP reports whether the event tells of a TCP connection or segment.
func (e *Event) IsTCP() bool { return e.Class <= Wire && e.Tuple != (wire.Tuple{}) }

// Packet is one IP packet that was sent.
type Packet struct {
	ID       int // 1, 2, 3 …
	Time     clock.Time
	From, To string // names of hosts; To is "" when no host has the address
	Data     []byte // the IP packet as it was sent
	Size     int    // of the packet in bytes, when Data is only its beginning
	// Arrivals is when and how it came out of the wire: empty when it was lost,
	// two of it when it was duplicated.
	Arrivals []Arrival
	// Forged says that From did not send it: another host did, with its address.
	Forged bool
	// Lost says that no copy arrived.
	Lost bool
}

// Arrival is one copy of a packet that reaches its receiver.
type Arrival struct {
	Time clock.Time
	Data []byte // differs from the packet's when the wire corrupted it
}
