package host

import (
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// An address on an Ethernet is checked: does another host there have it? The
// host probes, announces that it has the address, and defends it from then on:
// RFC 5227 for IPv4, RFC 4862 §5.4 for IPv6.
//
// It does not wait for the outcome: programs use an address at once, as with
// RFC 4429. What we say of it until it is checked does not override what others
// know. A host that turns out to have it keeps it, and we let it go.
// https://www.rfc-editor.org/rfc/rfc5227#section-2
// https://www.rfc-editor.org/rfc/rfc4862#section-5.4

// The constants of RFC 5227 §1.1, and those of RFC 4862 that are not the same.
const (
	probeWait      = time.Second // PROBE_WAIT, MAX_RTR_SOLICITATION_DELAY: a random part of it
	probeMin       = time.Second // PROBE_MIN; with IPv6 all of it, RETRANS_TIMER
	probeSpread    = time.Second // up to PROBE_MAX
	announceWait   = 2 * time.Second
	announceEach   = 2 * time.Second
	defendInterval = 10 * time.Second
	probes4        = 3 // PROBE_NUM
	probes6        = 1 // DupAddrDetectTransmits
	announcements  = 2 // ANNOUNCE_NUM
)

// checkPhase is how far the check of an address is.
type checkPhase uint8

const (
	unchecked  checkPhase = iota // nothing was sent yet
	checking                     // probes go out
	announcing                   // no answer: the address is ours
	settled                      // and everybody has heard so
)

// check is the check of one address. Shard 0 speaks for all, and decides.
type check struct {
	addr   wire.Addr
	iface  int
	phase  checkPhase
	sent   int        // in this phase
	next   clock.Time // when it goes on
	defend clock.Time // when the next defence may go out
}

// Conflict is an address of ours that another host has, too.
type Conflict struct {
	Iface        int
	Addr         wire.Addr
	HardwareAddr [6]byte // of the other host
	// Lost says that it was not checked yet, and is no longer ours. Otherwise it
	// was defended.
	Lost bool
}

// maxConflicts is how many of them wait for NextConflict; more are not told. Any host on
// the link can claim as often as it likes.
const maxConflicts = 64

// conflicts are the checks of a host's addresses.
type conflicts struct {
	checks   []check
	found    []Conflict
	deadline clock.Time
}

// NextConflict returns what was found out since it was asked last. The caller
// tells the other shards with RemoveAddress.
func (h *Host) NextConflict() (c Conflict, ok bool) {
	if !h.HasConflict() {
		return c, false
	}
	c = h.conflicts.found[0]
	h.conflicts.found = h.conflicts.found[1:]
	return c, true
}

// HasConflict reports whether NextConflict has something to tell.
func (h *Host) HasConflict() bool { return len(h.conflicts.found) > 0 }

// watchAddress begins the check of an address, if its link is one of those. The
// first step is due at once, because the time is not known yet.
func (h *Host) watchAddress(iface int, a wire.Addr) {
	if l := h.links[iface]; l.Ethernet && l.DetectConflicts && h.cfg.Shard == 0 {
		h.conflicts.checks = append(h.conflicts.checks, check{addr: a, iface: iface})
		h.conflicts.deadline = 0
	}
}

// checkOf returns the check of an address on a link, nil when there is none.
func (h *Host) checkOf(iface int, a wire.Addr) *check {
	for i := range h.conflicts.checks {
		if c := &h.conflicts.checks[i]; c.addr == a && c.iface == iface {
			return c
		}
	}
	return nil
}

// advanceChecks goes on with the checks that are due.
func (h *Host) advanceChecks(now clock.Time) {
	if now < h.conflicts.deadline {
		return
	}
	h.conflicts.deadline = clock.Never
	for i := range h.conflicts.checks {
		c := &h.conflicts.checks[i]
		if c.next <= now {
			h.proceed(now, c)
		}
		h.conflicts.deadline = min(h.conflicts.deadline, c.next)
	}
}

// proceed takes the next step of a check.
func (h *Host) proceed(now clock.Time, c *check) {
	switch probes := c.probes(); {
	case c.phase == unchecked:
		c.phase, c.next = checking, now.Add(h.spread(probeWait))
	case c.phase == checking && c.sent < probes:
		h.probe(c)
		c.sent++
		c.next = now.Add(probeMin)
		if c.addr.Is4() && c.sent == probes {
			c.next = now.Add(announceWait)
		} else if c.addr.Is4() {
			c.next = c.next.Add(h.spread(probeSpread))
		}
	case c.phase == checking:
		c.phase, c.sent = announcing, 0
		fallthrough
	default:
		h.announce(c)
		c.sent++
		c.next = now.Add(announceEach)
		if c.sent == announcements {
			c.phase, c.next = settled, clock.Never
		}
	}
}

func (c *check) probes() int {
	if c.addr.Is4() {
		return probes4
	}
	return probes6
}

// spread returns a random part of d: hosts that start together, as after a power cut, do
// not all ask together (RFC 5227 §2.1.1).
func (h *Host) spread(d time.Duration) time.Duration {
	return time.Duration(h.keys.probes.next() % uint64(d))
}

// probe asks who has the address, without saying that it may be us.
func (h *Host) probe(c *check) {
	if c.addr.Is4() {
		h.sendARP(c.iface, wire.ARPRequest, wire.Broadcast, anyIPv4, c.addr)
		return
	}
	group := wire.SolicitedNode(c.addr)
	h.sendNDP(c.iface, wire.MulticastHW(group), wire.Addr{}, group, &wire.Neighbour{Type: wire.ICMPv6NeighbourSolicitation, Target: c.addr})
}

// announce tells everybody that the address is ours.
func (h *Host) announce(c *check) {
	if c.addr.Is4() {
		h.sendARP(c.iface, wire.ARPRequest, wire.Broadcast, c.addr, c.addr)
		return
	}
	h.sendNDP(c.iface, wire.MulticastHW(allNodes6), c.addr, allNodes6, &wire.Neighbour{
		Type: wire.ICMPv6NeighbourAdvert, Target: c.addr, HW: h.links[c.iface].HardwareAddr, HasHW: true, Override: true,
	})
}

// isChecked reports whether others may be told that an address is certainly ours.
func (h *Host) isChecked(iface int, a wire.Addr) bool {
	c := h.checkOf(iface, a)
	return c == nil || c.phase >= announcing
}

// claimed hears that hw has an address of ours, or, with probe, would like to.
// Until the check is over either is a conflict (RFC 5227 §2.1.1, RFC 4862
// §5.4.3); afterwards a claim is, and it is answered by an announcement, but not
// more often than RFC 5227 §2.4 (c) says. It reports whether it was one.
func (h *Host) claimed(now clock.Time, iface int, a wire.Addr, hw [6]byte, probe bool) bool {
	c := h.checkOf(iface, a)
	if c == nil || h.isOwnHardware(hw) {
		return false
	}
	found := Conflict{Iface: iface, Addr: a, HardwareAddr: hw, Lost: c.phase < announcing}
	switch {
	// Whoever was there first keeps it: who checks is new, and has hardly used it.
	case found.Lost:
		h.RemoveAddress(now, iface, a)
	case probe:
		return false
	case now < c.defend:
		return true
	default:
		c.defend = now.Add(defendInterval)
		h.announce(c)
	}
	if len(h.conflicts.found) < maxConflicts {
		h.conflicts.found = append(h.conflicts.found, found)
	}
	return true
}

// isOwnHardware is for a frame of ours that comes back, by this link or another.
func (h *Host) isOwnHardware(hw [6]byte) bool {
	return slices.ContainsFunc(h.links, func(l *LinkConfig) bool { return l.Ethernet && l.HardwareAddr == hw })
}

// RemoveAddress takes an address off a link. Unless another link has
// it too, connections from it end, without telling their peers, and sockets that are
// bound to it fail. Routes stay.
func (h *Host) RemoveAddress(now clock.Time, iface int, a wire.Addr) {
	h.addresses = slices.DeleteFunc(h.addresses, func(o address) bool { return o.iface == iface && o.addr == a })
	h.conflicts.forget(func(c *check) bool { return c.iface == iface && c.addr == a })
	h.forget()
	if h.HasAddress(a) {
		return
	}
	h.tcp.LoseAddress(now, a)
	h.loseSockets(&h.udp, a)
	h.loseSockets(&h.pings, a)
}

// forget ends the checks that which selects.
func (c *conflicts) forget(which func(*check) bool) {
	c.checks = slices.DeleteFunc(c.checks, func(k check) bool { return which(&k) })
}
