package oracle

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// Wire judges the packets that one host sends, by what it has sent and by what
// was delivered to it. What becomes of packets in between, and what others send,
// it need not know. A host that has lost its memory gets a new one.
//
// The zero value is ready to be used.
type Wire struct {
	// MTU is the largest IP packet that the host may send, in bytes; 0: any.
	MTU int

	flows  map[flowKey]*flow
	order  []flowKey // of flows, the oldest first
	forgot bool      // some were forgotten
	blind  bool      // fragments came: what they are part of is not known
	narrow bool      // ICMP has told of a narrow link
}

// flowKey names a connection from the host's side.
type flowKey struct {
	local, remote         address
	localPort, remotePort uint16
}

// flow is what was seen of a four-tuple.
type flow struct {
	peers  []*arrivals // by the peer's SYNs, the oldest first
	lives  []*life     // the oldest first
	heard  []heard     // what came last and could be answered by a RST
	forgot bool        // not all of these are remembered
}

// heard is a segment that came.
type heard struct {
	seq, ack, length uint32
	flags            uint16
}

// Bounds of what is remembered. Beyond them the oldest goes, and rules that would
// need it are not held against anybody.
const (
	maxFlows = 4096
	maxPeers = 8
	maxLives = 8
	maxHeard = 64
)

// Delivered takes note of a packet that reached the host, whoever sent it.
func (w *Wire) Delivered(_ clock.Time, data []byte) {
	p, usable, _ := parse(data)
	switch {
	case !usable:
		return
	case p.fragment:
		w.blind = true
		return
	case p.proto != protoTCP:
		w.narrow = w.narrow || p.proto == protoICMP && p.body[0] == 3 && p.body[1] == 4
		return
	}
	f := w.flow(flowKey{p.dst, p.src, p.dstPort, p.srcPort})
	f.deliver(&p)
}

// TTLSet takes note that a program has set a TTL: from now on each connection keeps that of its
// next segment.
func (w *Wire) TTLSet() {
	for _, f := range w.flows {
		for _, l := range f.lives {
			l.ttl = 0
		}
	}
}

func (w *Wire) flow(k flowKey) *flow {
	if f := w.flows[k]; f != nil {
		return f
	}
	if w.flows == nil {
		w.flows = map[flowKey]*flow{}
	}
	if len(w.order) == maxFlows {
		delete(w.flows, w.order[0])
		w.order, w.forgot = w.order[1:], true
	}
	f := &flow{forgot: w.forgot}
	w.flows[k] = f
	w.order = append(w.order, k)
	return f
}

func (f *flow) deliver(p *packet) {
	if !p.has(flagRST) {
		f.heard = bounded(f.heard, heard{p.seq, p.ack, p.length(), p.flags}, maxHeard, &f.forgot)
	}
	if p.has(flagSYN) && !p.has(flagRST) {
		f.meet(p)
	}
	shift := uint8(0)
	for _, a := range f.peers {
		a.deliver(p)
		if a.options.has(optScale) {
			shift = max(shift, a.options.shift)
		}
	}
	for _, l := range f.lives {
		// A window that was not scaled is the largest that can have been meant.
		own := shift
		if !l.blind && !l.options.has(optScale) {
			own = 0
		}
		l.deliver(p, own)
		// One with the very number ends it (RFC 5961 §3), which may be any that came.
		if a := f.peer(l.irs); p.has(flagRST) && l.known && a != nil && a.place(p.seq) >= l.acked && a.place(p.seq) <= a.have {
			l.reset, l.refused = l.reset || l.acked == a.have, true
		}
	}
}

// meet takes note of a SYN.
func (f *flow) meet(p *packet) {
	for _, a := range f.peers {
		if a.irs == p.seq {
			o := a.options
			a.several = a.several || o.set != p.options.set || o.mss != p.options.mss || o.shift != p.options.shift
			a.options.set |= p.options.set
			a.options.mss, a.options.shift = max(o.mss, p.options.mss), max(o.shift, p.options.shift)
			a.window, a.synText = max(a.window, p.window), max(a.synText, len(p.text))
			return
		}
	}
	a := &arrivals{irs: p.seq, options: p.options, window: p.window, synText: len(p.text)}
	f.peers = bounded(f.peers, a, maxPeers, &f.forgot)
}

// bounded appends x; at the bound the first one goes, and forgot is set.
func bounded[T any](list []T, x T, bound int, forgot *bool) []T {
	if len(list) == bound {
		*forgot = true
		list = slices.Delete(list, 0, 1)
	}
	return append(list, x)
}

// peer returns what came of the stream with this first number, or nil.
func (f *flow) peer(irs uint32) *arrivals {
	for _, a := range f.peers {
		if a.irs == irs {
			return a
		}
	}
	return nil
}

// life returns the newest life that a segment with this number can be of, or nil.
func (f *flow) life(seq uint32) *life {
	for i := len(f.lives) - 1; i >= 0; i-- {
		if l := f.lives[i]; l.speaks(seq) {
			return l
		}
	}
	return nil
}
