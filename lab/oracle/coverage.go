package oracle

import (
	"fmt"
	"math/bits"
)

// Coverage is which rows of the relation were met, in which states.
type Coverage struct{ rows [maxRows]stateSet }

// Coverage returns which rows the relation has seen.
func (r *Relation) Coverage() (c Coverage) {
	for i := range r.seen {
		for s := range r.seen[i] {
			if r.seen[i][s] > 0 {
				c.rows[i] |= 1 << s
			}
		}
	}
	return c
}

// Add adds what another one has.
func (c *Coverage) Add(o *Coverage) {
	for i := range c.rows {
		c.rows[i] |= o.rows[i]
	}
}

// Seen returns how many pairs of a row and a state were met, and Reachable how many
// there are.
func (c *Coverage) Seen() (n int) {
	for i := range c.rows {
		n += bits.OnesCount16(uint16(c.rows[i]))
	}
	return n
}

// Reachable returns how many pairs of a row and a state there are that a segment can
// meet.
func (c *Coverage) Reachable() (n int) {
	for i := range rows {
		n += bits.OnesCount16(uint16(rows[i].states))
	}
	return n
}

// Missing returns the pairs that were not met, by name.
func (c *Coverage) Missing() (names []string) {
	for i := range rows {
		for s := range State(numStates) {
			if (rows[i].states&^c.rows[i])>>s&1 != 0 {
				names = append(names, fmt.Sprintf("%s in %v", rows[i].name, s))
			}
		}
	}
	return names
}

func (c *Coverage) String() string {
	return fmt.Sprintf("%d of %d rows", c.Seen(), c.Reachable())
}
