package wgnet

import (
	"os"
	"sync"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/tun"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/offload"
)

// deviceName is what the device and the host's link are called, as in wireguard-go.
const deviceName = "go"

// device is a host as WireGuard sees it: a tun.Device whose packets go to the host
// and come from there.
type device struct {
	host    *handfast.Host
	mtu     int
	out, in *queue // from the host, and to it
	events  chan tun.Event
	once    sync.Once

	reading sync.Mutex
	waiting [conn.IdealBatchSize]*buf.Packet // taken from out, and not cut up yet
	next    int                              // index of the first of these
	left    int                              // how many of these there are
	cut     cutter                           // of waiting[next]

	writing sync.Mutex
	batch   []*buf.Packet // copies of what is written
}

// newDevice tells at once that it is up: WireGuard begins when a device does.
func newDevice(mtu int) *device {
	d := &device{mtu: mtu, out: newQueue(), in: newQueue(), events: make(chan tun.Event, 1)}
	d.events <- tun.EventUp
	return d
}

// File returns nil: there is no descriptor.
func (d *device) File() *os.File { return nil }

func (d *device) MTU() (int, error)        { return d.mtu, nil }
func (d *device) Name() (string, error)    { return deviceName, nil }
func (d *device) Events() <-chan tun.Event { return d.events }
func (d *device) BatchSize() int           { return conn.IdealBatchSize }

// Read waits for packets that leave the host. Super-segments come cut up, as many
// as fit; the rest with the next call.
func (d *device) Read(bufs [][]byte, sizes []int, offset int) (n int, err error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	for n == 0 {
		if d.left == 0 && !d.fetch(len(bufs)) {
			return 0, os.ErrClosed
		}
		for d.left > 0 && n < len(bufs) {
			n += d.cutNext(bufs[n:], sizes[n:], offset)
		}
	}
	return n, nil
}

// fetch waits for packets, at most limit of them.
func (d *device) fetch(limit int) bool {
	d.next, d.left = 0, d.out.take(d.waiting[:min(limit, len(d.waiting))])
	return d.left > 0
}

// cutNext writes the oldest packet, or as many of its segments as fit, into bufs.
func (d *device) cutNext(bufs [][]byte, sizes []int, offset int) (n int) {
	p := d.waiting[d.next]
	n, done := d.cut.segments(p, bufs, sizes, offset)
	if done {
		p.Release()
		d.waiting[d.next] = nil
		d.next++
		d.left--
	}
	return n
}

// Write gives packets to the host, which has copies of them. Those that find its queue
// full are dropped.
func (d *device) Write(bufs [][]byte, offset int) (int, error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.batch = d.batch[:0]
	for _, b := range bufs {
		// Copied, because WireGuard uses its buffers again as soon as this returns.
		if n := len(b) - offset; n > 0 && n <= buf.LargeSize {
			p := buf.NewPacket()
			room := p.ReceiveInto(n)
			p.Data = room[:copy(room, b[offset:])]
			d.batch = append(d.batch, p)
		}
	}
	if !d.in.put(d.batch) {
		return 0, os.ErrClosed
	}
	return len(bufs), nil
}

// Close closes the host: it resets all connections, and every call that is blocked, or
// comes later, fails with net.ErrClosed. What the host has sent can still be read.
func (d *device) Close() error {
	d.once.Do(func() {
		d.host.Close()
		close(d.events)
	})
	return nil
}

// cable is the device as the host sees it.
type cable struct{ *device }

var _ link.Link = cable{}

// Attributes promises what Read does: to cut super-segments up, and to sum.
func (c cable) Attributes() link.Attributes {
	return link.Attributes{Name: deviceName, MTU: c.mtu, Queues: 1, MaxGSO: offload.MaxSegment, ChecksumOffload: true}
}

func (c cable) Read(_ int, batch []*buf.Packet) (int, error) {
	if n := c.in.take(batch); n > 0 {
		return n, nil
	}
	return 0, link.ErrClosed
}

func (c cable) Write(_ int, batch []*buf.Packet) error {
	if !c.out.put(batch) {
		return link.ErrClosed
	}
	return nil
}

// Close lets what the host has sent still be read: its resets are among it. What came for it
// nobody wants any more.
func (c cable) Close() error {
	c.out.close()
	c.in.drain()
	return nil
}
