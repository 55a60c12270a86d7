package tcp

import (
	"errors"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// ErrInUse says that a port is listened on already, or that a connection with
// the same four-tuple exists, TIME-WAIT included.
var ErrInUse = errors.New("tcp: address in use")

// ErrNoMemory says that there is no memory for another connection: see
// Config.ConnMemory.
var ErrNoMemory = errors.New("tcp: no memory for another connection")

// ErrNotEstablished says that a connection has no congestion control yet.
var ErrNotEstablished = errors.New("tcp: congestion control is chosen when the connection is established")

// Ready says what a connection or a listener is ready for.
type Ready uint8

// The kinds of readiness.
const (
	Connected  Ready = 1 << iota // the handshake is done, or has failed
	Readable                     // data, the end of the stream, or a failure
	Writable                     // room in the send buffer, or a failure
	Acceptable                   // a listener has a connection
	Gone                         // CLOSED: nothing will ever happen again
)

// Failure is why a connection ended before its time.
type Failure uint8

// The failures, with the errors of package syscall that they stand for.
const (
	NoFailure          Failure = iota
	Reset                      // ECONNRESET
	Refused                    // ECONNREFUSED
	TimedOut                   // ETIMEDOUT
	HostUnreachable            // EHOSTUNREACH
	NetworkUnreachable         // ENETUNREACH
	ProtocolError              // EPROTO
	Aborted                    // ECONNABORTED: by the program
)

// ICMPKind is what an ICMP error means for TCP, RFC 5927 and RFC 9293 §3.9.2.2.
type ICMPKind uint8

// The kinds of ICMP error.
const (
	ICMPSoft   ICMPKind = iota // may pass: net or host unreachable, time exceeded
	ICMPHard                   // protocol or port unreachable
	ICMPTooBig                 // path MTU
)

// ICMPError is an ICMP error that quotes a segment of ours.
type ICMPError struct {
	Kind    ICMPKind
	Failure Failure // what an attempt to connect fails with
	Seq     seq.Num // sequence number in the quoted header
	MTU     int     // ICMPTooBig: the path's new MTU
	Size    int     // ICMPTooBig: length of the quoted packet, in bytes; 0: not known
}
