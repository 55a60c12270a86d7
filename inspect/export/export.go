// Package export sends flow records of a host's connections: to a collector by IPFIX, or to any other sink.
package export

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/ipfix"
)

// Options say how flows are exported. The zero value is a good one.
type Options struct {
	Domain   uint32        // observation domain of IPFIX
	Refresh  time.Duration // of IPFIX templates; default ipfix.DefaultRefresh
	Interval time.Duration // of the records of handshakes that were not completed; default 10 s
}

// Sink is where records go.
type Sink interface {
	// Send sends records, and says how many messages they were. While it works nothing else is
	// sent, and 65,536 connections may end before a record is lost.
	Send(records []ipfix.Record) (messages int, err error)
	Close() error
}

// Exporter sends records of a host's connections.
type Exporter struct {
	host   *handfast.Host
	watch  *handfast.EventWatch
	sink   Sink
	wait   time.Duration
	since  time.Time // when counts was made
	counts map[netip.AddrPort]uint64
	done   chan struct{}

	mu    sync.Mutex
	stats Stats
}

// Stats are what an exporter has done.
type Stats struct {
	Records  uint64 // that were sent
	Messages uint64
	Lost     uint64 // flows that came faster than they could be sent
	Err      error  // the last one of sending
}

// maxFlows is how many flows wait to be sent at most.
const maxFlows = 1 << 16

// Flows sends a record of each connection of h, when it has ended, to the IPFIX collector at
// address, host:port, by UDP over the system's own network. The host needs Config.Account. Handshakes
// that nobody completes have no record of their own: of a flood there is one for each
// interval and listener, with the number of its SYNs.
func Flows(h *handfast.Host, address string, o Options) (*Exporter, error) {
	c, err := Collector(address, o)
	if err != nil {
		return nil, fmt.Errorf("IPFIX: %w", err)
	}
	return To(h, c, o), nil
}

// To sends the same records to a sink, which it closes at the end.
func To(h *handfast.Host, sink Sink, o Options) *Exporter {
	if o.Interval <= 0 {
		o.Interval = 10 * time.Second
	}
	x := &Exporter{host: h, sink: sink, wait: o.Interval, since: time.Now(), done: make(chan struct{}), counts: map[netip.AddrPort]uint64{}}
	x.watch = h.WatchEvents(handfast.EventFilter{Flows: true, Queue: maxFlows})
	x.unanswered() // what was before is not told
	go x.run()
	return x
}

// Collector is the IPFIX collector at address, host:port, by UDP.
func Collector(address string, o Options) (Sink, error) {
	c, err := net.Dial("udp", address)
	if err != nil {
		return nil, err
	}
	return &collector{conn: c, ipfix: ipfix.Exporter{Domain: o.Domain, Refresh: o.Refresh}}, nil
}

type collector struct {
	conn  net.Conn
	ipfix ipfix.Exporter
}

// Send sends messages. A collector that is not there answers by ICMP, which is an error of a
// later message: the next one may find it.
func (c *collector) Send(records []ipfix.Record) (messages int, failed error) {
	all := c.ipfix.Messages(time.Now(), records)
	for _, m := range all {
		if _, err := c.conn.Write(m); err != nil {
			failed = err
		}
	}
	return len(all), failed
}

func (c *collector) Close() error { return c.conn.Close() }

// Close sends what is left and ends.
func (x *Exporter) Close() error {
	x.watch.Close()
	<-x.done
	return x.sink.Close()
}

// Stats returns what was sent so far.
func (x *Exporter) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stats
}

func (x *Exporter) run() {
	defer close(x.done)
	for {
		ctx, cancel := context.WithDeadline(context.Background(), x.since.Add(x.wait))
		b, err := x.watch.Next(ctx)
		over := ctx.Err() != nil
		cancel()
		records := make([]ipfix.Record, 0, len(b.Flows))
		for i := range b.Flows {
			records = append(records, ipfix.Of(&b.Flows[i], x.host.WallTime))
		}
		ended := err != nil && !over
		if over || ended {
			records = append(records, x.unanswered()...)
		}
		x.send(records, b.Skipped)
		if ended {
			return
		}
	}
}

func (x *Exporter) send(records []ipfix.Record, lost uint64) {
	messages, failed := x.sink.Send(records)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stats.Records += uint64(len(records))
	x.stats.Messages += uint64(messages)
	x.stats.Lost += lost
	if failed != nil {
		x.stats.Err = failed
	}
}

// unanswered returns a record for each listener that has had SYNs since it was asked last
// whose handshake was not completed.
func (x *Exporter) unanswered() (all []ipfix.Record) {
	now := time.Now()
	sums := map[netip.AddrPort]uint64{}
	for l := range x.host.Listeners() {
		s := l.Stats()
		open := s.Completed + uint64(s.HalfOpen)
		if s.SYNs > open {
			sums[x.destination(l.AddrPort())] += s.SYNs - open
		}
	}
	for to, n := range sums {
		if more := n - min(n, x.counts[to]); more > 0 {
			from := netip.IPv4Unspecified()
			if to.Addr().Is6() {
				from = netip.IPv6Unspecified()
			}
			all = append(all, ipfix.Record{Source: netip.AddrPortFrom(from, 0), Destination: to, Start: x.since, End: now,
				Forward: ipfix.Count{Packets: more, Octets: more * synOctets(to), Flags: uint16(wire.SYN)}, Reason: ipfix.ActiveTimeout})
		}
		x.counts[to] = max(n, x.counts[to])
	}
	x.since = now
	return all
}

// synOctets is how long a SYN without options is: what is known of those that are only counted.
func synOctets(to netip.AddrPort) uint64 {
	if to.Addr().Is4() {
		return 40
	}
	return 60
}

// destination is where a listener is reached: one that listens everywhere is told by the
// host's first address.
func (x *Exporter) destination(a netip.AddrPort) netip.AddrPort {
	if a.Addr().IsValid() && !a.Addr().IsUnspecified() {
		return a
	}
	for _, l := range x.host.Links() {
		for _, own := range l.Addresses {
			return netip.AddrPortFrom(own.Addr(), a.Port())
		}
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port())
}
