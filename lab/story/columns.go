package story

import (
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// columnsOf gives the connections of a host that exist at the same time columns
// of their own, so that the states of one are not taken for another's.
type columnsOf struct{ used map[string][]wire.Tuple }

func newColumns() *columnsOf { return &columnsOf{map[string][]wire.Tuple{}} }

// of returns the column of the connection that an event is about: its own, or
// the first that is free. It is free again when the connection is gone.
func (c *columnsOf) of(e *trace.Event) int {
	used, column := c.used[e.Host], -1
	for i, t := range used {
		if t == e.Tuple {
			column = i
			break
		}
		if t == (wire.Tuple{}) && column < 0 {
			column = i
		}
	}
	if column < 0 {
		column = len(used)
		used = append(used, e.Tuple)
	}
	used[column] = e.Tuple
	if e.State == tcp.Closed || e.State == tcp.Listen {
		used[column] = wire.Tuple{}
	}
	c.used[e.Host] = used
	return column
}

func (c *columnsOf) forget(host string) { delete(c.used, host) }
