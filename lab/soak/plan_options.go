package soak

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/ao"
	"github.com/handfast-tcp/handfast/engine/fastopen"
)

// signing is TCP-AO between the two hosts: both know two keys, and each goes over to the
// second at a time of its own.
type signing struct {
	on        bool
	algorithm ao.Algorithm
	turns     [2]time.Duration // 0: it stays with the first
}

// drawSigning draws whether all segments are signed.
func (p *plan) drawSigning(d dice) {
	if !d.chance(0.15) {
		return
	}
	p.sign = signing{on: true, algorithm: oneOf(d, ao.HMACSHA1, ao.AESCMAC)}
	// A host that has forgotten a connection cannot sign a RST, so the next one with the same
	// ports waits until the other end of the last gives up.
	for i := range p.visits {
		p.visits[i].rounds = 1
	}
	for side := range p.sign.turns {
		if d.chance(0.5) {
			p.sign.turns[side] = 1 + d.time(30*time.Second)
		}
	}
}

// keys returns what a host knows, before it goes over to the second key or after.
func (s *signing) keys(turned bool) *ao.Keys {
	list := make([]ao.Key, 2)
	for i := range list {
		list[i] = ao.Key{SendID: uint8(i + 1), RecvID: uint8(i + 1), Algorithm: s.algorithm, Secret: []byte{1, 2, byte(i)}}
	}
	if turned {
		list[0], list[1] = list[1], list[0]
	}
	k, err := ao.New(list...)
	if err != nil {
		panic(err) // they are ours
	}
	return k
}

// turnKeys has the hosts go over to the second key when it is time.
func (x *life) turnKeys() {
	for side, at := range x.plan.sign.turns {
		if at > 0 {
			x.w.After(at, func() { x.w.Host(x.names[side]).TCP().SetAuthenticator(x.plan.sign.keys(true)) })
		}
	}
}

// drawFastOpen draws which connections are opened by Fast Open. Text on a SYN may come
// twice, to another connection with the same ports: where the network keeps SYNs, or makes
// two of one, programs have to be made for it, and these are not.
// https://www.rfc-editor.org/rfc/rfc7413#section-2.1
func (p *plan) drawFastOpen(d dice) {
	if !d.chance(0.25) || p.sign.on || p.repeatsSyns() {
		return
	}
	for side := range p.hosts {
		p.hosts[side].tcp.FastOpen = fastopen.Client | fastopen.Server | fastopen.EveryListener
		if d.chance(0.1) {
			p.hosts[side].tcp.FastOpen &^= oneOf(d, fastopen.Client, fastopen.Server)
		}
	}
	for i := range p.visits {
		p.visits[i].fast = d.chance(0.8)
	}
}

// repeatsSyns says whether a SYN may reach the server twice although it was sent once.
func (p *plan) repeatsSyns() bool {
	twice := p.wires[0].Duplicate + p.wires[1].Duplicate
	for i := range p.changes {
		twice += p.changes[i].wire.Duplicate
	}
	for _, s := range p.shots {
		if s.kind == oldSegment {
			return true
		}
	}
	return twice > 0
}
