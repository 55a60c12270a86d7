package tcp

import (
	"errors"
	"time"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// Errors of an Endpoint's methods.
var (
	ErrInUse = errors.New("tcp: address in use")
)

// Ready says what a connection or a listener is ready for.
type Ready uint8

// The kinds of readiness.
const (
	Connected  Ready = 1 << iota // the handshake is done, or has failed
	Readable                     // data, the end of the stream, or an error
	Writable                     // room in the send buffer, or an error
	Acceptable                   // a listener has a connection
	Gone                         // CLOSED: nothing will ever happen again
)

// Failure is why a connection ended before its time.
type Failure uint8

// The failures; the root package maps them to the errors of package syscall.
const (
	NoFailure          Failure = iota
	Reset                      // ECONNRESET
	Refused                    // ECONNREFUSED
	TimedOut                   // ETIMEDOUT
	HostUnreachable            // EHOSTUNREACH
	NetworkUnreachable         // ENETUNREACH
	ProtocolError              // EPROTO
	Aborted                    // aborted by the program: ECONNABORTED
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
	Failure Failure // what a connection attempt fails with
	Seq     seq.Num // sequence number in the quoted header
	MTU     int     // ICMPTooBig: as the message says, perhaps 0
}

// Entry is a connection in an endpoint's table.
type Entry struct {
	Conn
	// Owner is the program's; the endpoint only gives it back.
	Owner any
}

// Listener is a port that is listened on.
type Listener struct {
	Local   wire.Addr // zero: every address
	Port    uint16
	Backlog int
	Owner   any
}

type Conn struct{}

func (c *Conn) State() State          { panic("") }
func (c *Conn) Tuple() wire.Tuple     { panic("") }
func (c *Conn) Failure() Failure      { panic("") }
func (c *Conn) SendSpace() int        { panic("") } // bytes until SendBuffer is reached, may be negative
func (c *Conn) Readable() bool        { panic("") } // data, EOF or failure: Take will not be empty-handed
func (c *Conn) Buffered() int         { panic("") } // in-order bytes that wait for the program
func (c *Conn) EOF() bool             { panic("") } // peer's FIN came and all data before it was taken
func (c *Conn) WriteClosed() bool     { panic("") } // CloseWrite or Close was called
func (c *Conn) Unsent() int           { panic("") } // bytes queued and not acknowledged
func (c *Conn) PeekInto(b []byte) int { panic("") }

type Endpoint struct{}

func NewEndpoint(cfg *Config) *Endpoint                                                   { panic("") }
func (e *Endpoint) SetTrace(t *Trace)                                                     { panic("") }
func (e *Endpoint) Receive(now clock.Time, path Path, t wire.Tuple, s *Segment) wire.Drop { panic("") }
func (e *Endpoint) ReceiveICMP(now clock.Time, t wire.Tuple, icmp ICMPError) wire.Drop    { panic("") }
func (e *Endpoint) Output(now clock.Time, out *Output) bool                               { panic("") }
func (e *Endpoint) Deadline() clock.Time                                                  { panic("") }
func (e *Endpoint) Advance(now clock.Time)                                                { panic("") }
func (e *Endpoint) Listen(local wire.Addr, port uint16, backlog int, owner any) (*Listener, error) {
	panic("")
}
func (e *Endpoint) CloseListener(now clock.Time, l *Listener) { panic("") }
func (e *Endpoint) Accept(l *Listener) *Entry                 { panic("") }
func (e *Endpoint) Connect(now clock.Time, path Path, t wire.Tuple, owner any) (*Entry, error) {
	panic("")
}
func (e *Endpoint) InUse(t wire.Tuple) bool                  { panic("") }
func (e *Endpoint) NextReady() (owner any, r Ready, ok bool) { panic("") }
func (e *Endpoint) All(yield func(*Entry) bool)              { panic("") }
func (e *Endpoint) Len() int                                 { panic("") } // entries, half-open and TIME-WAIT included

// Send queues v (the reference passes) even past SendBuffer; false when the connection no longer takes data (then v is released).
func (e *Endpoint) Send(now clock.Time, en *Entry, v buf.View) bool { panic("") }

// SendCopy copies b to the queue's tail: for small writes.
func (e *Endpoint) SendCopy(now clock.Time, en *Entry, b []byte) bool { panic("") }

// Take detaches up to max in-order bytes, appended to dst; the references pass to the caller.
func (e *Endpoint) Take(now clock.Time, en *Entry, max int, dst []buf.View) []buf.View { panic("") }
func (e *Endpoint) CloseWrite(now clock.Time, en *Entry)                               { panic("") } // SHUT_WR: FIN after what is queued
func (e *Endpoint) CloseRead(now clock.Time, en *Entry)                                { panic("") } // SHUT_RD
func (e *Endpoint) Close(now clock.Time, en *Entry)                                    { panic("") } // program lets go of it; unread data: RST. Entry lives on until CLOSED
func (e *Endpoint) Abort(now clock.Time, en *Entry)                                    { panic("") } // RST
func (e *Endpoint) SetNoDelay(now clock.Time, en *Entry, on bool)                      { panic("") }
func (e *Endpoint) SetKeepAlive(now clock.Time, en *Entry, k KeepAlive)                { panic("") }
func (e *Endpoint) SetUserTimeout(now clock.Time, en *Entry, d time.Duration)          { panic("") }
func (e *Endpoint) SetReceiveBuffer(now clock.Time, en *Entry, bytes int)              { panic("") }
func (e *Endpoint) SetSendBuffer(now clock.Time, en *Entry, bytes int)                 { panic("") }
func (e *Endpoint) SetUrgent(now clock.Time, en *Entry)                                { panic("") } // what is queued so far is urgent (RFC 6093)
