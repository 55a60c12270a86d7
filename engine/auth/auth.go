// Package auth is where TCP and what signs its segments meet: package ao, which knows keys,
// and which a program without them does not link.
package auth

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Authenticator knows which peers sign what they send, and their keys.
// https://www.rfc-editor.org/rfc/rfc5925
type Authenticator interface {
	// Session returns what authenticates a connection; nil: there is no key for it.
	Session(t wire.Tuple) Session
}

// Session signs and verifies the segments of one connection.
type Session interface {
	// Numbers says both initial sequence numbers, as far as they are known. Others than
	// before begin the session anew.
	Numbers(iss, irs seq.Num)
	// Mark puts the option into o, its MAC zero.
	Mark(o *wire.Options)
	// Sign returns the MAC of a segment that leaves.
	Sign(m *Message) [wire.AuthMACSize]byte
	// Verify says whether the peer has signed a segment that arrived: None, NoAuth, BadAuth
	// or UnknownAuthKey.
	Verify(m *Message) wire.Drop
	// Signer returns which key signs, below 8, and Use sets it.
	Signer() int
	Use(signer int)
	// Rekey goes on with the keys of another Authenticator.
	Rekey(a Authenticator)
	Clone() Session
}

// Message is a segment as it is authenticated: as on the wire.
type Message struct {
	Header   []byte     // TCP header with options
	Text     []byte     // what of the text lies behind it
	Views    []buf.View // the rest of it
	Seq, Ack seq.Num
	Flags    wire.Flags
	Auth     *wire.AuthOption // nil: it has none
}
