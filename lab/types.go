package lab

import (
	"time"

	"github.com/handfast-tcp/handfast/lab/trace"
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
	// Rate is the bandwidth of every wire in bits per second, with a queue of 100 ms where
	// the scenario has none; 0: the scenario's.
	Rate uint64
	// Congestion is the congestion control of all hosts: one of cc.Names; "": as the
	// scenario has it.
	Congestion string
	// Cookies says when hosts use SYN cookies: "off", "auto" or "always"; "": as
	// the scenario has it.
	Cookies string
	// MSL, HalfOpen and SynAckRetries are those of every host; 0: the scenario's.
	MSL                     time.Duration
	HalfOpen, SynAckRetries int
	// Limit is how long the world may live; 0 means the scenario's own limit,
	// an hour if it has none.
	Limit time.Duration
}

// Result is what a run gave.
type Result struct {
	Scenario *Scenario
	Seed     uint64
	trace.Run
	// Failed are the expectations of the scenario that did not hold, as
	// sentences with their line; empty: all held.
	Failed []string
}
