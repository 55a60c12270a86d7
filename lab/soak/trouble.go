package soak

import (
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/lab"
)

// befall prepares what happens to wires and hosts.
func (x *life) befall() {
	p := &x.plan
	for _, c := range p.changes {
		if c.at < p.calm {
			x.w.After(c.at, func() { x.w.ChangeWire(x.names[c.side], x.names[1-c.side], c.wire) })
		}
	}
	x.w.After(p.calm, x.becalm)
	x.calmAt = x.w.Now().Add(p.calm)
	if p.cutFrom > 0 {
		x.w.After(p.cutFrom, func() { x.w.Cut(x.names[0], x.names[1], true) })
		if p.cutFor > 0 {
			x.w.After(p.cutFrom+p.cutFor, func() { x.w.Cut(x.names[0], x.names[1], false) })
			x.calmAt = max(x.calmAt, x.w.Now().Add(p.cutFrom+p.cutFor))
		}
	}
	for side, at := range p.reboots {
		if at > 0 {
			x.start(side, "reboots", func(p *lab.Proc) {
				p.Sleep(at)
				x.Coverage.addCounters(x.w.Host(x.names[side])) // they go with it
				x.mustNot(p.Reboot())
			})
		}
	}
	x.turnKeys()
	x.attack()
}

// becalm ends what is bad about the wires; the last of the changes stays otherwise.
func (x *life) becalm() {
	last := x.plan.wires
	changes := slices.Clone(x.plan.changes)
	slices.SortStableFunc(changes, func(a, b change) int { return int((a.at - b.at) / time.Microsecond) })
	for _, c := range changes {
		if c.at < x.plan.calm {
			last[c.side] = c.wire
		}
	}
	for side := range x.names {
		x.w.ChangeWire(x.names[side], x.names[1-side], calmed(last[side]))
	}
}

func (x *life) hostConfig(h *hostPlan) host.Config {
	c := host.Config{TCP: h.tcp}
	if x.plan.sign.on {
		c.TCP.Authenticator = x.plan.sign.keys(false)
	}
	return c
}
