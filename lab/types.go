package lab

import (
	"time"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/tcp"
)

// Options change how a scenario runs. The zero value runs it as it is written.
type Options struct {
	// Seed is where all chance comes from: secrets, first sequence numbers, the
	// fate of packets on the wire. The same seed gives the same bytes.
	Seed uint64
	// Loss and Reorder are the probabilities, 0 to 1, with which a wire loses a
	// packet, or lets the next ones pass it; they come on top of the scenario's.
	Loss, Reorder float64
	// Delay is the time from one host to another; 0: the scenario's.
	Delay time.Duration
	// Cookies says when hosts use SYN cookies: "off", "auto" or "always"; "": as
	// the scenario has it.
	Cookies string
	// Limit is how long the world may live; 0 means the scenario's own limit,
	// an hour if it has none.
	Limit time.Duration
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

// The fates. Lost to Corrupted are the wire's doing.
const (
	NoFate      Fate = iota
	Lost             // never arrives
	Duplicated       // arrives twice
	Delayed          // arrives later than the wire's delay says; others may pass it
	Corrupted        // bits are flipped
	Forged           // put on the wire by the scenario in somebody's name: it was never sent
	TooBig           // a router drops it, because it is larger than the next link, and says so
	ICMPSent         // an ICMP message leaves Host
	ICMPArrived      // an ICMP message reaches Host
	Refused          // reaches Host, which does not use it, before TCP sees it: Drop says why
)

var fateText = [...]string{"", "lost", "duplicated", "delayed", "corrupted", "forged", "too big", "ICMP sent", "ICMP arrived", "refused"}

func (f Fate) String() string { return fateText[f] }

// Event is one thing that happened in the world. Result.Events has them in the
// order of time.
type Event struct {
	// Host is where it happened: the sender's side for what a wire does.
	Host string
	// Peer is the other end of the segment or packet, when there is one.
	Peer  string
	Class Class
	Fate  Fate
	// Packet joins what is sent with what arrives and with what the wire does
	// to it: the ID of Result.Packets. 0: no packet.
	Packet int
	// Text is a call, its outcome, a note, or an ICMP message in words.
	Text string
	// Event has the time of every event. The rest counts for Engine and
	// Scripted, and the segment (as a SegmentSent) for Wire when it is TCP.
	tcp.Event
}

// Packet is one IP packet that was sent.
type Packet struct {
	ID       int // 1, 2, 3 …
	Time     clock.Time
	From, To string // names of hosts; To is "" when nobody has the address
	Data     []byte // the IP packet as it was sent
	// Arrivals is when and how it came out of the wire: empty when it was lost,
	// two of it when it was duplicated.
	Arrivals []Arrival
	// Forged says that From did not send it: the scenario did in its name.
	Forged bool
	// Lost says that no copy arrived.
	Lost bool
}

// Arrival is one copy of a packet that reaches its receiver.
type Arrival struct {
	Time clock.Time
	Data []byte // differs from the packet's when the wire corrupted it
}

// HostInfo describes a host of a scenario.
type HostInfo struct {
	Name     string
	Address  string
	Scripted bool // no engine: the scenario plays its segments
	Router   bool
}

// Result is what a run gave.
type Result struct {
	Scenario *Scenario
	Seed     uint64
	Hosts    []HostInfo // in the order of the scenario, left to right
	Start    clock.Time // the instant at which the world begins
	End      clock.Time
	Events   []Event
	Packets  []Packet // in the order in which they were sent
	// Failed are the expectations of the scenario that did not hold, as
	// sentences with their line; empty: all held.
	Failed []string
}
