package stream

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/internal/setting"
	"github.com/handfast-tcp/handfast/link"
)

// Options say what kind of link New makes. The zero value speaks with QEMU.
type Options struct {
	Framing Framing
	Name    string // default "machine"
	// MTU is the largest IP packet that is sent, in bytes, 68 to 65535; default 1500.
	// What comes may be larger.
	MTU int
	// HardwareAddr is that of a host that is attached to the link; default
	// 02:68:66:00:00:01. A bridge does not need it.
	HardwareAddr link.HardwareAddr
	// MachineAddr is the address that Hyperkit's handshake gives the machine; default a
	// random one.
	MachineAddr link.HardwareAddr
	// Queue is how many frames wait to be sent at most, 1 to 65536; default 1024.
	// Flows take turns, and a flow whose frames wait for more than 5 ms all the time loses
	// one now and then, or has it marked (RFC 8290). When the queue is full, the oldest
	// frame of the flow with the most bytes is dropped.
	Queue int
}

// defaultHardwareAddr is Options.HardwareAddr unless another is given.
var defaultHardwareAddr = link.HardwareAddr{2, 'h', 'f', 0, 0, 1}

func (o *Options) setDefaults() error {
	if int(o.Framing) >= len(framingNames) {
		return fmt.Errorf("stream: Options.Framing is %v: it is one of %s", o.Framing, strings.Join(framingNames[:], ", "))
	}
	o.Name = cmp.Or(o.Name, "machine")
	o.HardwareAddr = cmp.Or(o.HardwareAddr, defaultHardwareAddr)
	if o.MachineAddr == (link.HardwareAddr{}) {
		n := rand.Uint64()
		o.MachineAddr = link.HardwareAddr{2, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), byte(n >> 32)}
	}
	table := []setting.Setting{
		setting.Of("stream.Options.MTU", &o.MTU, 1500, 68, 65535),
		setting.Of("stream.Options.Queue", &o.Queue, 1024, 1, 1<<16),
	}
	err := setting.Check(table)
	setting.Settle(table)
	return err
}

// Link is a link over a socket. It is a link.Link, of Ethernet frames, with one queue
// and no offload.
type Link struct {
	attributes link.Attributes
	conn       net.Conn
	in         receiver
	out        sender
	drops      Drops

	mu     sync.Mutex
	err    error  // why it ended
	onEnd  func() // called once, when the connection is closed
	closed bool
}

// Drops counts frames that a link did not pass on.
type Drops struct {
	// Read counts frames that are shorter than an Ethernet header, and messages that
	// are longer than MaxFrame.
	Read atomic.Uint64
	// Write counts frames that the queue has dropped, that are larger than the MTU, or
	// need an offload.
	Write atomic.Uint64
}

// New makes a link of a connection, and owns it from now on: the kernel's or any
// other, with Message one that keeps messages apart. It fails, and the connection stays
// yours, when a field of o is outside its range.
func New(c net.Conn, o Options) (*Link, error) { return newLink(c, o, nil, nil) }

// newLink makes a link on which first has already come.
func newLink(c net.Conn, o Options, first []byte, onEnd func()) (*Link, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	l := &Link{conn: c, onEnd: onEnd, attributes: link.Attributes{
		Name: o.Name, Medium: link.Ethernet, MTU: o.MTU, HardwareAddr: o.HardwareAddr, Queues: 1,
	}}
	l.in.init(l, o, first)
	l.out.init(l, o)
	return l, nil
}

// Attributes returns what a host must know of the link.
func (l *Link) Attributes() link.Attributes { return l.attributes }

// Drops returns the counters, which go on counting.
func (l *Link) Drops() *Drops { return &l.drops }

// Read waits for frames. See link.Link. When the other end closes, or what it sends
// is no framing of the link's kind, it closes the connection and says so.
func (l *Link) Read(_ int, batch []*buf.Packet) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	n, err := l.in.read(batch)
	if err != nil {
		return 0, l.fail(err)
	}
	return n, nil
}

// Write puts frames into the queue, from where they are sent. See link.Link.
func (l *Link) Write(_ int, batch []*buf.Packet) error {
	if !l.out.put(batch) {
		return l.fail(nil)
	}
	return nil
}

// Close ends every Read and Write, and closes the connection. What waits to be sent
// is dropped.
func (l *Link) Close() error {
	l.end(link.ErrClosed)
	l.out.running.Wait()
	return nil
}

// fail closes the connection because of err, unless that has happened before, and
// returns why it has ended.
func (l *Link) fail(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("stream: %s: the other end has closed the connection: %w", l.attributes.Name, io.EOF)
	case err != nil:
		err = fmt.Errorf("stream: %s: the connection is closed: %w", l.attributes.Name, err)
	}
	return l.end(err)
}

// end closes the connection. The first reason counts.
func (l *Link) end(why error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.err
	}
	l.closed, l.err = true, why
	l.conn.Close()
	l.out.stop()
	if l.onEnd != nil {
		l.onEnd()
	}
	return l.err
}
