package gateway

import (
	"context"
	"sync"

	"github.com/handfast-tcp/handfast"
)

// dials are those under way. They are bounded, and none waits for another: when
// there are too many, one of those is given up whose client, or destination, has the most.
type dials struct {
	max int

	mu      sync.Mutex
	by      map[Flow]*dial
	clients *crowds // by the address of the source
	servers *crowds // by the address of the destination
}

// dial is one dial.
type dial struct {
	flow    Flow
	request *handfast.Request // the latest SYN that waits for it
	give    context.CancelFunc
	in      []member
}

func (d *dials) init(limit int) {
	d.max, d.by = limit, map[Flow]*dial{}
	few := fewOf(limit)
	d.clients, d.servers = newCrowds(few), newCrowds(few)
}

// fewOf is how many dials make no crowd: a browser opens six connections to a server at once.
func fewOf(limit int) int { return min(max(limit/128, 1), 8) }

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
	n := &dial{flow: f, request: r, give: give, in: make([]member, 0, 3)}
	d.by[f] = n
	d.servers.join(f.Destination.Addr(), n)
	client := d.clients.join(f.Source.Addr(), n)
	if client.to == nil {
		client.to = newCrowds(d.clients.few)
	}
	client.to.join(f.Destination.Addr(), n)
	return n
}

// victim returns a dial of the largest crowd: one client's that scans a network must not crowd
// out those of other clients, and those of many clients to one address that does not answer not
// those to other addresses. Of a client's it is one to where that has the most. Where all have
// about as many it is the oldest: it had the most time to be answered.
func (d *dials) victim() *dial {
	client, server := d.clients.largest(), d.servers.largest()
	if server.rank > client.rank {
		return server.oldest()
	}
	return client.to.largest().oldest()
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
	for _, m := range n.in {
		m.leave()
	}
}
