package soak

import (
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
)

// plan is what a seed has drawn for a life. The order of pairs is client, server.
type plan struct {
	v6      bool
	both    bool // simultaneous open
	wires   [2]lab.WireConfig
	changes []change      // of the wires, while connections live
	calm    time.Duration // when the wires stop to be bad
	cutFrom time.Duration // 0: never
	cutFor  time.Duration // 0: for good
	reboots [2]time.Duration
	hosts   [2]hostPlan
	aim     aim
	flood   flood // of SYNs
	strays  flood // of what calls for a RST
	shots   []shot
	visits  []visitPlan
	sign    signing
}

// change is another wire from one host to the other, from some time on.
type change struct {
	at   time.Duration
	side int
	wire lab.WireConfig
}

// hostPlan is one of the two hosts.
type hostPlan struct {
	tcp     tcp.Config
	clock   lab.Clock
	mtu     int
	batches bool // see lab.HostConfig
	supers  bool
	offload bool
}

// aim says where the number space of the first connection's streams begins; zero values
// leave it to chance.
type aim struct {
	on   [2]bool
	want [2]seq.Num
}

// The purposes of dice.
const (
	forWires = iota + 1
	forHosts
	forVisits
	forTroubles
	forAims
	forPrograms
	forRelations
	forStrays
	forSigning
	forFastOpen
)

// draw makes the plan of a seed.
func draw(seed uint64) plan {
	var p plan
	d := diceOf(seed, forWires)
	p.v6, p.both = d.chance(0.3), d.chance(0.1)
	p.drawWires(d)
	p.drawTroubles(diceOf(seed, forTroubles))
	p.drawStrays(diceOf(seed, forStrays))
	p.drawHosts(diceOf(seed, forHosts), seed)
	p.drawVisits(diceOf(seed, forVisits), seed)
	p.drawAims(diceOf(seed, forAims))
	p.drawSigning(diceOf(seed, forSigning))
	p.drawFastOpen(diceOf(seed, forFastOpen))
	return p
}

// clean says whether the wires lose nothing and keep the order, whatever else they do.
func (p *plan) clean() bool {
	bad := func(c *lab.WireConfig) bool {
		return c.Loss > 0 || c.Burst.ToBad > 0 || c.Corrupt > 0 || c.Duplicate > 0 || c.Reorder > 0 || c.MTU > 0 || c.Rate > 0
	}
	for i := range p.wires {
		if bad(&p.wires[i]) {
			return false
		}
	}
	for i := range p.changes {
		if bad(&p.changes[i].wire) {
			return false
		}
	}
	return p.cutFrom == 0
}

// mercy says whether connections can live: the wire is not cut for longer than they bear,
// and the hosts remember them. With cookies alone the server does not: when the client's
// first segment after the SYN is lost or overtaken, the next one cannot prove the handshake,
// and is answered with a RST (RFC 4987 §3.6). Under a flood it is the same with those that
// the flood has pushed out, and without cookies their SYNs find no place.
// A segment that somebody sends again may be such a next one, and come before the first.
// https://www.rfc-editor.org/rfc/rfc4987#section-3.6
func (p *plan) mercy() bool {
	remembers := p.hosts[1].tcp.Cookies != tcp.CookiesAlways && p.flood.count == 0 ||
		p.clean() && !p.repeats() && p.hosts[1].tcp.Cookies != tcp.CookiesOff
	return (p.cutFrom == 0 || p.cutFor > 0) && p.reboots == [2]time.Duration{} && remembers
}

// repeats reports whether somebody sends again what has been under way.
func (p *plan) repeats() bool {
	return slices.ContainsFunc(p.shots, func(s shot) bool { return s.kind == oldSegment })
}
