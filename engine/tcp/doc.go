// Package tcp is TCP as a state machine: segments, calls and instants go in,
// segments and news of connections come out. It knows no IP header, no
// goroutine, no socket and no clock.
//
// An Endpoint has all connections and listeners of one host, or of one shard of
// it. Segments arrive with Receive, timers with Advance; Output gives what is to
// be sent, and NextReady says whose program has something to do. Package host
// puts an Endpoint under IP; package handfast gives it goroutines and net.Conn.
//
// The one idea: what happens is a function of what came before. A segment, a call
// or a moment goes in, and afterwards the connection may owe something; what it owes
// is found by trying to build the next segment, and not by a second set of questions
// beside it. So the same code serves a real host, a lab in virtual time and a fuzzer.
//
// The files, by side:
//
//	conn_*      one connection. conn_receive.go is SEGMENT ARRIVES of RFC 9293
//	            §3.10.7, in its order, with the checks in conn_checks.go; conn_send.go
//	            builds what leaves; conn_user.go has the calls, conn_timers.go the
//	            timers. Each of the others is one subject, as its name says.
//	endpoint_*  all connections of a host: which one a segment is for, who sends next,
//	            what is answered for those that do not exist. Begin with endpoint.go.
//	syn_*       from a SYN to an accepted connection: the half-open cache, cookies,
//	            the attack mode. Begin with syn_receive.go.
//	timewait    TIME-WAIT, in its small form.
//	table*      how connections are found; queues.go, in what order they have a turn.
//	values      state.go and state_moves.go, segment.go, event.go, config*.go, api.go,
//	            counters.go and stats.go.
//
// A reader with the RFC open follows a segment by Endpoint.Receive, dispatch,
// Conn.receive, and one that leaves by Endpoint.Output, Conn.NextSegment.
package tcp
