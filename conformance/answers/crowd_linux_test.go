package answers

import (
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// crowd has many conversations with the kernel at the same time, step by step: all
// that their peers say in a step goes in, and the kernel's answers to all of them are
// waited for once.
type crowd struct {
	*kernel
	asked   chan *line // who waits for answers, or has ended
	talking int
	lines   map[netip.AddrPort]*line
}

// line is the kernel as one of the conversations has it.
type line struct {
	*kernel
	crowd   *crowd
	packets [][]byte
	answers [][]byte
	back    chan struct{}
	ended   bool
}

// talk has the kernel talk with all peers, whose addresses must differ. Each runs with a
// stack of its own.
func (k *kernel) talk(addresses []netip.AddrPort, run func(i int, s stack)) {
	c := &crowd{kernel: k, asked: make(chan *line), talking: len(addresses), lines: map[netip.AddrPort]*line{}}
	for i, a := range addresses {
		own := *k // sockets and room for packets are its own
		own.sockets, own.room = nil, make([]byte, len(k.room))
		l := &line{kernel: &own, crowd: c, back: make(chan struct{})}
		c.lines[a] = l
		go func() {
			defer func() { // also when a check has failed
				l.ended = true
				c.asked <- l
			}()
			run(i, l)
		}()
	}
	for c.talking > 0 {
		c.round()
	}
	for _, l := range c.lines {
		k.sockets = append(k.sockets, l.sockets...)
	}
	k.end()
}

// round waits until all wait for answers, and gets them.
func (c *crowd) round() {
	var waiting []*line
	for range c.talking {
		if l := <-c.asked; !l.ended {
			waiting = append(waiting, l)
		}
	}
	c.talking = len(waiting)
	var packets [][]byte
	for _, l := range waiting {
		packets = append(packets, l.packets...)
	}
	for _, p := range c.kernel.exchange(packets...) {
		if l := c.lines[recipient(p)]; l != nil {
			l.answers = append(l.answers, p)
		}
	}
	for _, l := range waiting {
		l.back <- struct{}{}
	}
}

func (l *line) exchange(packets ...[]byte) [][]byte {
	l.packets = packets
	l.crowd.asked <- l
	<-l.back
	answers := l.answers
	l.answers = nil
	return answers
}

// recipient returns where a segment goes to.
func recipient(p []byte) (to netip.AddrPort) {
	var ip wire.IP
	if wire.ParseIP(p, &ip) != wire.None || ip.Proto != protoTCP {
		return to
	}
	return netip.AddrPortFrom(ip.Dst.Netip(), be.Uint16(p[ip.HeaderLen+2:]))
}
