package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kafka"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/inspect/export"
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

// captureFlows sends a record of each connection of a capture to a collector or to Kafka, and of
// handshakes that nobody has completed one for each server and interval: a flood is
// millions.
type captureFlows struct {
	collector export.Sink     // nil: none
	producer  *kafka.Producer // nil: none
	wait      []ipfix.Record
	silent    map[silentKey]*ipfix.Record
	sent      int // to the collector
	lost      int
	err       error // the last one of sending
}

// silentKey is what one record tells of.
type silentKey struct {
	server   netip.AddrPort
	interval int64
}

// newCaptureFlows is for what flags name; of nothing it is nil. A file waits for Kafka, until ctx ends, and an interface does not.
func newCaptureFlows(ctx context.Context, o *flowsOut, live bool) (x *captureFlows, err error) {
	if o.collector == "" && o.topic == "" {
		return nil, nil
	}
	x = &captureFlows{silent: map[silentKey]*ipfix.Record{}}
	if o.collector != "" {
		if x.collector, err = export.Collector(o.collector, export.Options{}); err != nil {
			return nil, usagef(noCollector, o.collector, err)
		}
	}
	if o.topic == "" {
		return x, nil
	}
	if x.producer, err = openKafka(o.topic, "analyze"); err == nil && !live {
		if err = x.producer.Whole(ctx); err != nil {
			err = say.Errorf(say.Text{"--kafka: no broker answers: %w", "--kafka：没有 broker 应答：%w"}, err)
		}
	}
	return x, err
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

// send sends what waits.
func (x *captureFlows) send() {
	if x.collector != nil {
		if _, err := x.collector.Send(x.wait); err != nil {
			x.lost += len(x.wait)
			x.err = err
		} else {
			x.sent += len(x.wait)
		}
	}
	if x.producer != nil {
		x.producer.Send(x.wait) // what became of it is in its figures
	}
	x.wait = x.wait[:0]
}

// close sends what is left, and says what was lost.
func (x *captureFlows) close(stderr terminal) {
	if x == nil {
		return
	}
	x.putSilent()
	x.send()
	if x.collector != nil {
		x.collector.Close()
	}
	if x.err != nil {
		stderr.printf(lostFlows, "ipfix", formatCount(x.sent), formatCount(x.lost), x.err)
	}
	if x.producer == nil {
		return
	}
	x.producer.Close()
	if s := x.producer.Stats(); s.Err != nil {
		stderr.printf(lostFlows, "kafka", formatCount(int(s.Sent)), formatCount(int(s.Lost)), s.Err)
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
