// Package cc is congestion control: numbers in, numbers out. A controller sees
// what was acknowledged and what was lost and says how much may be in flight;
// it never sees the connection.
package cc

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// Ack is what one acknowledgment told.
type Ack struct {
	Bytes    int           // newly acknowledged
	InFlight int           // bytes in flight before this acknowledgment
	RTT      time.Duration // 0 when it gave no sample
	Limited  bool          // what is acknowledged was of a flight that filled the window: growth is earned (RFC 7661)
}

// Controller is one connection's congestion control. All quantities are bytes.
// A Controller is a value behind a pointer; Clone copies it, so that a
// connection can be cloned.
type Controller interface {
	Window() int             // cwnd
	SlowStartThreshold() int // ssthresh
	OnAck(now clock.Time, a Ack)
	// OnLoss is called once per loss event, that is when fast recovery begins.
	OnLoss(now clock.Time, inFlight int)
	// OnTimeout is called when the retransmission timer fires.
	OnTimeout(now clock.Time, inFlight int)
	// OnRestart is called before data is sent after an idle time longer than the RTO.
	OnRestart(now clock.Time)
	// SetMSS tells that the segment size changed.
	SetMSS(mss int)
	Name() string
	Clone() Controller
}
