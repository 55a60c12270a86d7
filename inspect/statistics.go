package inspect

import (
	"bufio"
	"fmt"
	"io"
	"slices"
)

// counterKind is when netstat -s shows a counter.
type counterKind uint8

const (
	always   counterKind = iota
	nonzero              // only when something was counted
	received             // nonzero, below "ICMP input histogram:"
	sent                 // nonzero, below "ICMP output histogram:"
	hidden               // never: a setting
)

// counterTexts are the sentences of netstat -s, by group, in Linux's order of
// the counters. What has no sentence is shown by its name when it is not 0.
// net-tools has sentences for twelve more, such as TCPTimeouts, and never finds them:
// it searches a table that is not in the order of its search. What people know, and
// look for, are the names.
var counterTexts = map[string][]struct {
	name string
	kind counterKind
	text string
}{
	"Ip": {
		{"DefaultTTL", hidden, ""},
		{"InReceives", always, "%d total packets received"},
		{"InHdrErrors", nonzero, "%d with invalid headers"},
		{"InAddrErrors", nonzero, "%d with invalid addresses"},
		{"ForwDatagrams", always, "%d forwarded"},
		{"InUnknownProtos", nonzero, "%d with unknown protocol"},
		{"InDiscards", always, "%d incoming packets discarded"},
		{"InDelivers", always, "%d incoming packets delivered"},
		{"OutRequests", always, "%d requests sent out"},
		{"OutDiscards", nonzero, "%d outgoing packets dropped"},
		{"OutNoRoutes", nonzero, "%d dropped because of missing route"},
		{"ReasmTimeout", nonzero, "%d fragments dropped after timeout"},
		{"ReasmReqds", nonzero, "%d reassemblies required"},
		{"ReasmOKs", nonzero, "%d packets reassembled ok"},
		{"ReasmFails", nonzero, "%d packet reassemblies failed"},
		{"FragOKs", nonzero, "%d outgoing packets fragmented ok"},
		{"FragFails", nonzero, "%d outgoing packets failed fragmentation"},
		{"FragCreates", nonzero, "%d fragments created"},
	},
	"Icmp": {
		{"InMsgs", always, "%d ICMP messages received"},
		{"InErrors", always, "%d input ICMP message failed"},
		{"InDestUnreachs", received, "destination unreachable: %d"},
		{"InTimeExcds", received, "timeout in transit: %d"},
		{"InParmProbs", received, "wrong parameters: %d"},
		{"InSrcQuenchs", received, "source quenches: %d"},
		{"InRedirects", received, "redirects: %d"},
		{"InEchos", received, "echo requests: %d"},
		{"InEchoReps", received, "echo replies: %d"},
		{"InTimestamps", received, "timestamp request: %d"},
		{"InTimestampReps", received, "timestamp reply: %d"},
		{"InAddrMasks", received, "address mask request: %d"},
		{"InAddrMaskReps", received, "address mask replies: %d"},
		{"OutMsgs", always, "%d ICMP messages sent"},
		{"OutErrors", always, "%d ICMP messages failed"},
		{"OutDestUnreachs", sent, "destination unreachable: %d"},
		{"OutTimeExcds", sent, "time exceeded: %d"},
		{"OutParmProbs", sent, "wrong parameters: %d"},
		{"OutSrcQuenchs", sent, "source quench: %d"},
		{"OutRedirects", sent, "redirect: %d"},
		{"OutEchos", sent, "echo requests: %d"},
		{"OutEchoReps", sent, "echo replies: %d"},
		{"OutTimestamps", sent, "timestamp requests: %d"},
		{"OutTimestampReps", sent, "timestamp replies: %d"},
		{"OutAddrMasks", sent, "address mask requests: %d"},
		{"OutAddrMaskReps", sent, "address mask replies: %d"},
	},
	"Tcp": {
		{"RtoAlgorithm", hidden, ""}, {"RtoMin", hidden, ""}, {"RtoMax", hidden, ""}, {"MaxConn", hidden, ""},
		{"ActiveOpens", always, "%d active connection openings"},
		{"PassiveOpens", always, "%d passive connection openings"},
		{"AttemptFails", always, "%d failed connection attempts"},
		{"EstabResets", always, "%d connection resets received"},
		{"CurrEstab", always, "%d connections established"},
		{"InSegs", always, "%d segments received"},
		{"OutSegs", always, "%d segments sent out"},
		{"RetransSegs", always, "%d segments retransmitted"},
		{"InErrs", always, "%d bad segments received"},
		{"OutRsts", always, "%d resets sent"},
	},
	"Udp": {
		{"InDatagrams", always, "%d packets received"},
		{"NoPorts", always, "%d packets to unknown port received"},
		{"InErrors", always, "%d packet receive errors"},
		{"OutDatagrams", always, "%d packets sent"},
		{"RcvbufErrors", always, "%d receive buffer errors"},
		{"SndbufErrors", always, "%d send buffer errors"},
	},
	"TcpExt": {
		{"SyncookiesSent", nonzero, "%d SYN cookies sent"},
		{"SyncookiesRecv", nonzero, "%d SYN cookies received"},
		{"SyncookiesFailed", nonzero, "%d invalid SYN cookies received"},
		{"EmbryonicRsts", nonzero, "%d resets received for embryonic SYN_RECV sockets"},
		{"PruneCalled", nonzero, "%d packets pruned from receive queue because of socket buffer overrun"},
		{"RcvPruned", nonzero, "%d packets pruned from receive queue"},
		{"OfoPruned", nonzero, "%d packets dropped from out-of-order queue because of socket buffer overrun"},
		{"OutOfWindowIcmps", nonzero, "%d ICMP packets dropped because they were out-of-window"},
		{"LockDroppedIcmps", nonzero, "%d ICMP packets dropped because socket was locked"},
		{"TW", nonzero, "%d TCP sockets finished time wait in fast timer"},
		{"TWRecycled", nonzero, "%d time wait sockets recycled by time stamp"},
		{"PAWSPassive", nonzero, "%d passive connections rejected because of time stamp"},
		{"PAWSActive", nonzero, "%d active connections rejected because of time stamp"},
		{"PAWSEstab", nonzero, "%d packets rejected in established connections because of timestamp"},
		{"DelayedACKs", nonzero, "%d delayed acks sent"},
		{"DelayedACKLocked", nonzero, "%d delayed acks further delayed because of locked socket"},
		{"DelayedACKLost", nonzero, "Quick ack mode was activated %d times"},
		{"ListenOverflows", nonzero, "%d times the listen queue of a socket overflowed"},
		{"ListenDrops", nonzero, "%d SYNs to LISTEN sockets dropped"},
		{"TCPHPHits", always, "%d packet headers predicted"},
		{"TCPPureAcks", always, "%d acknowledgments not containing data payload received"},
		{"TCPHPAcks", nonzero, "%d predicted acknowledgments"},
		{"TCPRenoRecovery", nonzero, "%d times recovered from packet loss due to fast retransmit"},
		{"TCPSACKReorder", nonzero, "Detected reordering %d times using SACK"},
		{"TCPRenoReorder", nonzero, "Detected reordering %d times using reno fast retransmit"},
		{"TCPTSReorder", nonzero, "Detected reordering %d times using time stamp"},
		{"TCPFullUndo", nonzero, "%d congestion windows fully recovered without slow start"},
		{"TCPPartialUndo", nonzero, "%d congestion windows partially recovered using Hoe heuristic"},
		{"TCPLossUndo", nonzero, "%d congestion windows recovered without slow start after partial ack"},
		{"TCPRenoFailures", nonzero, "%d timeouts after reno fast retransmit"},
		{"TCPLossFailures", nonzero, "%d timeouts in loss state"},
		{"TCPFastRetrans", nonzero, "%d fast retransmits"},
		{"TCPSlowStartRetrans", nonzero, "%d retransmits in slow start"},
		{"TCPRcvCollapsed", nonzero, "%d packets collapsed in receive queue due to low socket buffer"},
		{"TCPAbortOnData", nonzero, "%d connections reset due to unexpected data"},
		{"TCPAbortOnClose", nonzero, "%d connections reset due to early user close"},
		{"TCPAbortOnMemory", nonzero, "%d connections aborted due to memory pressure"},
		{"TCPAbortOnTimeout", nonzero, "%d connections aborted due to timeout"},
		{"TCPAbortOnLinger", nonzero, "%d connections aborted after user close in linger timeout"},
		{"TCPAbortFailed", nonzero, "%d times unable to send RST due to no memory"},
		{"TCPMemoryPressures", nonzero, "TCP ran low on memory %d times"},
	},
}

