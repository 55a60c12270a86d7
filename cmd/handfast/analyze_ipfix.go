package main

import (
	"net"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/ipfix"
)

const (
	// flowBatch is how many records go at a time, and flowPause how long it takes before more
	// do: a collector has room for some hundred packets that it has not read.
	flowBatch = 256
	flowPause = time.Millisecond
	// silentFor is of how long one record tells of the handshakes of a server that nobody
	// has completed, by the capture's clock.
	silentFor = 10 * time.Second
	// maxSilent bounds of how many servers and intervals that is counted at a time.
	maxSilent = 4096
)

// captureFlows sends a record of each connection of a capture to a collector, and of
// handshakes that nobody has completed one for each server and interval: a flood is
// millions.
type captureFlows struct {
	conn   net.Conn
	ipfix  ipfix.Exporter
	wait   []ipfix.Record
	silent map[silentKey]*ipfix.Record
	sent   int
	lost   int
	err    error // the last one of sending
}

// silentKey is what one record tells of.
type silentKey struct {
	server   netip.AddrPort
	interval int64
}

// newCaptureFlows is for the collector at address, host:port; of none it is nil.
func newCaptureFlows(address string) (*captureFlows, error) {
	if address == "" {
		return nil, nil
	}
	conn, err := net.Dial("udp", address)
	if err != nil {
		return nil, usagef(noCollector, address, err)
	}
	return &captureFlows{conn: conn, silent: map[silentKey]*ipfix.Record{}}, nil
}

// add takes a connection that has ended.
func (x *captureFlows) add(c *capture.Conn) {
	r := flowOf(c)
	if c.Verdict.Cause == capture.Unanswered || c.Verdict.Cause == capture.AbandonedHandshake {
		x.count(&r)
		return
	}
	x.put(r)
}

// count adds a handshake that nobody has completed to its server's.
func (x *captureFlows) count(r *ipfix.Record) {
	key := silentKey{r.Destination, r.Start.UnixNano() / int64(silentFor)}
	sum := x.silent[key]
	if sum == nil {
		if len(x.silent) == maxSilent {
			x.putSilent()
		}
		from := netip.IPv4Unspecified()
		if r.Destination.Addr().Is6() {
			from = netip.IPv6Unspecified()
		}
		sum = &ipfix.Record{Source: netip.AddrPortFrom(from, 0), Destination: r.Destination, Start: r.Start, End: r.End, Reason: ipfix.ActiveTimeout}
		x.silent[key] = sum
	}
	if r.Start.Before(sum.Start) {
		sum.Start = r.Start
	}
	if r.End.After(sum.End) {
		sum.End = r.End
	}
	addCount(&sum.Forward, r.Forward)
	addCount(&sum.Reverse, r.Reverse)
}

func addCount(to *ipfix.Count, n ipfix.Count) {
	to.Packets, to.Octets, to.Flags = to.Packets+n.Packets, to.Octets+n.Octets, to.Flags|n.Flags
}

func (x *captureFlows) putSilent() {
	for key, sum := range x.silent {
		x.put(*sum)
		delete(x.silent, key)
	}
}

func (x *captureFlows) put(r ipfix.Record) {
	if x.wait = append(x.wait, r); len(x.wait) >= flowBatch {
		x.send()
		time.Sleep(flowPause)
	}
}

// send sends what waits. A collector that is not there answers by ICMP, which is an error of
// a later message.
func (x *captureFlows) send() {
	failed := false
	for _, m := range x.ipfix.Messages(time.Now(), x.wait) {
		if _, err := x.conn.Write(m); err != nil {
			x.err, failed = err, true
		}
	}
	if failed {
		x.lost += len(x.wait)
	} else {
		x.sent += len(x.wait)
	}
	x.wait = x.wait[:0]
}

// close sends what is left, and says what was lost.
func (x *captureFlows) close(address string, stderr terminal) {
	if x == nil {
		return
	}
	x.putSilent()
	x.send()
	x.conn.Close()
	if x.err != nil {
		stderr.printf(lostFlows, address, formatCount(x.sent), formatCount(x.lost), x.err)
	}
}

// flowOf is the record of a connection.
func flowOf(c *capture.Conn) ipfix.Record {
	t := c.Tuple
	return ipfix.Record{Source: flowEnd(t.Local, t.LocalPort), Destination: flowEnd(t.Remote, t.RemotePort),
		Start: time.Unix(0, int64(c.First)), End: time.Unix(0, int64(c.Last)),
		Forward: flowCount(&c.Sides[capture.Client]), Reverse: flowCount(&c.Sides[capture.Server]), Reason: flowReason(c)}
}

func flowEnd(a wire.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Netip(), port) }

func flowCount(s *capture.Side) ipfix.Count {
	return ipfix.Count{Packets: uint64(s.Packets), Octets: uint64(s.IPBytes), Flags: uint16(s.Flags)}
}

// flowReason is why a record is sent, in the registry's words.
func flowReason(c *capture.Conn) ipfix.EndReason {
	if c.Cut {
		return ipfix.LackResources
	}
	switch c.Verdict.Cause {
	case capture.OpenAtEnd, capture.CutByCapture:
		return ipfix.ActiveTimeout
	case capture.HalfClosed, capture.TimedOut, capture.PeerVanished, capture.StalledWindow, capture.BlackHole, capture.Unanswered, capture.AbandonedHandshake:
		return ipfix.IdleTimeout
	case capture.Unreachable:
		return ipfix.ForcedEnd
	}
	return ipfix.EndDetected
}
