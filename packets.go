package handfast

import (
	"sync"
	"sync/atomic"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

// batchIn is a batch of packets on the way in.
type batchIn struct {
	packets [batchSize]*buf.Packet
	shards  [batchSize]uint8 // the shard of each packet
	desk    host.Desk
	touched byte
}

// readLink reads one queue of a link until the link is closed.
func (h *Host) readLink(a *attachment, iface, queue int) {
	in := new(batchIn)
	for {
		// A link may give packets and an error at once: what came before the end counts.
		n, err := a.link.Read(queue, in.packets[:])
		h.distribute(a, iface, in, n)
		if err != nil {
			a.fail(err)
			h.unplug(a, iface)
			return
		}
	}
}

// distribute gives n packets to the shards that they belong to, locking each
// shard once.
func (h *Host) distribute(a *attachment, iface int, in *batchIn, n int) {
	batch := in.packets[:n]
	in.touch(batch)
	touched := h.choose(a, iface, in, batch)
	for i := 0; touched != 0; i, touched = i+1, touched>>1 {
		if touched&1 != 0 {
			h.give(i, iface, batch, in.shards[:n], &in.desk)
		}
	}
	clear(batch)
}

// give gives a shard its packets of a batch, and others what comes of them there.
func (h *Host) give(shard, iface int, batch []*buf.Packet, shards []uint8, d *host.Desk) {
	for _, o := range h.shards[shard].receive(iface, batch, shards, d) {
		h.give(o.shard, o.iface, []*buf.Packet{o.packet}, []uint8{uint8(o.shard)}, d)
	}
}

// touch reads a byte of each packet, so that the processor fetches all their
// headers at the same time from the core that wrote them, and not one after the
// other when they are parsed.
func (in *batchIn) touch(batch []*buf.Packet) {
	var all byte
	for _, p := range batch {
		if len(p.Data) > 0 {
			all ^= p.Data[0]
		}
	}
	in.touched = all // or the compiler would see that it is for nothing
}

// choose finds the shard of each packet and returns the set of these shards.
func (h *Host) choose(a *attachment, iface int, in *batchIn, batch []*buf.Packet) (touched uint64) {
	// With one shard nothing has to be chosen, and no packet is parsed and hashed for
	// it.
	if len(h.shards) == 1 {
		if len(batch) > 0 {
			touched = 1
		}
		return touched
	}
	ethernet := a.attributes.Medium == link.Ethernet
	for i, packet := range batch {
		hash, kind := h.flows.FlowHash(ethernet, packet)
		// What has no flow, such as a fragment, goes to shard 0, which puts it together or
		// answers for the host.
		shard := 0
		switch kind {
		case host.FlowHashed:
			shard = host.ShardOf(hash, len(h.shards))
		case host.FlowAll:
			h.copyToOthers(iface, packet, &in.desk)
		}
		in.shards[i] = uint8(shard)
		touched |= 1 << shard
	}
	return touched
}

// copyToOthers gives a copy of p to every shard but the first. These are the
// few packets that each of them has to know: who has which link address.
func (h *Host) copyToOthers(iface int, p *buf.Packet, d *host.Desk) {
	for i := 1; i < len(h.shards); i++ {
		c := buf.NewPacket()
		n := copy(c.ReceiveInto(p.Len()), p.Data)
		for _, v := range p.Views[:p.N] {
			n += copy(c.Data[n:], v.Bytes())
		}
		c.Data, c.L3 = c.Data[:n], p.L3
		c.Checksum, c.CsumStart, c.CsumOffset = p.Checksum, p.CsumStart, p.CsumOffset
		h.give(i, iface, []*buf.Packet{c}, []uint8{uint8(i)}, d)
	}
}

// attachment is a link that was attached. It keeps its number, and its place in
// shared.attached, when the link is gone.
type attachment struct {
	link       link.Link
	attributes link.Attributes
	queues     []sync.Mutex // held while writing to that queue
	addresses  []wire.Addr  // the host's own on this link

	options   atomic.Pointer[LinkOptions] // that it was attached with, and what has changed; replaced, never changed
	lost      atomic.Pointer[[]*AddressError]
	gone      atomic.Pointer[LinkError]
	unplugged bool // the host knows; under its lock
	replaced  bool // another link has its memberships; under the host's lock
}

// write sends packets by the queue that shard s uses: a flow keeps its order.
// What is for a link that is gone is dropped.
func (a *attachment) write(shard int, batch []*buf.Packet) error {
	if a.gone.Load() != nil {
		for _, packet := range batch {
			packet.Release()
		}
		return nil
	}
	// Always the same queue for a shard, so that two packets of a flow cannot overtake
	// each other in the device; where shards share one, they wait for each other here.
	queue := shard % len(a.queues)
	a.queues[queue].Lock()
	defer a.queues[queue].Unlock()
	return a.link.Write(queue, batch)
}

// fail notes why a link no longer works, and stops its readers, which clean up. The
// caller may be anybody who sends, and hold any lock.
func (a *attachment) fail(err error) {
	if a.gone.CompareAndSwap(nil, &LinkError{a.attributes.Name, err}) {
		a.link.Close()
	}
}

// batchOut is a batch of packets on the way out.
type batchOut struct {
	packets [batchSize]*buf.Packet
	links   [batchSize]uint8
	n       int
}

// receive takes those packets of a batch that are for the shard, and returns what
// came of them that is for others.
func (s *shard) receive(iface int, batch []*buf.Packet, shards []uint8, d *host.Desk) (others []handedOver) {
	now := s.lock()
	mine := s.mine[:0]
	for i, p := range batch {
		switch {
		case int(shards[i]) != s.index:
		case s.err != nil:
			p.Release()
		default:
			mine = append(mine, p)
		}
	}
	s.host.ReceiveAt(now, iface, mine, d)
	s.mine = mine
	// Whether all was acknowledged is no readiness of a connection: those few calls of
	// Close look again after each batch.
	s.lingering.wakeAll()
	others = s.takeHandover()
	s.flushAndUnlock(now)
	return others
}

// handedOver is a packet made of fragments, which all go to shard 0, that
// belongs to another shard.
type handedOver struct {
	packet       *buf.Packet
	iface, shard int
}

// takeHandover collects them under the lock. Giving them needs the locks of other
// shards, which nobody takes while holding one.
func (s *shard) takeHandover() (all []handedOver) {
	for {
		p, iface, shard := s.host.NextHandover()
		if p == nil {
			return all
		}
		all = append(all, handedOver{p, iface, shard})
	}
}

// sendAndUnlock sends until there is nothing more to send, unlocks, and delivers what is for
// those of RelayTo. The caller holds the lock and has set sending.
func (s *shard) sendAndUnlock(now clock.Time) {
	for round := 1; s.pull(now); round++ {
		s.mu.Unlock()
		s.write()
		s.mu.Lock()
		// sending stays set: the other goroutine goes on where this one stops, and nobody
		// comes between.
		if round == flushRounds && s.err == nil {
			s.shared.running.Add(1)
			go s.sendOn()
			s.mu.Unlock()
			return
		}
		now = s.shared.now()
	}
	s.sending = false
	s.sendDone.wakeAll()
	s.arm(now)
	k := s.takeEager()
	s.mu.Unlock()
	k.deliverAll()
}

// pull fills the batch and reports whether there is anything in it.
// Who waited for the room that this makes is woken.
func (s *shard) pull(now clock.Time) bool {
	o := &s.out
	for o.n = 0; o.n < batchSize; o.n++ {
		p, iface := s.host.Output(now)
		if p == nil {
			break
		}
		o.packets[o.n], o.links[o.n] = p, uint8(iface)
	}
	s.notify()
	s.report()
	return o.n > 0
}

// write gives the batch to the links, as many packets at once as go
// the same way. The caller is in sendAndUnlock and does not hold the lock.
func (s *shard) write() {
	o := &s.out
	attached := *s.shared.attached.Load()
	for from := 0; from < o.n; {
		to := from + 1
		for to < o.n && o.links[to] == o.links[from] {
			to++
		}
		a := attached[o.links[from]]
		if err := a.write(s.index, o.packets[from:to]); err != nil {
			a.fail(err)
		}
		from = to
	}
	clear(o.packets[:o.n]) // they are the links' now
}
