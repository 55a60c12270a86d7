package host

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// The smallest path MTUs that we believe. Below 576 an IPv4 path would leave
// TCP hardly any payload, which is what forged messages are for (RFC 5927 §7):
// packets of 576 bytes leave without DF then, so that routers may cut them up, as
// Linux does. IPv6 promises 1280, and RFC 8201 §4 says to ignore less.
const (
	minMTU4 = 576
	minMTU6 = 1280
)

// mtuAge is how long a lowered path MTU is believed: RFC 1191 §6.3, RFC 8201 §5.3.
const mtuAge = 10 * time.Minute

// plateaus are the MTUs that a path is likely to have, for a router that does
// not say it: RFC 1191 §7. https://www.rfc-editor.org/rfc/rfc1191#section-7
var plateaus = [...]int{32000, 17914, 8166, 4352, 2002, 1492, 1006, minMTU4}

// plateauBelow returns the largest plateau below a packet's length.
func plateauBelow(length int) int {
	for _, m := range plateaus {
		if m < length {
			return m
		}
	}
	return minMTU4
}

// pathMTUs is what routers told us about paths narrower than our link. It is
// bounded: the oldest goes first. Entries are in order of age.
type pathMTUs struct {
	byAddr   map[wire.Addr]int
	byAge    []pathMTU
	max      int
	deadline clock.Time // when the oldest is forgotten
}

type pathMTU struct {
	addr  wire.Addr
	until clock.Time
}

func (m *pathMTUs) init(limit int) {
	m.byAddr, m.max, m.deadline = map[wire.Addr]int{}, limit, clock.Never
}

// limit returns the MTU of the path to dst behind a link of the given MTU.
func (m *pathMTUs) limit(dst wire.Addr, link int) int {
	if mtu, ok := m.byAddr[dst]; ok {
		return min(mtu, link)
	}
	return link
}

// lower notes a smaller MTU, and does nothing when the one known is as small: a repeated
// message does not make it last longer, or a forger could keep it small forever.
func (m *pathMTUs) lower(now clock.Time, dst wire.Addr, mtu int) bool {
	old, known := m.byAddr[dst]
	if known && old <= mtu {
		return false
	}
	if known {
		m.unlist(dst)
	}
	if len(m.byAge) >= m.max {
		m.dropOldest()
	}
	m.byAddr[dst] = mtu
	m.byAge = append(m.byAge, pathMTU{dst, now.Add(mtuAge)})
	m.deadline = m.byAge[0].until
	return true
}

func (m *pathMTUs) unlist(dst wire.Addr) {
	for i := range m.byAge {
		if m.byAge[i].addr == dst {
			m.byAge = append(m.byAge[:i], m.byAge[i+1:]...)
			return
		}
	}
}

func (m *pathMTUs) dropOldest() {
	delete(m.byAddr, m.byAge[0].addr)
	m.byAge = append(m.byAge[:0], m.byAge[1:]...)
}

// advance forgets what is too old and reports whether it forgot anything.
func (m *pathMTUs) advance(now clock.Time) (changed bool) {
	for len(m.byAge) > 0 && m.byAge[0].until <= now {
		m.dropOldest()
		changed = true
	}
	m.deadline = clock.Never
	if len(m.byAge) > 0 {
		m.deadline = m.byAge[0].until
	}
	return changed
}

// lowerMTU notes that the path to dst carries at most mtu bytes.
func (h *Host) lowerMTU(now clock.Time, dst wire.Addr, mtu int) {
	if d := h.find(dst); mtu < d.path.MTU && h.mtus.lower(now, dst, mtu) {
		h.forget()
	}
}

// takeNarrowed takes note of what TCP has found out, where no router says it (RFC 4821): the
// next connection to that host need not find out again.
func (h *Host) takeNarrowed(now clock.Time) {
	for remote, mtu, ok := h.tcp.NextNarrowed(); ok; remote, mtu, ok = h.tcp.NextNarrowed() {
		h.lowerMTU(now, remote, mtu)
	}
}

// mayBeCutUp reports whether packets to dst, by a path of this MTU behind a link
// of that one, leave without DF: the path may carry even less.
func mayBeCutUp(dst wire.Addr, path, link int) bool {
	return dst.Is4() && path <= minMTU4 && path < link
}

// allowFragments changes the IPv4 header of a packet of ours: without DF, and
// with an identification (RFC 6864 §4).
func (h *Host) allowFragments(header []byte) {
	put16(header[4:], uint16(h.keys.fragments.next()))
	header[6] &^= 0x40
	put16(header[10:], 0)
	put16(header[10:], wire.Checksum(wire.Sum(header[:wire.IPv4Size], 0)))
}

// tooBigMTU returns the MTU that a "too big" message means, for a packet of
// ours of the given length to dst; 0 when the message must be ignored.
func tooBigMTU(dst wire.Addr, said, length int) int {
	if !dst.Is4() {
		if said < minMTU6 {
			return 0
		}
		return said
	}
	if said == 0 {
		said = plateauBelow(length)
	}
	return max(said, minMTU4)
}
