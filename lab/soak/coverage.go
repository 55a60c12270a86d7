package soak

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// Coverage is what lives have reached of the engine.
type Coverage struct {
	moves  [tcp.NumStates]uint16 // a bit for each state that one became
	drops  [4]uint64             // a bit for each reason to drop a segment
	timers uint32                // a bit for each that fired
	counts [2][]bool             // counters above zero: of TCP, of the host

	// Rows are those of RFC 9293 §3.10.7 as a table that segments met.
	Rows oracle.Coverage
}

func (c *Coverage) addEvent(e *tcp.Event) {
	switch e.Kind {
	case tcp.StateChanged:
		c.moves[e.From] |= 1 << e.State
	case tcp.SegmentDropped:
		c.drops[e.Drop/64] |= 1 << (e.Drop % 64)
	case tcp.TimerFired:
		c.timers |= 1 << e.Timer
	}
}

// addCounters notes which of a host's counters have counted.
func (c *Coverage) addCounters(h *host.Host) {
	for i, v := range []reflect.Value{reflect.ValueOf(h.TCP().Counters()), reflect.ValueOf(h.Counters()).Elem()} {
		if c.counts[i] == nil {
			c.counts[i] = make([]bool, v.NumField())
		}
		for f := range v.NumField() {
			if field := v.Field(f); field.CanUint() && field.Uint() > 0 {
				c.counts[i][f] = true
			}
		}
	}
}

// Add adds what others have reached.
func (c *Coverage) Add(o *Coverage) {
	c.Rows.Add(&o.Rows)
	for i := range c.moves {
		c.moves[i] |= o.moves[i]
	}
	for i := range c.drops {
		c.drops[i] |= o.drops[i]
	}
	c.timers |= o.timers
	for i := range c.counts {
		if c.counts[i] == nil {
			c.counts[i] = make([]bool, len(o.counts[i]))
		}
		for f, on := range o.counts[i] {
			c.counts[i][f] = c.counts[i][f] || on
		}
	}
}

// Moves returns how many arrows of the state diagram were gone, and how many it has.
func (c *Coverage) Moves() (seen, all int) {
	for from := range tcp.State(tcp.NumStates) {
		seen += bits.OnesCount16(c.moves[from])
		for to := range tcp.State(tcp.NumStates) {
			if tcp.CanMove(from, to) {
				all++
			}
		}
	}
	return seen, all
}

// Drops returns for how many reasons segments were dropped by TCP.
func (c *Coverage) Drops() (n int) {
	for _, set := range c.drops {
		n += bits.OnesCount64(set)
	}
	return n
}

// Counters returns how many of the counters of TCP have counted, and how many there are.
func (c *Coverage) Counters() (seen, all int) {
	for _, on := range c.counts[0] {
		if on {
			seen++
		}
	}
	return seen, len(c.counts[0])
}

// Missing lists what no life has reached: arrows of the state diagram, and counters of TCP.
func (c *Coverage) Missing() (moves, counters []string) {
	for from := range tcp.State(tcp.NumStates) {
		for to := range tcp.State(tcp.NumStates) {
			if tcp.CanMove(from, to) && c.moves[from]&(1<<to) == 0 {
				moves = append(moves, fmt.Sprintf("%v > %v", from, to))
			}
		}
	}
	t := reflect.TypeFor[tcp.Counters]()
	for i, on := range c.counts[0] {
		if !on {
			counters = append(counters, t.Field(i).Name)
		}
	}
	slices.Sort(counters)
	return moves, counters
}
