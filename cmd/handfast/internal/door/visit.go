package door

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
)

// errNoRoom is what a visitor gets who is turned away.
var errNoRoom = say.Errorf(say.Text{"it accepts no more visitors, or has just ended", "它不再接受访问，或刚刚结束"})

// errEnded says that the far end has gone.
var errEnded = say.Errorf(say.Text{"the program that was connected to has ended", "所连接的程序已经结束"})

// Visit is a visitor's side of a door: a link to the host behind it.
type Visit struct {
	conn      net.Conn
	addresses []netip.Prefix
	out       chan *buf.Packet
	done      chan struct{}
	sent      chan struct{} // closed when all is sent, after done
	once      sync.Once
}

// answerLimit is how long a door may take to open.
const answerLimit = 5 * time.Second

// Enter goes through the door at path.
func Enter(path string) (*Visit, error) {
	c, err := net.Dial("unixpacket", path)
	if err != nil {
		return nil, err
	}
	v := &Visit{conn: c, out: make(chan *buf.Packet, queued), done: make(chan struct{}), sent: make(chan struct{})}
	if err := v.greet(); err != nil {
		c.Close()
		return nil, err
	}
	go func() {
		defer close(v.sent)
		send(c, v.out, v.done)
	}()
	return v, nil
}

// greet reads the addresses that the visitor is given.
func (v *Visit) greet() error {
	b := make([]byte, mtu)
	v.conn.SetReadDeadline(time.Now().Add(answerLimit))
	n, err := v.conn.Read(b)
	v.conn.SetReadDeadline(time.Time{})
	if err != nil || n == 0 {
		return errNoRoom
	}
	for _, word := range strings.Fields(string(b[:n])) {
		a, err := netip.ParsePrefix(word)
		if err != nil {
			return say.Errorf(say.Text{"the door answers %q: is it of another version?", "入口的应答是 %q：版本是否不同？"}, b[:n])
		}
		v.addresses = append(v.addresses, a)
	}
	return nil
}

// Addresses are those that the visitor has there.
func (v *Visit) Addresses() []netip.Prefix { return v.addresses }

// Attributes returns what a host must know of the link.
func (v *Visit) Attributes() link.Attributes {
	return link.Attributes{Name: "visit", Medium: link.IP, MTU: mtu, Queues: 1}
}

// Read waits for a packet. See link.Link.
func (v *Visit) Read(_ int, batch []*buf.Packet) (int, error) {
	p, err := receive(v.conn)
	if err == nil {
		batch[0] = p
		return 1, nil
	}
	select {
	case <-v.done:
		return 0, link.ErrClosed
	default:
		return 0, errEnded
	}
}

// Write sends packets. See link.Link.
func (v *Visit) Write(_ int, batch []*buf.Packet) error {
	for _, p := range batch {
		offer(v.out, p)
	}
	return nil
}

// goodbye is how long Close waits until what was written is on its way.
const goodbye = time.Second

// Close ends the visit, when what was written has left. It may be called more than
// once.
func (v *Visit) Close() error {
	v.once.Do(func() {
		v.conn.SetWriteDeadline(time.Now().Add(goodbye))
		close(v.done)
		<-v.sent
		v.conn.Close()
	})
	return nil
}
