package theirs

import (
	"net"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Retransmits returns how many segments were sent again, by all connections.
func Retransmits(s *stack.Stack) uint64 { return s.Stats().TCP.Retransmits.Value() }

// Established returns how many connections there are now.
func Established(s *stack.Stack) uint64 { return s.Stats().TCP.CurrentEstablished.Value() }

// Info returns the congestion window, and the round trip in microseconds, of an endpoint.
func Info(ep tcpip.Endpoint) (window uint32, rtt int64, err error) {
	var info tcpip.TCPInfoOption
	if err := ep.GetSockOpt(&info); err != nil {
		return 0, 0, tcpipError(err)
	}
	return info.SndCwnd, info.RTT.Microseconds(), nil
}

// Reset ends a connection with a RST: Abort is the endpoint's.
func Reset(ep tcpip.Endpoint, c net.Conn) {
	ep.Abort()
	c.Close()
}
