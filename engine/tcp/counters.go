package tcp

import "github.com/handfast-tcp/handfast/engine/wire"

// Counters count what an endpoint did, under the names that Linux gives them
// in /proc/net/snmp and /proc/net/netstat: who looks for the reason of something knows
// these. Each shard has its own, without atomics, and they are summed when somebody asks.
type Counters struct {
	ActiveOpens, PassiveOpens uint64
	InSegs, OutSegs           uint64
	OutRsts                   uint64
	RetransSegs               uint64
	ListenOverflows           uint64 // the accept queue was full
	ListenDrops               uint64 // SYNs dropped for any reason
	ConnsRefused              uint64 // SYNs and last ACKs dropped, and Connects failed: there was no memory for a connection
	TCPReqQFullDrop           uint64 // the half-open queue was full, without cookies
	TCPDeferAcceptDrop        uint64 // ACKs of SYN-ACKs that brought no text, which their listener waits for
	TCPReqQFullDoCookies      uint64 // an entry was evicted and lives on as a cookie
	SyncookiesSent            uint64 // stateless SYN-ACKs sent
	SyncookiesRecv            uint64 // connections opened from a cookie
	SyncookiesFailed          uint64 // ACKs that looked like a cookie and were none
	TimeWaitOverflow          uint64 // TIME-WAIT entries given up early
	TWRecycled                uint64 // TIME-WAIT entries whose ports Connect has used again: Config.TimeWaitReuse
	RepliesDropped            uint64 // RSTs not sent: too many at once
	TCPDeliveredCE            uint64 // segments delivered that the network marked, as peers tell
	FloodsDetected            uint64 // times that the detector saw a SYN flood begin

	TCPSackRecovery, TCPRenoRecovery         uint64 // fast recoveries begun, with and without SACK
	TCPSackRecoveryFail, TCPRenoRecoveryFail uint64 // timeouts in one
	TCPSackFailures, TCPRenoFailures         uint64 // timeouts after SACK blocks, or duplicate ACKs, that began none
	TCPLossFailures                          uint64 // timeouts while an earlier one was repaired
	TCPTimeouts                              uint64 // expiries of the retransmission timer, those of SYNs too
	TCPSpuriousRTOs                          uint64 // timeouts for nothing, as F-RTO found
	TCPSynRetrans                            uint64 // SYNs and SYN-ACKs sent again
	TCPFastRetrans                           uint64 // segments sent again in fast recovery
	TCPSlowStartRetrans                      uint64 // segments sent again after a timeout
	TCPLostRetransmit                        uint64 // segments that were lost again after that
	TCPLossProbes                            uint64 // tail loss probes
	TCPLossProbeRecovery                     uint64 // those that repaired a loss
	TCPWinProbe, TCPKeepAlive                uint64 // zero-window and keep-alive probes
	TCPFullUndo, TCPPartialUndo              uint64 // fast recoveries undone by timestamps, at their end and before
	TCPLossUndo                              uint64 // timeouts undone, by timestamps or F-RTO
	TCPDSACKUndo                             uint64 // either undone because all that was sent again came twice
	TCPDSACKRecv, TCPDSACKOfoRecv            uint64 // D-SACK blocks that came, of what is acknowledged and of the rest
	TCPDSACKRecvSegs                         uint64 // segments in them
	TCPDSACKOldSent, TCPDSACKOfoSent         uint64 // D-SACK blocks sent
	TCPSACKReneging                          uint64 // peers that dropped what they had said they hold
	TCPSACKReorder                           uint64 // times that something came after what was sent later
	TCPOFOQueue, TCPOFODrop                  uint64 // segments that came out of order; those dropped for want of room

	TCPMTUPFail    uint64 // sizes that were tried after a black hole, and found too large
	TCPMTUPSuccess uint64 // and such that came through: steps of the search

	TCPFastOpenActive, TCPFastOpenActiveFail   uint64 // SYNs whose text was acknowledged by the SYN-ACK; those whose was not
	TCPFastOpenPassive, TCPFastOpenPassiveFail uint64 // connections that a SYN with a cookie has opened; cookies that were none
	TCPFastOpenPassiveAltKey                   uint64 // of the first, those with the cookie of the period before
	TCPFastOpenListenOverflow                  uint64 // SYNs that found Listener.FastOpen reached
	TCPFastOpenCookieReqd                      uint64 // SYNs that asked for a cookie
	TCPFastOpenBlackhole                       uint64 // times that the path was found to drop SYNs with text, or what follows

	TCPAOGood, TCPAOBad uint64 // signed segments that were believed; those with another MAC
	TCPAORequired       uint64 // segments without a signature from a peer that signs
	TCPAOKeyNotFound    uint64 // segments signed with a key that is not ours
	TCPAODroppedIcmps   uint64 // ICMP errors about connections whose segments are signed

	TCPMemoryPressures uint64 // times that memory became short: see Config.BufferMemory
	TCPRcvQDrop        uint64 // segments in order that found no memory; those out of order are in TCPOFODrop
	PruneCalled        uint64 // times that what came out of order was given up for want of memory
	OfoPruned          uint64 // pieces that were
}

// Counters returns the counters so far.
func (e *Endpoint) Counters() Counters { return *e.cfg.stats }

func (n *Counters) sent(out *Output) {
	n.OutSegs++
	if out.Flags.Has(wire.RST) {
		n.OutRsts++
	}
	if out.again || out.GSOSize > 0 {
		n.sentAgain(out)
	}
}

// sentAgain is the rest of sent for what is repeated, or more than one segment. It is
// apart so that sent is small enough to be inlined where every segment leaves.
func (n *Counters) sentAgain(out *Output) {
	count := uint64(out.Count())
	n.OutSegs += count - 1
	if out.again {
		n.RetransSegs += count
	}
}

// recovering counts that a fast recovery begins.
func (n *Counters) recovering(sack bool) {
	if sack {
		n.TCPSackRecovery++
	} else {
		n.TCPRenoRecovery++
	}
}

// toldTwice counts a D-SACK block that is sent: of what was in order, or behind a gap.
func (n *Counters) toldTwice(inOrder bool) {
	if inOrder {
		n.TCPDSACKOldSent++
	} else {
		n.TCPDSACKOfoSent++
	}
}
