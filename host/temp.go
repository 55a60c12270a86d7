package host

import (
	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/wire"
	"net/netip"
)

type neighbour struct{}
type neighbours struct{ deadline clock.Time }

func (n *neighbours) init(int)                   {}
func (h *Host) advanceNeighbours(now clock.Time) {}
func (h *Host) advanceFragments(now clock.Time)  {}

type pathMTUs struct{ deadline clock.Time }

func (n *pathMTUs) init(int)                     {}
func (n *pathMTUs) advance(clock.Time) bool      { return false }
func (n *pathMTUs) limit(a wire.Addr, m int) int { return m }

type reassembly struct{ deadline clock.Time }

func (n *reassembly) init(*Config) {}

type inbound struct{}

func (h *Host) sendUDP(now clock.Time, t wire.Tuple, payload []byte) error     { return nil }
func flowHash(seed uint64, ethernet bool, p *buf.Packet) (hash uint32, f Flow) { return }
func held(buf.View) int                                                        { return 0 }

// Receive takes p, which came in by link iface, and says what became of it.
func (h *Host) Receive(now clock.Time, iface int, p *buf.Packet) wire.Drop { p.Release(); return 0 }

// Output returns the next packet that leaves and its link; nil when there is none.
func (h *Host) Output(now clock.Time) (p *buf.Packet, iface int) { return nil, 0 }

var _ netip.Addr
