package handfast_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// Any number of shards works with any number of queues, and with a peer that
// has another number of shards.
func TestShardsAndQueues(t *testing.T) {
	for _, shards := range []int{1, 2, 8} {
		for _, queues := range []int{1, 3} {
			t.Run(fmt.Sprintf("shards%d/queues%d", shards, queues), func(t *testing.T) {
				a, b := pipe.New(pipe.Options{Queues: queues})
				client := newTestHost(t, handfast.Config{Shards: shards}, a, clientIP+"/24")
				server := newTestHost(t, handfast.Config{Shards: 4}, b, serverIP+"/24")
				transferMany(t, client, listen(t, server, ":80"), 12, 60<<10)
			})
		}
	}
}

// transferMany sends size bytes by each of n connections at the same time.
func transferMany(t *testing.T, from *handfast.Host, l *handfast.TCPListener, n, size int) {
	data := random(size)
	var wg sync.WaitGroup
	for range n {
		c, s := connect(t, from, l)
		wg.Go(func() {
			c.Write(data)
			c.Close()
		})
		wg.Go(func() {
			if got, err := io.ReadAll(s); !bytes.Equal(got, data) || err != nil {
				t.Errorf("got %d bytes of %d, %v", len(got), size, err)
			}
			s.Close()
		})
	}
	wg.Wait()
}

// orderedLink complains when a flow's segments are written out of order.
type orderedLink struct {
	link.Link
	t  *testing.T
	mu sync.Mutex
	// next is the next sequence number of each flow, by its ports.
	next map[[2]uint16]seq.Num
}

func (l *orderedLink) Write(queue int, batch []*buf.Packet) error {
	l.mu.Lock()
	for _, p := range batch {
		l.look(p)
	}
	l.mu.Unlock()
	return l.Link.Write(queue, batch)
}

func (l *orderedLink) look(p *buf.Packet) {
	var ip wire.IP
	var h wire.TCP
	if wire.ParseIP(p.Data, &ip) == wire.TooShort || ip.Proto != wire.ProtoTCP {
		return
	}
	n, drop := wire.ParseTCP(p.Data[ip.HeaderLen:], &h)
	if drop != wire.None {
		l.t.Errorf("a segment that cannot be parsed: %v", drop)
		return
	}
	flow := [2]uint16{h.SrcPort, h.DstPort}
	if next, ok := l.next[flow]; ok && h.Seq.Less(next) {
		l.t.Errorf("%v after %d", h.String(), next)
	}
	l.next[flow] = h.Seq.Add(seq.Size(p.Len() - ip.HeaderLen - n))
}

// Many goroutines write to the shards and the receiving ones answer, but a
// flow's segments leave in order. Nothing is lost here, and no timer is so
// short that a slow machine lets it fire, so nothing is repeated.
func TestFlowsKeepTheirOrder(t *testing.T) {
	for _, shards := range []int{1, 2} {
		t.Run(fmt.Sprintf("shards%d", shards), func(t *testing.T) {
			a, b := pipe.New(pipe.Options{Queue: 1 << 20})
			ordered := &orderedLink{Link: a, t: t, next: map[[2]uint16]seq.Num{}}
			cfg := handfast.Config{Shards: shards, TCP: tcp.Config{MinRTO: time.Minute, InitialRTO: time.Minute}}
			client := newTestHost(t, cfg, ordered, clientIP+"/24")
			server := newTestHost(t, cfg, b, serverIP+"/24")
			transferMany(t, client, listen(t, server, ":80"), 6, 400<<10)
		})
	}
}
