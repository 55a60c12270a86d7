// Package tcp is TCP as a state machine: segments, calls and instants go in,
// segments and news of connections come out. It knows no IP header, no
// goroutine, no socket and no clock.
//
// An Endpoint has all connections and listeners of one host, or of one shard of
// it. Segments arrive with Receive, timers with Advance; Output gives what is to
// be sent, and NextReady says whose program has something to do. Package host
// puts an Endpoint under IP; package handfast gives it goroutines and net.Conn.
package tcp
