package script

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Script is a file.
type Script struct {
	Name    string
	Options []Setting // --name=value, at the top
	Events  []Event   // in the order of the file
	// BSD: the script sets net.inet.*, so it was written for FreeBSD or one of its relatives.
	BSD   bool
	lines []string
}

// Setting is a name and a value: an option of the file, or a sysctl.
type Setting struct {
	Pos         Pos
	Name, Value string
}

// Pos is a place in a script, both counted from 1; columns are characters.
type Pos struct{ Line, Col int }

// Event is something that happens, or must happen, at a time. One of the pointers is set.
type Event struct {
	Pos    Pos
	When   When
	Packet *Packet
	Call   *Call
	Code   *Code
	Shell  *Shell
}

// Mode says how a time is meant.
type Mode uint8

// The modes.
const (
	Relative Mode = iota // since the event before: +.1
	Absolute             // since the start: 1.5
	Anytime              // whenever it comes: *
)

// When is the time of an event. Until differs from At where there is a range, 1.0~1.2 or
// +.1~+.2: what leaves the host may do so in between.
type When struct {
	Mode      Mode
	At, Until time.Duration
}

// Ranged reports whether it is a range.
func (w *When) Ranged() bool { return w.Until != w.At }

// Packet is a packet that arrives at the host, or must leave it.
type Packet struct {
	Out bool // >: it must leave the host
	IP  IPInfo
	// SrcPort and DstPort name a connection where a script has several: 0 are its usual ones.
	SrcPort, DstPort uint16
	Flags            wire.Flags
	ACE              bool // digits gave AE, CWR and ECE as a number
	Seq              seq.Num
	Len              int
	Ack              seq.Num
	Window, Urgent   int // Window less than 0: anything
	HasAck           bool
	AnyOptions       bool // <...>
	AnySeq           bool // ...(100): whatever number it begins with
	Options          []Option
	ICMP             *ICMP
	UDP              bool
}

// IPInfo is what stands in brackets: fields of the IP header. A field that is less than 0
// may be anything where a packet must leave, and is the usual one where it arrives.
type IPInfo struct {
	ECN       int // 0 to 3; AnyECT: either ECT
	TOS       int // with the ECN bits
	TTL       int
	FlowLabel int
	Corrupt   bool // its checksum of TCP is wrong: not packetdrill's
}

// AnyECT is an IPInfo.ECN that both ECT(0) and ECT(1) are.
const AnyECT = 4

// ICMP is an error that quotes a segment of the host's: its numbers are those of Packet.
type ICMP struct {
	Type, Code string // as in "unreachable frag_needed"
	MTU        int
	Quoted     bool // Packet says which segment
}

// Call is a system call.
type Call struct {
	Name string
	Args []Value
	// End is when it returns, by the clock of When; less than 0: at once.
	End    time.Duration
	Result Value  // Any: whatever it gives
	Errno  string // empty: none
	Text   string // as it is written
}

// Kind says what a Value is.
type Kind uint8

// The kinds of value.
const (
	Any      Kind = iota // ...
	Number               // 1, 0x10, SOL_SOCKET, POLLIN|POLLOUT
	Text                 // "abc"
	List                 // [a, b]
	Struct               // {a=1, b=2}, or {a, b} without names
	Function             // htons(8080)
)

// Value is an argument of a call, or what it gives.
type Value struct {
	Pos    Pos
	Kind   Kind
	Number int64
	Text   string // Text, or how a Number is written, or the name of a Function
	Items  []Value
	Names  []string // Struct: of Items; empty where there is none
}

// Field returns the item of a Struct that has the name, nil when there is none.
func (v *Value) Field(name string) *Value {
	for i, n := range v.Names {
		if n == name {
			return &v.Items[i]
		}
	}
	return nil
}

// Shell is what stands between backticks. It is read, and never run.
type Shell struct {
	Pos   Pos
	Lines []ShellLine
}