// counterGroups are in netstat's order.
var counterGroups = []string{"Ip", "Icmp", "IcmpMsg", "Tcp", "Udp", "UdpLite", "TcpExt", "IpExt", "MPTcpExt"}

// groupsOf are the protocols that groups belong to, for -t and -u. As netstat has
// it, the others are shown in any case.
var groupsOf = map[string]string{"Ip": "ip", "Icmp": "ip", "IcmpMsg": "ip", "Tcp": "tcp", "TcpExt": "tcp", "Udp": "udp"}

// WriteStatistics writes counters as netstat -s does: those that it has words
// for, and of the others what is not 0. With protocols, "tcp" or "udp", it
// leaves the other groups out.
func WriteStatistics(w io.Writer, counters map[string]map[string]uint64, protocols ...string) error {
	out := bufio.NewWriter(w)
	for _, group := range counterGroups {
		if of := groupsOf[group]; len(protocols) > 0 && of != "" && !slices.Contains(protocols, of) {
			continue
		}
		if len(counters[group]) > 0 {
			fmt.Fprintf(out, "%s:\n", group)
			writeGroup(out, group, counters[group])
		}
	}
	return out.Flush()
}

func writeGroup(w io.Writer, group string, counters map[string]uint64) {
	known := map[string]bool{}
	last := always
	for _, c := range counterTexts[group] {
		n, ok := counters[c.name]
		known[c.name] = true
		histogram := c.kind == received || c.kind == sent
		if histogram && ok && c.kind != last {
			fmt.Fprintf(w, "    ICMP %s histogram:\n", map[counterKind]string{received: "input", sent: "output"}[c.kind])
		}
		last = c.kind
		if !ok || c.kind == hidden || c.kind != always && n == 0 {
			continue
		}
		indent := "    "
		if histogram {
			indent += indent
		}
		fmt.Fprintf(w, indent+c.text+"\n", n)
	}
	indent := "    "
	if group == "IcmpMsg" {
		indent += indent
	}
	for _, name := range sortedNames(counters) {
		if n := counters[name]; n > 0 && !known[name] {
			fmt.Fprintf(w, "%s%s: %d\n", indent, name, n)
		}
	}
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
