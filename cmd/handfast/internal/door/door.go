// Package door lets programs of the same user into the network of a host that
// runs in another process, without root and without a device: IP packets cross a
// Unix socket of the kind that keeps messages apart.
package door

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
)

// The networks that visitors get their addresses from. The host number of both
// addresses is the visitor's: 1 to maxVisitors. One more is turned away.
var (
	network4 = netip.MustParsePrefix("10.77.2.0/24")
	network6 = netip.MustParsePrefix("fd77:0:0:2::/64")
)

const (
	maxVisitors = 64
	mtu         = 1500
	// queued is how many packets wait for a visitor, and for the host; what finds
	// the visitor's queue full is dropped, and who fills the host's has to wait.
	queued = 256
)

// address returns a visitor's address, in the network of that prefix.
func address(network netip.Prefix, number int) netip.Prefix {
	b := network.Addr().AsSlice()
	b[len(b)-1] = byte(number)
	a, _ := netip.AddrFromSlice(b) // 4 or 16 bytes
	return netip.PrefixFrom(a, network.Bits())
}

// Door is the host's side: a link whose far end are all visitors.
type Door struct {
	listener net.Listener
	in       chan *buf.Packet
	done     chan struct{}
	once     sync.Once

	mu       sync.Mutex
	visitors map[int]*visitor // by number
}

// visitor is one program.
type visitor struct {
	conn net.Conn
	out  chan *buf.Packet
}

// Open makes a door at path, a file in a folder that no other user may enter. The
// first visitor has it attached to h: a host without visitors keeps its links.
func Open(path string, h *handfast.Host) (*Door, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unixpacket", path)
	if err != nil {
		return nil, err
	}
	d := &Door{listener: l, in: make(chan *buf.Packet, queued), done: make(chan struct{}), visitors: map[int]*visitor{}}
	go d.welcome(h)
	return d, nil
}

// welcome takes visitors in until the door is closed.
func (d *Door) welcome(h *handfast.Host) {
	attached := false
	for {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		if !attached && h.Attach(d, handfast.LinkOptions{Routes: []handfast.Route{{Destination: network4}, {Destination: network6}}}) != nil {
			c.Close() // the host has ended, or has such a network already: the visitor sees the end
			continue
		}
		attached = true
		d.enter(c)
	}
}

// enter gives a visitor a number and tells it.
func (d *Door) enter(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := 1; n <= maxVisitors; n++ {
		if d.visitors[n] != nil {
			continue
		}
		v := &visitor{c, make(chan *buf.Packet, queued)}
		d.visitors[n] = v
		fmt.Fprintf(c, "%v %v", address(network4, n), address(network6, n)) // a visitor that does not read it has gone
		go send(c, v.out, d.done)
		go d.receive(n, v)
		return
	}
	c.Close()
}

// receive passes on what a visitor sends, until it goes.
func (d *Door) receive(number int, v *visitor) {
	for {
		p, err := receive(v.conn)
		if err != nil {
			break
		}
		select {
		case d.in <- p:
		case <-d.done:
			p.Release()
		}
	}
	v.conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.visitors, number)
	close(v.out)
}

// Attributes returns what a host must know of the link.
func (d *Door) Attributes() link.Attributes {
	return link.Attributes{Name: "door", Medium: link.IP, MTU: mtu, Queues: 1}
}

// Read waits for packets of visitors. See link.Link.
func (d *Door) Read(_ int, batch []*buf.Packet) (int, error) {
	// The first is waited for, the others are taken if they are there.
	select {
	case batch[0] = <-d.in:
	case <-d.done:
		return 0, link.ErrClosed
	}
	for n := 1; n < len(batch); n++ {
		select {
		case batch[n] = <-d.in:
		default:
			return n, nil
		}
	}
	return len(batch), nil
}

// Write sends packets to the visitors that they are for. See link.Link. It never waits: a
// visitor that does not read must not hold up the host, which would be everybody.
func (d *Door) Write(_ int, batch []*buf.Packet) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range batch {
		if v := d.visitors[destination(p.Data)]; v != nil {
			offer(v.out, p)
		} else {
			p.Release()
		}
	}
	return nil
}

// destination returns the number of the visitor that a packet is for: the last byte of its
// address. Whoever sends from another's address hears nothing of what comes back.
func destination(b []byte) int {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && network4.Contains(netip.AddrFrom4([4]byte(b[16:20]))):
		return int(b[19])
	case len(b) >= 40 && b[0]>>4 == 6 && network6.Contains(netip.AddrFrom16([16]byte(b[24:40]))):
		return int(b[39])
	}
	return 0
}

// Close turns everybody out. It may be called more than once.
func (d *Door) Close() error {
	d.once.Do(func() {
		close(d.done)
		d.listener.Close()
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, v := range d.visitors {
			v.conn.Close()
		}
	})
	return nil
}

// receive reads one packet.
func receive(c net.Conn) (*buf.Packet, error) {
	p := buf.NewPacket()
	n, err := c.Read(p.ReceiveInto(mtu))
	if err != nil {
		p.Release()
		return nil, err
	}
	p.Data = p.Data[:n]
	return p, nil
}

// offer queues a packet, or drops it when the queue is full.
func offer(out chan<- *buf.Packet, p *buf.Packet) {
	select {
	case out <- p:
	default:
		p.Release()
	}
}

// send writes packets until the queue is closed, or done is and nothing waits any
// more. When the other side has gone, the rest is dropped.
func send(c net.Conn, out <-chan *buf.Packet, done <-chan struct{}) {
	for ended := done; ; {
		if len(out) == 0 && ended == nil {
			return
		}
		select {
		case p, ok := <-out:
			if !ok {
				return
			}
			p.Flatten()
			c.Write(p.Data) // the reader of c finds out that it is gone
			p.Release()
		case <-ended:
			ended = nil
		}
	}
}
