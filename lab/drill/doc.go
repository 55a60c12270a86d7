// Package drill plays packetdrill scripts against a host of ours, in virtual time. The
// script is everything but the host: its programs, its peer and the network. It says what
// happens and when, and what must leave the host for it.
//
// A second of a script takes some microseconds, and the same script gives the same bytes
// on every machine.
//
// Play plays one script. What failed is in the Result, with the place in the script, what
// was expected there and what came, and so is all that happened, as a trace.Run.
//
// Beside the script there are judges: every packet that leaves goes through lab/oracle,
// the engine's own audit is asked after every step, and text must arrive as it was sent.
//
// The files: play.go is the course of a script and of time; settings.go and sysctl.go are
// what a script says of the host, shell.go in whose words; flow.go numbers and connections,
// inject.go what arrives, expect.go and compare.go what leaves, print.go in which words;
// socket.go, calls_*.go, options.go and ready.go are the sockets of programs; info.go what
// assertions ask; record.go is for ladders; kernel.go has another host play.
package drill
