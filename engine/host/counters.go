package host

import "github.com/handfast-tcp/handfast/engine/wire"

// Counters count packets since the host was made. Their names are those of
// Linux's /proc/net/snmp and netstat. IPv4 and IPv6 are counted together.
type Counters struct {
	IpInReceives, IpInHdrErrors, IpInAddrErrors, IpInUnknownProtos uint64
	IpInDiscards, IpInDelivers, IpOutRequests, IpOutNoRoutes       uint64
	IpOutDiscards                                                  uint64

	IpReasmReqds, IpReasmOKs, IpReasmFails, IpReasmTimeout uint64
	IpFragOKs, IpFragCreates                               uint64

	// By the field ECN of the IP header. Those that a super-segment stands for all
	// count.
	IpExtInNoECTPkts, IpExtInECT1Pkts, IpExtInECT0Pkts, IpExtInCEPkts uint64

	IcmpInMsgs, IcmpInErrors, IcmpInCsumErrors           uint64
	IcmpInDestUnreachs, IcmpInTimeExcds, IcmpInPktTooBig uint64
	IcmpInEchos, IcmpInEchoReps                          uint64
	IcmpOutMsgs, IcmpOutErrors, IcmpOutDestUnreachs      uint64
	IcmpOutTimeExcds, IcmpOutEchos, IcmpOutEchoReps      uint64
	IcmpOutRateLimitGlobal                               uint64

	// What goes through here; the tcp.Endpoint's own counters tell the rest.
	// A super-segment counts as the segments that it stands for.
	TcpInSegs, TcpInErrs, TcpInCsumErrors, TcpOutSegs uint64

	UdpInDatagrams, UdpNoPorts, UdpInErrors, UdpInCsumErrors uint64
	UdpRcvbufErrors, UdpOutDatagrams, UdpSndbufErrors        uint64

	// Drops counts received packets by why they were not used; Drops[wire.None]
	// are those that were.
	Drops [wire.NumDrops]uint64
}

// ecn counts packets by that field.
func (c *Counters) ecn(e wire.ECN, n uint64) {
	switch e {
	case wire.NotECT:
		c.IpExtInNoECTPkts += n
	case wire.ECT1:
		c.IpExtInECT1Pkts += n
	case wire.ECT0:
		c.IpExtInECT0Pkts += n
	default:
		c.IpExtInCEPkts += n
	}
}

// drop counts the outcome of a received packet, also under Linux's names: by our reasons
// one sees what was wrong, by Linux's whoever knows them finds the way.
func (c *Counters) drop(d wire.Drop) {
	c.Drops[d]++
	if d == wire.None {
		return
	}
	switch d {
	case wire.BadVersion, wire.BadHeaderLength, wire.BadTotalLength, wire.BadIPChecksum, wire.BadExtension:
		c.IpInHdrErrors++
	case wire.NotOurs, wire.BadSource, wire.BadDestination:
		c.IpInAddrErrors++
	case wire.UnknownProtocol:
		c.IpInUnknownProtos++
	case wire.BadTCPChecksum:
		c.TcpInErrs++
		c.TcpInCsumErrors++
	case wire.BadUDPChecksum:
		c.UdpInErrors++
		c.UdpInCsumErrors++
	case wire.BadICMPChecksum:
		c.IcmpInErrors++
		c.IcmpInCsumErrors++
	case wire.NoPort:
		c.UdpNoPorts++
	case wire.QueueFull:
		c.UdpInErrors++
		c.UdpRcvbufErrors++
	}
}
