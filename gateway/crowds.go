package gateway

import (
	"container/list"
	"net/netip"
)

// crowds are dials by an address of theirs, and know which address has the most. What they
// do takes the same time however many there are.
type crowds struct {
	few   int // dials that make no crowd
	of    map[netip.Addr]*crowd
	ranks []*list.List // of *crowd: the one that has been there the longest first
	most  int          // the highest rank that has a crowd
}

// crowd is the dials of one address.
type crowd struct {
	dials list.List // of *dial, the oldest first
	rank  int
	place *list.Element // in its rank
	to    *crowds       // of a client's: its dials by their destinations
}

// member is a dial's place in a crowd.
type member struct {
	crowds  *crowds
	address netip.Addr
	crowd   *crowd
	place   *list.Element
}

func newCrowds(few int) *crowds { return &crowds{few: few, of: map[netip.Addr]*crowd{}} }

// join adds a dial to the crowd of an address.
func (c *crowds) join(a netip.Addr, d *dial) *crowd {
	in := c.of[a]
	if in == nil {
		in = &crowd{}
		c.of[a] = in
		c.enter(in, 0)
	}
	d.in = append(d.in, member{c, a, in, in.dials.PushBack(d)})
	if rank := c.rankOf(in); rank != in.rank {
		c.ranks[in.rank].Remove(in.place)
		c.enter(in, rank)
	}
	return in
}

// leave takes a dial away. Its address goes behind all others of its rank: it has answered, or
// has just lost a dial to somebody else.
func (m member) leave() {
	c, in := m.crowds, m.crowd
	in.dials.Remove(m.place)
	c.ranks[in.rank].Remove(in.place)
	if in.dials.Len() == 0 {
		delete(c.of, m.address)
		return
	}
	c.enter(in, c.rankOf(in))
	// Ranks go by ones, so that this one is the next.
	if c.ranks[c.most].Len() == 0 {
		c.most--
	}
}

func (c *crowds) rankOf(in *crowd) int { return (in.dials.Len() - 1) / c.few }

// enter puts a crowd into a rank, as the last.
func (c *crowds) enter(in *crowd, rank int) {
	if rank == len(c.ranks) {
		c.ranks = append(c.ranks, list.New())
	}
	in.rank, in.place = rank, c.ranks[rank].PushBack(in)
	c.most = max(c.most, rank)
}

// largest returns the crowd that has the most; there must be one.
func (c *crowds) largest() *crowd { return c.ranks[c.most].Front().Value.(*crowd) }

func (in *crowd) oldest() *dial { return in.dials.Front().Value.(*dial) }
