package tcp

import "github.com/handfast-tcp/handfast/engine/wire"

// Counters count what an endpoint did, under the names that Linux gives them
// in /proc/net/snmp and /proc/net/netstat.
type Counters struct {
	ActiveOpens, PassiveOpens uint64
	InSegs, OutSegs           uint64
	OutRsts                   uint64
	RetransSegs               uint64
	ListenOverflows           uint64 // the accept queue was full
	ListenDrops               uint64 // SYNs dropped for any reason
	TCPReqQFullDrop           uint64 // the half-open queue was full, without cookies
	TCPReqQFullDoCookies      uint64 // an entry was evicted and lives on as a cookie
	SyncookiesSent            uint64 // stateless SYN-ACKs sent
	SyncookiesRecv            uint64 // connections opened from a cookie
	SyncookiesFailed          uint64 // ACKs that looked like a cookie and were none
	TimeWaitOverflow          uint64 // TIME-WAIT entries given up early
	RepliesDropped            uint64 // RSTs not sent: too many at once
	FloodsDetected            uint64 // times that the detector saw a SYN flood begin
}

// Counters returns the counters so far.
func (e *Endpoint) Counters() Counters { return e.stats }

func (n *Counters) sent(out *Output) {
	n.OutSegs++
	if out.Flags.Has(wire.RST) {
		n.OutRsts++
	}
	if out.again || out.GSOSize > 0 {
		n.sentAgain(out)
	}
}

// sentAgain is the rest of sent for what is repeated, or more than one segment.
func (n *Counters) sentAgain(out *Output) {
	count := uint64(out.Count())
	n.OutSegs += count - 1
	if out.again {
		n.RetransSegs += count
	}
}
