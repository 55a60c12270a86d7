package handfast

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/link"
)

// inbound is a batch of packets on the way in.
type inbound struct {
	packets [batchSize]*buf.Packet
	shards  [batchSize]uint8 // whose each packet is
	touched byte
}

// readLink reads one queue of a link until the link is closed.
func (h *Host) readLink(p *port, iface, queue int) {
	in := new(inbound)
	for {
		n, err := p.link.Read(queue, in.packets[:])
		h.distribute(p, iface, in, n)
		if err != nil {
			p.fail(err)
			h.unplug(p, iface)
			return
		}
	}
}

// distribute gives n packets to the shards that they belong to, entering each
// shard once.
func (h *Host) distribute(p *port, iface int, in *inbound, n int) {
	batch := in.packets[:n]
	in.touch(batch)
	touched := h.choose(p, iface, in, batch)
	for i := 0; touched != 0; i, touched = i+1, touched>>1 {
		if touched&1 != 0 {
			h.shards[i].receive(iface, batch, in.shards[:n])
		}
	}
	clear(batch)
}

// touch reads a byte of each packet, so that the processor fetches all their
// headers at the same time from the core that wrote them, and not one after the
// other when they are parsed.
func (in *inbound) touch(batch []*buf.Packet) {
	var all byte
	for _, p := range batch {
		if len(p.Data) > 0 {
			all ^= p.Data[0]
		}
	}
	in.touched = all // or the compiler would see that it is for nothing
}

// choose finds the shard of each packet and returns the set of these shards.
func (h *Host) choose(p *port, iface int, in *inbound, batch []*buf.Packet) (touched uint64) {
	if len(h.shards) == 1 {
		if len(batch) > 0 {
			touched = 1
		}
		return touched
	}
	ethernet := p.attributes.Medium == link.Ethernet
	for i, packet := range batch {
		hash, flow := h.flows.FlowHash(ethernet, packet)
		shard := 0
		switch flow {
		case host.FlowHashed:
			shard = host.ShardOf(hash, len(h.shards))
		case host.FlowAll:
			h.copyToOthers(iface, packet)
		}
		in.shards[i] = uint8(shard)
		touched |= 1 << shard
	}
	return touched
}

// copyToOthers gives a copy of p to every shard but the first. These are the
// few packets that each of them has to know: who has which link address.
func (h *Host) copyToOthers(iface int, p *buf.Packet) {
	for i := 1; i < len(h.shards); i++ {
		c := buf.NewPacket()
		n := copy(c.ReceiveInto(p.Len()), p.Data)
		for _, v := range p.Views[:p.N] {
			n += copy(c.Data[n:], v.Bytes())
		}
		c.Data, c.L3 = c.Data[:n], p.L3
		c.Checksum, c.CsumStart, c.CsumOffset = p.Checksum, p.CsumStart, p.CsumOffset
		h.shards[i].receive(iface, []*buf.Packet{c}, []uint8{uint8(i)})
	}
}

// outbound is a batch of packets on the way out.
type outbound struct {
	packets [batchSize]*buf.Packet
	links   [batchSize]uint8
	n       int
}

// receive gives the shard those packets of a batch that are for it.
func (s *shard) receive(iface int, batch []*buf.Packet, shards []uint8) {
	now := s.enter()
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
	s.host.ReceiveBatch(now, iface, mine)
	s.mine = mine
	s.lingering.wakeAll()
	handover := s.takeHandover()
	s.leave(now)
	for _, h := range handover {
		s.owner.shards[h.shard].receive(h.iface, []*buf.Packet{h.packet}, []uint8{uint8(h.shard)})
	}
}

// handedOver is a packet made of fragments, which all go to shard 0, that
// belongs to another shard.
type handedOver struct {
	packet       *buf.Packet
	iface, shard int
}

func (s *shard) takeHandover() (all []handedOver) {
	for {
		p, iface, shard := s.host.NextHandover()
		if p == nil {
			return all
		}
		all = append(all, handedOver{p, iface, shard})
	}
}

// send sends until there is nothing more to send, and unlocks. The caller holds
// the lock and has set sending.
func (s *shard) send(now clock.Time) {
	for round := 1; s.pull(now); round++ {
		s.mu.Unlock()
		s.write()
		s.mu.Lock()
		if round == flushRounds && s.err == nil {
			s.owner.running.Add(1)
			go s.sendOn()
			s.mu.Unlock()
			return
		}
		now = s.owner.now()
	}
	s.sending = false
	s.sent.wakeAll()
	s.arm(now)
	s.mu.Unlock()
}

// pull fills the outbound batch and reports whether there is anything in it.
// Who waited for the room that this makes is woken.
func (s *shard) pull(now clock.Time) bool {
	o := &s.outbound
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

// write gives the outbound batch to the links, as many packets at once as go
// the same way. The caller is in send and does not hold the lock.
func (s *shard) write() {
	o := &s.outbound
	ports := *s.owner.ports.Load()
	for from := 0; from < o.n; {
		to := from + 1
		for to < o.n && o.links[to] == o.links[from] {
			to++
		}
		p := ports[o.links[from]]
		if err := p.write(s.index, o.packets[from:to]); err != nil {
			p.fail(err)
		}
		from = to
	}
	clear(o.packets[:o.n])
}
