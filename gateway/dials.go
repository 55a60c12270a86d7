package gateway

import (
	"container/list"
	"context"
	"net/netip"
	"sync"

	"github.com/handfast-tcp/handfast"
)

// dials are those under way. They are bounded, and none waits for another: when
// there are too many, one of those to the destination that has the most is given up.
type dials struct {
	max int

	mu    sync.Mutex
	by    map[Flow]*dial
	to    map[netip.Addr]int // by the address of the destination
	order list.List          // of *dial, the oldest first
}

// dial is one dial.
type dial struct {
	flow    Flow
	request *handfast.Request // the latest SYN that waits for it
	give    context.CancelFunc
	place   *list.Element
}

func (d *dials) init(limit int) { d.max, d.by, d.to = limit, map[Flow]*dial{}, map[netip.Addr]int{} }

func (d *dials) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.by)
}

// begin notes a dial for a SYN. It returns nil when one is under way for the flow,
// which then answers this SYN.
func (d *dials) begin(f Flow, r *handfast.Request, give context.CancelFunc) *dial {
	d.mu.Lock()
	defer d.mu.Unlock()
	// The client repeats its SYN while it waits, and its host forgets the older request:
	// only the latest can be answered.
	if same := d.by[f]; same != nil {
		same.request = r
		return nil
	}
	if len(d.by) >= d.max {
		victim := d.victim()
		d.remove(victim)
		victim.give()
	}
	n := &dial{flow: f, request: r, give: give}
	n.place = d.order.PushBack(n)
	d.by[f] = n
	d.to[f.Destination.Addr()]++
	return n
}

// victim returns the oldest dial to the destination that has the most: a scan of one
// address that does not answer must not crowd out the dials to all others. It walks through
// all, which happens only when there are too many.
func (d *dials) victim() *dial {
	most := 0
	for _, n := range d.to {
		most = max(most, n)
	}
	for e := d.order.Front(); ; e = e.Next() {
		if n := e.Value.(*dial); d.to[n.flow.Destination.Addr()] == most {
			return n
		}
	}
}

// finish forgets a dial that has ended, and returns the SYN that waits for it: the latest,
// which need not be the one that began it.
func (d *dials) finish(n *dial) *handfast.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	// It may have been a victim, and its flow be dialled again.
	if d.by[n.flow] == n {
		d.remove(n)
	}
	return n.request
}

func (d *dials) remove(n *dial) {
	delete(d.by, n.flow)
	d.order.Remove(n.place)
	to := n.flow.Destination.Addr()
	if d.to[to]--; d.to[to] == 0 {
		delete(d.to, to)
	}
}
