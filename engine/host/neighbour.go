package host

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// The constants of RFC 4861 §10, which serve ARP as well.
// https://www.rfc-editor.org/rfc/rfc4861#section-10
const (
	maxSolicit    = 3                // MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
	retransTimer  = time.Second      // RETRANS_TIMER
	reachableTime = 30 * time.Second // REACHABLE_TIME, times 0.5 to 1.5
	delayFirst    = 5 * time.Second  // DELAY_FIRST_PROBE_TIME
)

// maxWaiting is how many packets wait for one neighbour; a new one takes the place of
// the oldest (RFC 4861 §7.2.2). Each fragment of a datagram is one: this is what 64 KiB
// are on a path of 576 bytes. Their memory is bounded by Config.MaxNeighbourBytes.
const maxWaiting = 128

// neighbourState is RFC 4861 §7.3.2's.
type neighbourState uint8

const (
	incomplete neighbourState = iota // asked, not answered: packets wait
	reachable                        // answered not long ago
	stale                            // known, perhaps wrong; not in use
	delaying                         // stale and used: asks again soon
	probing                          // asks again, by unicast
	gone                             // removed from the table
)

// neighbour is what we know of one address on an Ethernet link.
type neighbour struct {
	key   neighbourKey
	state neighbourState
	asked int
	hw    [6]byte
	// until ends reachable; in the states that wait it is when the timer fires.
	until   clock.Time
	used    clock.Time
	waiting fifo[queued]
	last    *buf.Block // the last one that was counted of what waits
}

type neighbourKey struct {
	addr  wire.Addr
	iface int
}

// waits reports whether a timer runs for n. That reachable is over shows when n is used
// next: a neighbour that nobody speaks with is not asked for.
func (n *neighbour) waits() bool {
	return n.state == incomplete || n.state == delaying || n.state == probing
}

// neighbours is the table. It is bounded: see victim.
type neighbours struct {
	byKey    map[neighbourKey]*neighbour
	list     []*neighbour // the same, in the order in which they were made
	limit    int
	maxBytes int        // of memory that packets which wait may hold
	bytes    int        // that they do
	deadline clock.Time // not later than the earliest timer
	scopes   []scope    // by which link link-local addresses are reached, on hosts with several
}

func (t *neighbours) init(limit, maxBytes int) {
	t.byKey, t.limit, t.maxBytes, t.deadline = map[neighbourKey]*neighbour{}, limit, maxBytes, clock.Never
}

// arm sets n's timer.
func (t *neighbours) arm(n *neighbour, at clock.Time) {
	n.until = at
	t.deadline = min(t.deadline, at)
}

func (t *neighbours) remove(n *neighbour) {
	delete(t.byKey, n.key)
	for i := range t.list {
		if t.list[i] == n {
			// In order, because park looks for the one that was asked first.
			t.list = append(t.list[:i], t.list[i+1:]...)
			break
		}
	}
	n.state = gone
	t.drop(n)
}

// victim is who goes when the table is full: first one that never answered, as
// a scan of a network leaves behind (RFC 6583 §7.1), and of those the one used
// longest ago.
func (t *neighbours) victim() *neighbour {
	v := t.list[0]
	for _, n := range t.list[1:] {
		a, b := n.state == incomplete, v.state == incomplete
		if a && !b || a == b && n.used < v.used {
			v = n
		}
	}
	return v
}

// get returns the entry of a neighbour, which it makes when there is none.
func (t *neighbours) get(now clock.Time, key neighbourKey) *neighbour {
	if n := t.byKey[key]; n != nil {
		return n
	}
	if len(t.list) >= t.limit {
		t.remove(t.victim())
	}
	n := &neighbour{key: key, until: now}
	t.byKey[key] = n
	t.list = append(t.list, n)
	return n
}

// resolve finds the hardware address for a packet to d. When it is not known
// the packet waits with the neighbour, or is dropped, and ok is false.
func (h *Host) resolve(now clock.Time, d *destination, p *buf.Packet) (hw [6]byte, ok bool) {
	if d.kind.isGroup() {
		return groupHardware(d.addr), true
	}
	// What the cache of destinations points to may have been thrown out of the table since.
	n := d.neighbour
	if n == nil || n.state == gone {
		n = h.neighbours.get(now, neighbourKey{d.nextHop(), d.route.iface})
		d.neighbour = n
	}
	n.used = now
	if n.state == reachable && now < n.until {
		return n.hw, true
	}
	return h.useUnsure(now, n, p)
}

// useUnsure is resolve for a neighbour that is not known to be reachable.
func (h *Host) useUnsure(now clock.Time, n *neighbour, p *buf.Packet) (hw [6]byte, ok bool) {
	switch n.state {
	case incomplete:
		h.park(n, p)
		// Only the first packet asks. The timer repeats the question, however many
		// packets wait.
		if n.asked == 0 {
			h.ask(now, n)
		}
		return hw, false
	// It is used although it may be wrong, which it seldom is; the question follows,
	// five seconds later. https://www.rfc-editor.org/rfc/rfc4861#section-7.3.3
	case reachable, stale:
		n.state = delaying
		h.neighbours.arm(n, now.Add(delayFirst))
	}
	return n.hw, true
}

