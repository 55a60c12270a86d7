// Package fastopen is what TCP Fast Open (RFC 7413) has beside connections: which sides of
// it are used, the keys of a server's cookies, and what a client knows of servers. Connections
// are package tcp's.
package fastopen

import "github.com/handfast-tcp/handfast/engine/wire"

// Mode says which sides of TCP Fast Open are used: a sum of these bits, which are those of
// Linux's net.ipv4.tcp_fastopen. 0 is off.
type Mode int

// The bits.
const (
	Client         Mode = 1     // connections may ask for cookies, and send text on their SYNs
	Server         Mode = 2     // listeners give cookies, and take text with them
	ClientNoCookie Mode = 4     // text goes on a SYN although there is no cookie
	ServerNoCookie Mode = 0x200 // it is taken without one: only where no SYN can be forged
	EveryListener  Mode = 0x400 // a listener that does not say has room for as many as its backlog

	All = Client | Server | ClientNoCookie | ServerNoCookie | EveryListener
)

// News is what a connection of ours has learnt of Fast Open on the way to a peer:
// see Cache.
type News struct {
	Local, Remote wire.Addr
	Cookie        wire.FastOpenCookie // empty: none came
	MSS           uint16              // of the peer's option
	Experiment    bool                // the cookie came in the option that was an experiment
	Unanswered    bool                // our SYN had no text and the option, and the SYN-ACK had none
	Passed        bool                // text on a SYN was acknowledged
	Lost          bool                // it was not, and no other cookie came: the server does not take it, or the path
	BlackHole     bool                // nothing was answered
}
