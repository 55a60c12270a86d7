// Package impair makes a link bad: it wraps any link with two netem wires, one
// in each direction, that run in real time.
package impair

import (
	"fmt"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/link"
)

// DefaultLimit is how many packets each direction holds unless its Config says
// otherwise. It is less than netem's: a packet that was received may hold a
// block of 72 KiB.
const DefaultLimit = 8192

// batchSize is how many packets cross at a time.
const batchSize = 64

// Options say what happens to packets. The zero value leaves them alone.
type Options struct {
	In, Out netem.Config // what Read and Write go through
	Seed    uint64       // of both; the two wires draw different numbers
	// SpareNeighbours lets ARP and NDP pass in order and unharmed, on an Ethernet: so
	// only what a network beyond the neighbours would do happens. A cut is one for
	// them, too.
	SpareNeighbours bool
}

// Link is a bad link. It has one queue, however many the link below has, so
// that each direction is one wire.
type Link struct {
	below   link.Link
	in, out *line
	running sync.WaitGroup
}

// New wraps a link, and owns it from now on. It fails, and the link stays yours,
// when a field of In or Out is outside its range.
func New(below link.Link, o Options) (*Link, error) {
	if err := o.In.Check(); err != nil {
		return nil, fmt.Errorf("impair: In: %w", err)
	}
	if err := o.Out.Check(); err != nil {
		return nil, fmt.Errorf("impair: Out: %w", err)
	}
	// Two seeds of one: with the same numbers both directions would lose the same packets.
	epoch := time.Now()
	l := &Link{below: below, in: newLine(epoch, o.In, 2*o.Seed), out: newLine(epoch, o.Out, 2*o.Seed+1)}
	l.in.spare = o.SpareNeighbours && below.Attributes().Medium == link.Ethernet
	l.out.spare = l.in.spare
	for queue := range below.Attributes().Queues {
		l.running.Go(func() { l.receive(queue) })
	}
	l.running.Go(l.send)
	return l, nil
}

// Attributes returns those of the link below, with one queue.
func (l *Link) Attributes() link.Attributes {
	a := l.below.Attributes()
	a.Queues = 1
	return a
}

// Read waits for packets that have survived. See link.Link.
func (l *Link) Read(_ int, batch []*buf.Packet) (int, error) { return l.in.output(batch) }

// Write puts packets on the wire out. See link.Link.
func (l *Link) Write(_ int, batch []*buf.Packet) error { return l.out.input(batch) }

// SetDown cuts both directions, or mends them.
func (l *Link) SetDown(down bool) {
	l.in.setDown(down)
	l.out.setDown(down)
}

// Counters returns what has happened in each direction so far.
func (l *Link) Counters() (in, out netem.Counters) { return l.in.counters(), l.out.counters() }

// Close closes the link below, ends every Read and Write, drops what is under
// way, and returns when nothing of it runs any more.
func (l *Link) Close() error {
	l.in.fail(link.ErrClosed)
	l.out.fail(link.ErrClosed)
	err := l.below.Close()
	l.running.Wait()
	return err
}

// receive carries packets from a queue of the link below to the wire in.
func (l *Link) receive(queue int) {
	batch := make([]*buf.Packet, batchSize)
	for {
		n, err := l.below.Read(queue, batch)
		if err == nil {
			err = l.in.input(batch[:n])
		}
		if err != nil {
			l.in.fail(err)
			return
		}
	}
}

// send carries packets from the wire out to the link below.
func (l *Link) send() {
	batch := make([]*buf.Packet, batchSize)
	for {
		n, err := l.out.output(batch)
		if err == nil {
			err = l.below.Write(0, batch[:n])
		}
		if err != nil {
			l.out.fail(err)
			return
		}
	}
}

// line is a wire in real time. Anybody may put packets in; one goroutine takes
// them out.
type line struct {
	epoch time.Time
	timer *time.Timer   // of the one who takes out
	wake  chan struct{} // holds one token when something went in

	mu     sync.Mutex
	wire   *netem.Wire
	spare  bool          // ARP and NDP go by unharmed
	spared []*buf.Packet // which do so; no more than maxSpared, the rest is harmed
	down   bool
	err    error         // why it ended
	failed chan struct{} // closed when err is set
}

func newLine(epoch time.Time, c netem.Config, seed uint64) *line {
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	l := &line{epoch: epoch, timer: time.NewTimer(0), wake: make(chan struct{}, 1),
		wire: netem.New(c, seed), failed: make(chan struct{})}
	l.timer.Stop()
	return l
}

func (l *line) now() clock.Time { return clock.Time(time.Since(l.epoch)) }

// input puts packets on the wire, which takes them over also when it has ended.
func (l *line) input(batch []*buf.Packet) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for i, p := range batch {
		switch {
		case l.err != nil:
			p.Release()
		case l.spare && !l.down && len(l.spared) < maxSpared && isNeighbourly(p):
			l.spared = append(l.spared, p)
		default:
			l.wire.Input(now, p)
		}
		batch[i] = nil
	}
	// One token is enough: who takes it looks at all that is there.
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return l.err
}

// output waits for packets to arrive and takes as many as have.
func (l *line) output(batch []*buf.Packet) (int, error) {
	for {
		n, next, err := l.arrived(batch)
		if n > 0 || err != nil {
			return n, err
		}
		l.wait(next)
	}
}

// arrived takes what has arrived; next is when there is more.
func (l *line) arrived(batch []*buf.Packet) (n int, next clock.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	n = copy(batch, l.spared)
	l.spared = append(l.spared[:0], l.spared[n:]...)
	for n < len(batch) {
		p := l.wire.Output(now)
		if p == nil {
			break
		}
		batch[n] = p
		n++
	}
	return n, l.wire.Deadline(), l.err
}

// wait returns at the given time, or when something went in, or at the end.
func (l *line) wait(until clock.Time) {
	if until != clock.Never {
		l.timer.Reset(until.Sub(l.now()))
		defer l.timer.Stop()
	}
	select {
	case <-l.timer.C:
	case <-l.wake:
	case <-l.failed:
	}
}

// fail ends the line. The first reason counts.
func (l *line) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		l.wire.Release()
		for _, p := range l.spared {
			p.Release()
		}
		l.spared = nil
		close(l.failed)
	}
}

func (l *line) setDown(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
	l.wire.SetDown(down)
}

// maxSpared bounds the messages about neighbours that wait for a reader.
const maxSpared = 64

// isNeighbourly reports whether a frame is ARP or NDP.
func isNeighbourly(p *buf.Packet) bool {
	var e wire.Ethernet
	if wire.ParseEthernet(p.Data, &e) != wire.None {
		return false
	}
	if e.Type == wire.EtherTypeARP {
		return true
	}
	b := p.Data[wire.EthernetSize:]
	if e.Type != wire.EtherTypeIPv6 || len(b) < wire.IPv6Size {
		return false
	}
	proto, at, _ := wire.UpperHeader(b)
	return proto == wire.ProtoICMPv6 && at < len(b) && b[at] >= wire.ICMPv6RouterSolicitation && b[at] <= wire.ICMPv6Redirect
}

func (l *line) counters() netem.Counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wire.Counters()
}
