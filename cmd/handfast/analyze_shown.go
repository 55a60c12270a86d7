package main

import (
	"cmp"
	order "container/heap"
	"slices"

	"github.com/handfast-tcp/handfast/lab/capture"
)

// inOrder is how many connections are held back so that --json and --zeek write them in
// their order: they end in another one.
const inOrder = 20_000

// shown holds connections that are to be told, in an order, and not more than so many:
// of more the one leaves that comes last. A capture may have more than fit in memory.
type shown struct {
	most  int
	order func(c *capture.Conn) int64 // the largest comes first
	leave func(*capture.Conn) error
	conns []*capture.Conn // a heap, of which the root leaves next
}

// compare is below 0 when x comes before y. Of equals the older one does.
func (s *shown) compare(x, y *capture.Conn) int {
	return cmp.Or(cmp.Compare(s.order(y), s.order(x)), cmp.Compare(x.Stream, y.Stream))
}

// Len, Less, Swap, Push and Pop are for package heap.
func (s *shown) Len() int           { return len(s.conns) }
func (s *shown) Less(i, j int) bool { return s.compare(s.conns[i], s.conns[j]) > 0 }
func (s *shown) Swap(i, j int)      { s.conns[i], s.conns[j] = s.conns[j], s.conns[i] }

// Push adds to the end.
func (s *shown) Push(c any) { s.conns = append(s.conns, c.(*capture.Conn)) }

// Pop is not used: who leaves makes room for who comes.
func (s *shown) Pop() any { panic("shown: Pop") }

func (s *shown) add(c *capture.Conn) error {
	switch {
	case len(s.conns) < s.most:
		order.Push(s, c)
		return nil
	case s.compare(c, s.conns[0]) > 0:
		return s.leave(c)
	}
	last := s.conns[0]
	s.conns[0] = c
	order.Fix(s, 0)
	return s.leave(last)
}

// sorted returns those that have not left, in their order.
func (s *shown) sorted() []*capture.Conn {
	slices.SortFunc(s.conns, s.compare)
	return s.conns
}
