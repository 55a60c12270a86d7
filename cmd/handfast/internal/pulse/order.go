package pulse

import (
	"cmp"
	"slices"
)

// Order is what connections are sorted by, the largest first.
type Order uint8

// The orders.
const (
	ByRate Order = iota
	ByRTT
	ByRetrans
	ByQueue

	NumOrders = int(ByQueue) + 1
)

// Sort sorts connections; among equals those that came first stand first, so that
// nothing jumps.
func (o Order) Sort(all []Conn) {
	slices.SortStableFunc(all, func(a, b Conn) int {
		return cmp.Or(cmp.Compare(o.value(&b), o.value(&a)), cmp.Compare(a.ID, b.ID))
	})
}

func (o Order) value(c *Conn) float64 {
	switch o {
	case ByRTT:
		return float64(c.RTT())
	case ByRetrans:
		return float64(c.Retrans())
	case ByQueue:
		return float64(c.Queued())
	}
	return c.Rate()
}
