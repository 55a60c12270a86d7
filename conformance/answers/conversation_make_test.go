package answers

import (
	"math/rand/v2"
	"strings"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// offers are what clients offer in their SYNs.
var offers = []offer{
	{},
	{timestamps: true, sack: true, scale: true},
	{sack: true},
	{timestamps: true},
	{scale: true, mss: 536},
	{timestamps: true, sack: true, scale: true, reversed: true},
	{sack: true, mss: 600},
	{noMSS: true},
	{timestamps: true, sack: true, mss: 8960},
}

// compose makes a conversation of an opening, a middle, a way and an event. At the end
// it shows in which state both are.
func compose(o, m, w, e piece) conversation {
	c := conversation{name: o.name + " / " + m.name + " / " + w.name + " / " + e.name, irs: 1000}
	c.steps = join(o.steps, m.steps, w.steps, e.steps, []step{{act: goesOn}, does(reads)})
	return c
}

// grid has every way with every event, and of middles and ways, openings and events, and
// openings and middles a part of all pairs, or with every true all; offers go by turns.
func grid(every bool) (all []conversation) {
	add := func(o, m, w, e piece) {
		c := compose(o, m, w, e)
		n := len(all)
		c.offer, c.v6 = offers[n%len(offers)], n/len(offers)%2 == 1
		c.settle()
		all = append(all, c)
	}
	n := 0
	for _, w := range ways {
		for _, m := range middles {
			n += 5
			if every || n%2 == 0 {
				add(openings[n%len(openings)], m, w, events[n/3%len(events)])
			}
		}
		for _, e := range events {
			n += 7
			add(openings[n%len(openings)], middles[n/3%len(middles)], w, e)
			add(openings[0], middles[0], w, e)
		}
	}
	for _, o := range openings {
		for _, e := range events {
			n++
			if every || n%3 == 0 {
				add(o, middles[0], ways[n%len(ways)], e)
			}
		}
		for _, m := range middles {
			if every || n%3 == 0 {
				add(o, m, ways[n%len(ways)], events[n%len(events)])
			}
			n++
		}
	}
	return all
}

// randomConversation returns the conversation of a seed: an opening and an ending that
// people think of, and between them, and inside of them, what nobody does.
func randomConversation(seed uint64) conversation {
	r := rand.New(rand.NewPCG(seed, 2))
	pick := func(of []piece) piece { return of[r.IntN(len(of))] }
	c := compose(pick(openings), pick(middles), pick(ways), pick(events))
	c.offer, c.v6, c.irs = offers[r.IntN(len(offers))], r.IntN(2) == 0, seq.Num(r.Uint32())
	if r.IntN(3) == 0 {
		c.irs = -seq.Num(r.IntN(3000)) // the numbers come round
	}
	var mixed []step
	for i, s := range c.steps {
		if r.IntN(8) == 0 && i > 2 {
			mixed = append(mixed, randomStep(r))
		}
		mixed = append(mixed, s)
		if r.IntN(20) == 0 && i > 2 && s.act == tells {
			mixed = append(mixed, s) // twice
		}
	}
	c.steps = mixed
	c.settle()
	return c
}

// settle leaves out timestamps that a client would not have that has not offered them.
func (c *conversation) settle() {
	for i := range c.steps {
		if o := &c.steps[i].segment.options; !c.offer.timestamps && (*o == "none" || strings.HasPrefix(*o, "TS")) {
			*o = ""
		}
	}
}

func randomStep(r *rand.Rand) step {
	switch r.IntN(8) {
	case 0:
		return doesN(writes, 1+r.IntN(4000))
	case 1:
		return doesN(reads, 1+r.IntN(200))
	case 2:
		return does(reads)
	case 3:
		return ack(int64(r.IntN(1000)))
	case 4:
		return text(1+r.IntN(300), int64(r.IntN(200)-50))
	case 5:
		return step{act: []act{shuts, closes, aborts}[r.IntN(3)]}
	case 6:
		return win(window(r.IntN(4)), r.IntN(50))
	}
	s := randomSegment(r)
	if s.flags.Has(wire.SYN) && r.IntN(2) == 0 {
		s.flags &^= wire.SYN
	}
	s.options = ""
	return tell(s)
}
