package lab

import (
	"encoding/binary"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// firstPort is the first local port that a connection gets that asks for none: one that no
// scenario takes for a service.
const firstPort = 40000

// node is a host in the world.
type node struct {
	HostConfig
	world *World
	index int
	addr  wire.Addr
	host  *host.Host // nil: scripted
	trace *tcp.Trace
	boots int
	port  uint16
	known fastopen.Cache // servers that do Fast Open; a reboot forgets them

	audit func() error     // of host
	wire  *oracle.Wire     // what host sends is judged by it
	step  *hearing         // that host is answering; nil: none
	aim   func(syn []byte) // is called with the first SYN that comes; nil: nothing to do
	batch []*buf.Packet    // of Batches: has come in, and goes in together
	inbox []arrived        // scripted: segments that nobody has looked at
}

// boot makes a host that knows nothing of an earlier life: a new secret, no
// connection, no listener.
func (n *node) boot() error {
	n.boots++
	n.known = fastopen.Cache{}
	r := random(n.world.secrets, n.index, n.boots)
	c := n.Host
	binary.LittleEndian.PutUint64(c.TCP.Secret[:8], r.Uint64())
	binary.LittleEndian.PutUint64(c.TCP.Secret[8:], r.Uint64())
	h := host.New(c)
	link := host.LinkConfig{Name: n.Name, MTU: n.MTU}
	if n.Offload {
		link.MaxGSO, link.ChecksumOffload = largestOffload, true
	}
	iface := h.AddLink(link)
	n.host, n.trace, n.audit, n.wire = h, &tcp.Trace{}, h.TCP().Audit(), &oracle.Wire{MTU: n.MTU}
	if n.Supers {
		// The host itself does not know that TCP is observed, or it would spare the
		// observer its super-segments.
		h.TCP().SetTrace(n.trace)
	} else {
		h.SetTrace(n.trace)
	}
	bits, everything := 32, "0.0.0.0/0"
	if !n.addr.Is4() {
		bits, everything = 128, "::/0"
	}
	if err := h.AddAddress(iface, netip.PrefixFrom(n.Address, bits)); err != nil {
		return err
	}
	return h.AddRoute(netip.MustParsePrefix(everything), netip.Addr{}, iface)
}

// reboot loses all that the host knew, and the programs on it but one.
func (n *node) reboot(but *Proc) error {
	for _, p := range n.world.procs {
		if p.node == n && p != but && !p.done {
			p.kill()
		}
	}
	n.inbox = nil
	if n.Scripted {
		return nil
	}
	return n.boot()
}

// deadline is when the host wants its turn, by the world's clock: its own may run fast, or
// slowly.
func (n *node) deadline() clock.Time {
	if n.Scripted {
		return clock.Never
	}
	return n.Clock.world(n.host.Deadline())
}

// live lets timers fire that are due, and reports whether anything happened.
func (n *node) live() (busy bool) {
	if n.Scripted {
		return false
	}
	if now := n.now(); n.host.Deadline() <= now {
		n.host.Advance(now)
		n.world.record.engine(n, 0)
		busy = true
	}
	return n.flush() || busy
}

// flush puts all on the wire that the host wants to send, and reports whether
// there was anything.
func (n *node) flush() (any bool) {
	w := n.world
	w.record.engine(n, 0)
	for {
		p, _ := n.host.Output(n.now())
		if p == nil {
			w.record.engine(n, 0)
			n.forgetReady()
			n.learnFastOpen()
			if err := n.audit(); err != nil {
				w.fault(n, err)
			}
			return any
		}
		any = true
		p.Flatten()
		for _, data := range cut(p) {
			n.sent(data)
			w.send(n, data, false)
		}
		p.Release()
	}
}

// learnFastOpen keeps what connections have learnt of servers, as the library does for a host.
func (n *node) learnFastOpen() {
	for n.host.TCP().HasFastOpen() {
		news, _ := n.host.TCP().NextFastOpen()
		n.known.Learn(n.now(), news)
	}
}

// forgetReady empties the queue of who became ready: programs here look for
// themselves.
func (n *node) forgetReady() {
	for _, _, ok := n.host.NextReady(); ok; _, _, ok = n.host.NextReady() {
	}
}

// take takes a packet off the wire, at once or with the batch.
func (n *node) take(id int, data []byte) {
	if !n.Scripted {
		n.wire.Delivered(n.now(), data)
	}
	if !n.Batches {
		n.receive(id, data)
		return
	}
	if n.aim != nil {
		n.aimed(data)
	}
	n.batch = append(n.batch, packetOf(data))
	n.world.record.icmpArrived(n, id, data)
}

// receiveBatch takes what has come in together. Which packet of it caused what is not
// known.
func (n *node) receiveBatch() {
	if len(n.batch) > 0 {
		n.host.ReceiveBatch(n.now(), 0, n.batch)
		n.batch = n.batch[:0]
		n.world.record.engine(n, n.world.record.sends)
		n.react()
	}
}

// receive takes a packet off the wire.
func (n *node) receive(id int, data []byte) {
	w := n.world
	if n.Scripted {
		n.receiveScripted(id, data)
		return
	}
	if n.aim != nil {
		n.aimed(data)
	}
	w.record.icmpArrived(n, id, data)
	k := n.begin(data)
	d := n.host.Receive(n.now(), 0, packetOf(data))
	seen := w.record.engine(n, id)
	if !seen && d != wire.None {
		w.record.refused(n, id, data, d)
	}
	n.step = k
	n.react()
	n.step = nil
	if seen && k != nil {
		n.finish(k)
	}
}

// react puts on the wire what a segment or a call made the host owe, unless
// its programs must have their say first.
func (n *node) react() {
	if !n.Prompt {
		n.flush()
	}
}

// nextPort returns the local port for a connection that does not care.
func (n *node) nextPort() uint16 {
	n.port++
	return n.port - 1
}
