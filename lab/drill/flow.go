package drill

import (
	"bytes"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// firstRemotePort is that of the first peer that has not been given one.
const firstRemotePort = 53055

// firstLocalPort is that of the first connection that is opened without one.
const firstLocalPort = 40000

// peerISN is what a script's 0 is on the wire, of the stream that the script sends: near the
// wrap, so that every script crosses it.
const peerISN = seq.Num(0xffff_ff00)

// flow is a connection as the script sees it: with numbers of its own.
type flow struct {
	tuple wire.Tuple // Local is the host's
	// own is what the script's 0 is on the wire, of the host's stream: known from its SYN on.
	own   seq.Num
	known bool
	// peer is what the script calls the number of its own SYN. As in packetdrill it counts so
	// in segments that have SYN; in all others the first byte is 1.
	peer  seq.Num
	met   bool
	acked seq.Num // by the script, at most: for a Kernel
	// fresh: the next SYN of the host begins another connection.
	fresh bool
	// stamps are the host's timestamps by what the script calls them.
	stamps     map[uint32]uint32
	lastStamp  stamp
	fromSynAck bool    // the last is
	early      int     // bytes of text on the peer's SYN
	socket     *socket // nil: no program has it
	wrote      []byte  // what programs wrote, from the first byte on
	read       int     // how much they have read
}

// stamp is a timestamp in both words.
type stamp struct{ script, live uint32 }

// flowTo returns the flow of a tuple, and makes it where there is none.
func (p *player) flowTo(t wire.Tuple) *flow {
	for _, f := range p.flows {
		if f.tuple == t {
			return f
		}
	}
	f := &flow{tuple: t, stamps: map[uint32]uint32{}}
	p.flows = append(p.flows, f)
	return f
}

// tuple returns the four-tuple of a peer's port and one of ours.
func (p *player) tuple(local, remote uint16) wire.Tuple {
	return wire.Tuple{Local: wire.AddrFrom(p.local), Remote: wire.AddrFrom(p.remote), LocalPort: local, RemotePort: remote}
}

// flowOfArrival returns whose packet it is that arrives. A SYN for a listener that has had
// none begins a connection, as in packetdrill; every other packet without ports is of the
// connection that there is.
func (p *player) flowOfArrival(src, dst uint16, syn bool) *flow {
	if src != 0 {
		f := p.flowTo(p.tuple(dst, src))
		p.flow = f
		return f
	}
	if l := p.listening(); p.flow == nil || syn && l != nil && !l.tried {
		local := p.bindPort
		if l != nil {
			local, l.tried = l.local, true
		}
		p.flow = p.flowTo(p.tuple(local, p.port))
		p.port++
	}
	return p.flow
}

// listening returns the listening socket that was made last.
func (p *player) listening() (last *socket) {
	for _, s := range p.sockets {
		if s.listener != nil && (last == nil || s.born > last.born) {
			last = s
		}
	}
	return last
}

// reborn notes a SYN that may begin another connection of the same ports.
func (p *player) reborn(f *flow) {
	if s := p.host.TCP().Look(f.tuple).State; s == tcp.TimeWait || s == tcp.Listen || s == tcp.Closed {
		f.fresh = true
	}
}

// learn takes the number of the host's SYN for what the script calls it.
func (f *flow) learn(live, called seq.Num) {
	if !f.known || f.fresh {
		f.own, f.known, f.fresh = live-called, true, false
	}
}

// meet takes the number of a SYN of the peer that may have begun a connection, which was in
// such a state before. A SYN that is refused moves nothing.
func (p *player) meet(f *flow, called seq.Num, before tcp.State) {
	begins := before == tcp.Listen || before == tcp.SynSent || before == tcp.TimeWait && p.host.TCP().Look(f.tuple).State != tcp.TimeWait
	if p.Kernel != nil {
		begins = !f.met
	}
	if begins {
		f.peer, f.met = called, true
	}
}

// forget takes back the number of a SYN that a Kernel answers by a RST: it has begun nothing.
func (p *player) forget(f *flow, s *segment) {
	if p.Kernel != nil && s.tcp.Flags.Has(wire.RST) && !f.known {
		f.peer, f.met = 0, false
	}
}

// from is what 0 is on the wire, of the script's own stream, in a segment with such flags.
func (f *flow) from(flags wire.Flags) seq.Num {
	if flags.Has(wire.SYN) {
		return peerISN
	}
	return peerISN + f.peer
}

// ecr returns what a timestamp of the host is on the wire that the script echoes. One that
// the script has not seen lies as far from the last as the script says.
func (f *flow) ecr(called uint32) uint32 {
	if live, ok := f.stamps[called]; ok || called == 0 {
		return live
	}
	return f.lastStamp.live + called - f.lastStamp.script
}

// text is what the script's segments carry: each byte says its number.
func text(first seq.Num, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(first) + byte(i)
	}
	return b
}

// checkText fails when a segment carries other text than what programs wrote.
func (p *player) checkText(data []byte) {
	s, ok := parseSegment(data)
	if !ok || len(s.payload) == 0 {
		return
	}
	for _, f := range p.flows {
		if f.tuple != s.tuple || f.wrote == nil {
			continue
		}
		i := p.host.TCP().Look(f.tuple)
		at := int(int32(uint32(s.tcp.Seq) - i.ISS - 1))
		if i.ISS != 0 && (at < 0 || at+len(s.payload) > len(f.wrote) || !bytes.Equal(f.wrote[at:at+len(s.payload)], s.payload)) && !f.fresh && len(s.payload) > 1 {
			p.fail("bytes %d to %d of the stream are not what the program wrote", at+1, at+1+len(s.payload))
		}
	}
}