// park lets p wait for n's answer. When too much memory waits, in all, what
// waits for the neighbour that was asked first goes.
func (h *Host) park(n *neighbour, p *buf.Packet) {
	t := &h.neighbours
	if n.waiting.len() == maxWaiting {
		h.counters.IpOutDiscards += t.dropOldest(n)
	}
	most := heldBy(p, new(*buf.Block))
	for i := 0; i < len(t.list) && t.bytes > 0 && t.bytes+most > t.maxBytes; i++ {
		h.counters.IpOutDiscards += t.drop(t.list[i])
	}
	e := queued{packet: p, held: heldBy(p, &n.last)}
	t.bytes += e.held
	n.waiting.push(e)
}

// take returns the packet that has waited longest for n; nil when none waits.
func (t *neighbours) take(n *neighbour) *buf.Packet {
	e, _ := n.waiting.pop()
	t.bytes -= e.held
	if n.waiting.len() == 0 {
		n.waiting, n.last = fifo[queued]{}, nil // its room is for when it is needed
	}
	return e.packet
}

// drop drops what waits for n, and returns how many packets that was.
func (t *neighbours) drop(n *neighbour) (count uint64) {
	for n.waiting.len() > 0 {
		count += t.dropOldest(n)
	}
	return count
}

// dropOldest drops the datagram that has waited longest for n, and returns how many
// packets that was: without one of its fragments the others are of no use to anybody.
func (t *neighbours) dropOldest(n *neighbour) (count uint64) {
	for more := true; more && n.waiting.len() > 0; count++ {
		p := t.take(n)
		var ip wire.IP
		more = wire.ParseQuotedIP(p.Data[p.L3:], &ip) == wire.None && ip.MoreFragments
		p.Release()
	}
	return count
}

// ask sends one question and arms the timer for the next.
func (h *Host) ask(now clock.Time, n *neighbour) {
	n.asked++
	h.neighbours.arm(n, now.Add(retransTimer))
	if n.key.addr.Is4() {
		h.askARP(n)
	} else {
		h.askNDP(n)
	}
}

// learn takes an answer to a question of ours: what waited leaves.
func (h *Host) learn(now clock.Time, n *neighbour, hw [6]byte) {
	n.hw, n.state, n.asked = hw, reachable, 0
	// Random, so that hosts that have learned together do not all ask together.
	// https://www.rfc-editor.org/rfc/rfc4861#section-6.3.2
	n.until = now.Add(reachableTime/2 + time.Duration(h.keys.reachable.next()%uint64(reachableTime)))
	for p := h.neighbours.take(n); p != nil; p = h.neighbours.take(n) {
		copy(p.Data[:6], hw[:])
		h.enqueue(n.key.iface, p)
	}
}

// hear takes what a neighbour says of itself without being asked: it changes
// an entry that exists, which is then to be confirmed, and never makes one.
func (h *Host) hear(n *neighbour, hw [6]byte) {
	// What nobody asked for cannot complete an entry, or any host on the link could
	// answer for any other.
	if n.state == incomplete || n.hw == hw {
		return
	}
	n.hw, n.state, n.asked = hw, stale, 0
}

// advanceNeighbours runs the timers that are due.
func (h *Host) advanceNeighbours(now clock.Time) {
	t := &h.neighbours
	if now < t.deadline {
		return
	}
	t.deadline = clock.Never
	// Backwards, because a neighbour that does not answer is removed.
	for i := len(t.list) - 1; i >= 0; i-- {
		n := t.list[i]
		switch {
		case !n.waits():
		case now < n.until:
			t.arm(n, n.until)
		default:
			h.neighbourTimer(now, n)
		}
	}
}

func (h *Host) neighbourTimer(now clock.Time, n *neighbour) {
	if n.state == delaying {
		n.state, n.asked = probing, 0
	}
	if n.asked < maxSolicit {
		h.ask(now, n)
		return
	}
	// All questions are asked. Who has sent what waits would otherwise wait for a timeout of
	// minutes.
	for p := h.neighbours.take(n); p != nil; p = h.neighbours.take(n) {
		h.reportUnreachable(now, p)
		p.Release()
	}
	h.neighbours.remove(n)
}

// reportUnreachable tells the sender of p that its next hop does not answer. No
// one can forge that, so unlike an ICMP message it ends an attempt to connect at
// once, as on Linux.
func (h *Host) reportUnreachable(now clock.Time, p *buf.Packet) {
	h.counters.IpOutDiscards++
	q, ok := parseQuote(p.Data[p.L3:])
	if !ok {
		return
	}
	switch q.ip.Proto {
	case wire.ProtoTCP:
		h.tcp.ReceiveICMP(now, q.tuple, tcp.ICMPError{Kind: tcp.ICMPHard, Failure: tcp.HostUnreachable, Seq: q.seq})
	case wire.ProtoUDP:
		h.failUDP(q.tuple, tcp.HostUnreachable)
	}
}

// groupHardware is the Ethernet address of a multicast group or of broadcast.
func groupHardware(a wire.Addr) [6]byte {
	if a.IsMulticast() {
		return wire.MulticastHW(a)
	}
	return wire.Broadcast
}
