package main

import (
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// floodArena is where a flood takes place: a host, honest clients' way to it,
// and the flood's.
type floodArena struct {
	*stage.Stage
	flood  injector
	server floodServer
	target netip.AddrPort // of the flood and of the clients
}

// floodServer is what is flooded, as an operator sees it.
type floodServer interface {
	arrived() uint64              // segments that it has received so far
	halfOpen() (count, limit int) // entries
	look() *inspect.Report
}

// ourServer is a host of ours.
type ourServer struct{ *handfast.Host }

func (s ourServer) arrived() uint64 { return s.Counters().TcpInSegs }

func (s ourServer) halfOpen() (count, limit int) {
	d := s.Defence()
	return d.HalfOpen, d.MaxHalfOpen
}

func (s ourServer) look() *inspect.Report { return inspect.Collect(s.Host, "flood", 0) }

// everywhere are routes for the answers to forged sources.
func everywhere(gateway4, gateway6 netip.Addr) []handfast.Route {
	return []handfast.Route{{Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Gateway: gateway4},
		{Destination: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Gateway: gateway6}}
}

// newMemoryFlood has the honest clients on a host of ours at one pipe, and the
// flood at another.
func newMemoryFlood(cfg handfast.Config) (*floodArena, error) {
	theirs, ours := pipe.New(pipe.Options{MaxGSO: 65535, ChecksumOffload: true})
	source, sink := pipe.New(pipe.Options{Name: "flood"})
	a := &floodArena{Stage: &stage.Stage{Link: say.Text{"pipes in memory, MTU 1500", "内存管道，MTU 1500"}, Client: stage.OursToo}, flood: newLinkInjector(source, source.Drops)}
	a.Later(func() { theirs.Close(); ours.Close(); source.Close(); sink.Close() })
	client, err := a.Host(theirs, stage.KernelAddrs, nil)
	if err != nil {
		return a, err
	}
	a.Dial = client.DialContext
	if a.Server, err = handfast.New(cfg); err != nil {
		return a, err
	}
	a.Later(func() { a.Server.Close() })
	a.server = ourServer{a.Server}
	if err := a.Server.Attach(ours, handfast.LinkOptions{Addresses: stage.OurAddrs}); err != nil {
		return a, err
	}
	return a, a.Server.Attach(sink, handfast.LinkOptions{Routes: everywhere(netip.Addr{}, netip.Addr{})})
}

// linkInjector floods a link, and throws away what comes back.
type linkInjector struct {
	end   link.Link
	lost  func() uint64 // packets that found the link full
	drops uint64
	batch []*buf.Packet
}

func newLinkInjector(end link.Link, lost func() uint64) *linkInjector {
	p := &linkInjector{end: end, lost: lost}
	go func() {
		batch := make([]*buf.Packet, 64)
		for {
			n, err := end.Read(0, batch)
			if err != nil {
				return
			}
			for _, p := range batch[:n] {
				p.Release()
			}
		}
	}()
	return p
}

func (p *linkInjector) inject(n int, m *synMaker) (sent int, err error) {
	p.batch = p.batch[:0]
	for range n {
		q := buf.NewPacket()
		q.Data = m.next(q.Data)
		p.batch = append(p.batch, q)
	}
	if err := p.end.Write(0, p.batch); err != nil {
		return 0, err
	}
	drops := p.lost()
	lost := min(drops-p.drops, uint64(n))
	p.drops = drops
	return n - int(lost), nil
}

func (p *linkInjector) close() {}
