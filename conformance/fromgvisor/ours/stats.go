package ours

import (
	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Retransmits returns how many segments were sent again, by all connections.
func Retransmits(h *handfast.Host) uint64 { return h.Counters().TCP.RetransSegs }

// Established returns how many connections there are now.
func Established(h *handfast.Host) (n uint64) {
	for c := range h.Connections() {
		if c.State == tcp.Established {
			n++
		}
	}
	return n
}

// Info returns the congestion window, and the round trip in microseconds, of a connection.
func Info(c *handfast.TCPConn) (window uint32, rtt int64, err error) {
	info, err := c.Info()
	return uint32(info.SndCwnd), info.RTT.Microseconds(), err
}

// Reset ends a connection with a RST.
func Reset(c *handfast.TCPConn) {
	c.SetLinger(0)
	c.Close()
}
