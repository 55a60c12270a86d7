// Package detect says what the SYNs that a host gets mean: a flood, a flash
// crowd, a port scan, a broken path, or nothing at all; and why.
//
// Its main signal is not a ratio of two rates, which the round trip shifts
// against each other, but the fate of single handshakes: a sample of them is
// followed from the SYN to its end. After 1.125 s a handshake was answered,
// was reset, its SYN was repeated as honest clients do after one second, or
// nothing was heard of it. See docs/DETECTOR.md for the signals, the thresholds
// and their sources, and for what cannot be seen.
//
// The files: detect.go counts, sample.go follows handshakes, sketch.go and scan.go
// know how many sources and ports there are in little memory; judge.go says what it
// means, verdict.go and text.go how that is told.
package detect

import (
	"math/bits"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Tick is how often a detector looks at what it has counted. A client repeats its SYN
// after one second, and a flood should have its name after two: between these there are
// several looks.
const Tick = 125 * time.Millisecond

// matureTicks is the age at which the fate of a handshake is read. A client
// repeats its SYN after one second (RFC 6298 §2.1), so this is a little more.
const matureTicks = 9

// Fates are booked matureTicks late, and a verdict sums the second before that: 17 ticks.
// The next power of two makes the index into the ring a mask.
const (
	history   = 32 // ticks that are remembered
	perSecond = int(time.Second / Tick)
)

// Detector watches the handshakes that one endpoint is asked for. It takes
// less than 16 KiB, holds no pointer and allocates nothing but what Verdict
// returns. Init comes first. The methods that take a now want Advance to have
// been called when it was Due.
type Detector struct {
	seed, seed2 uint64
	due         clock.Time // the end of the present tick
	tick        uint32     // its number
	ring        [history]counts

	flows   flowSample
	known   knownSources
	scans   scanTable
	sources sketch // of the present second
	last    sketch // of the one before
	episode sketch // since the level left Quiet
	ports   sketch // closed ports that were asked for, in this second and the last episode
	port    majority

	judge   judge
	defence Defence
}

// counts are what was counted in one tick. The rest of a handshake's life is
// booked where it began.
type counts struct {
	arrived   uint32 // SYNs for listeners
	syns      uint32 // those that were answered by a SYN-ACK
	synAcks   uint32
	repeats   uint32 // SYN-ACKs sent again
	completed uint32
	resets    uint32
	refused   uint32 // the accept queue was full
	closed    uint32 // SYNs for closed ports
	scanned   uint32 // of these, from a source that scans
	badCookie uint32
	sampled   sampled
}

// Init makes d ready. The seed must be secret, so that no attacker can choose
// addresses that fool the sketches.
func (d *Detector) Init(seed uint64) { *d = Detector{seed: mix(seed, 1), seed2: mix(seed, 2) | 1} }

func (d *Detector) now() *counts { return &d.ring[d.tick%history] }

// Syn notes a SYN for a listener that is answered by a SYN-ACK at once, the
// first one of a handshake or a repeated one. flow is a keyed hash of the
// four-tuple and of the peer's first sequence number.
func (d *Detector) Syn(flow uint64, source wire.Addr, port uint16) {
	d.syn(flow, d.hash(source), port)
}

func (d *Detector) syn(flow, h uint64, port uint16) {
	n := d.now()
	n.arrived++
	d.sources.add(h)
	d.port.add(port)
	d.answering(n, flow, h)
}

// Asked notes a SYN for a listener that is not answered yet, because a program
// is asked for a verdict first.
func (d *Detector) Asked(source wire.Addr, port uint16) {
	d.now().arrived++
	d.sources.add(d.hash(source))
	d.port.add(port)
}

// Answering notes that a SYN-ACK is about to be sent to a SYN that was Asked.
func (d *Detector) Answering(flow uint64, source wire.Addr) {
	d.answering(d.now(), flow, d.hash(source))
}

// answering counts a SYN that is answered. Of a flood nearly none is of the sample, and
// then that is all: one comparison of bits decides it.
func (d *Detector) answering(n *counts, flow, source uint64) {
	if d.judge.scanned.on || flow&d.flows.lookup == 0 {
		d.follow(n, flow, source)
	} else {
		n.syns++
	}
}

// follow is answering for a handshake that may be of the sample, or of a scan.
func (d *Detector) follow(n *counts, flow, source uint64) {
	if d.judge.scanned.on && d.scans.scanning(source) {
		return // its probes of open ports are part of the scan
	}
	n.syns++
	if flow&d.flows.lookup == 0 {
		d.flows.begin(flow, d.tick, d.known.has(source), &n.sampled)
	}
}

// Refused notes a SYN that was dropped because the program does not accept
// fast enough: it says nothing about the peer.
func (d *Detector) Refused(source wire.Addr, port uint16) {
	d.Asked(source, port)
	d.now().refused++
}

// Closed notes a SYN for a port without a listener.
func (d *Detector) Closed(source wire.Addr, port uint16) {
	n := d.now()
	n.closed++
	h := d.hash(source)
	d.sources.add(h)
	d.ports.add(mix(uint64(port)+1, d.seed))
	if d.scans.probe(h, uint64(port)+1, d.tick) {
		n.scanned++
	}
}

// Silent notes a SYN that nothing has answered, as who looks at a network without knowing who
// listens there sees it. place is a name of the address and port that it is for: a source
// that asks at many places in vain scans, and its SYNs are for closed ports. Any other
// counts as Syn.
func (d *Detector) Silent(flow uint64, source wire.Addr, port uint16, place uint64) {
	h := d.hash(source)
	if !d.scans.probe(h, place, d.tick) {
		d.syn(flow, h, port)
		return
	}
	n := d.now()
	n.closed++
	n.scanned++
	d.sources.add(h)
	d.ports.add(mix(place, d.seed))
}

// SynAck notes that a SYN-ACK went out.
func (d *Detector) SynAck(again bool) {
	n := d.now()
	n.synAcks++
	if again {
		n.repeats++
	}
}

// Answered notes the valid last ACK of a handshake.
func (d *Detector) Answered(flow uint64) { d.flows.end(flow, d.tick, answered) }

// Completed notes a connection that is established.
func (d *Detector) Completed(flow uint64, source wire.Addr) {
	d.now().completed++
	d.flows.end(flow, d.tick, answered)
	d.known.add(d.hash(source))
}

// Reset notes a RST that may answer a SYN-ACK.
func (d *Detector) Reset(flow uint64) {
	if d.flows.end(flow, d.tick, reset) {
		d.now().resets++
	}
}

// CookieFailed notes an ACK that should have been a cookie and was none.
func (d *Detector) CookieFailed() { d.now().badCookie++ }

// Due reports whether Advance is wanted.
func (d *Detector) Due(now clock.Time) bool { return now >= d.due }

// Deadline returns when Advance is wanted although nothing arrives: never,
// while all is quiet. An idle host would otherwise wake eight times a second for nothing;
// the next segment makes up for the ticks that were missed.
func (d *Detector) Deadline() clock.Time {
	if d.judge.level == Quiet {
		return clock.Never
	}
	return d.due
}

// Level returns the present level.
func (d *Detector) Level() Level { return d.judge.level }

// Advance ends the ticks that are over. def is what the endpoint is doing
// about it all. It reports whether the level has changed.
func (d *Detector) Advance(now clock.Time, def Defence) (changed bool) {
	was := d.judge.level
	d.defence = def
	if d.due == 0 {
		d.due = now.Add(Tick)
	}
	if now == clock.Never {
		return false // no tick ever ends there
	}
	if behind := now.Sub(d.due); behind >= history*Tick || behind < 0 && d.due <= now { // or more than fits into a Duration
		d.skip(int64(max(behind, history*Tick) / Tick))
		d.due = now.Add(Tick)
		return d.judge.level != was
	}
	for d.due <= now {
		d.turn()
		d.due = d.due.Add(Tick)
	}
	return d.judge.level != was
}

// skip passes over ticks in which nothing arrived.
func (d *Detector) skip(ticks int64) {
	d.tick += history
	d.ring = [history]counts{}
	d.flows.clear()
	d.sources, d.last = sketch{}, sketch{}
	d.judge.skip(ticks)
}

// turn ends the present tick. The fates come first, because the judge reads them; the
// sample is made narrower or wider last, for the tick that begins.
func (d *Detector) turn() {
	d.flows.sweep(d.tick, &d.ring)
	was := d.judge.level
	d.judge.look(d)
	switch {
	// A level changes a second or two after its reason: sources of the second before are
	// of the episode, too.
	case was == Quiet && d.judge.level != Quiet:
		d.episode = d.last
	case d.judge.level == Quiet && was != Quiet:
		d.ports = sketch{}
	}
	d.tick++
	*d.now() = counts{}
	d.flows.adapt(d.tick)
	if d.tick%uint32(perSecond) == 0 {
		d.rotate()
	}
}

// rotate ends a second of the sketches.
func (d *Detector) rotate() {
	d.episode.merge(&d.sources)
	d.last, d.sources = d.sources, sketch{}
	d.port.fade()
	if d.judge.level == Quiet {
		d.ports = sketch{}
	}
}

// second sums the last full second. The present tick is left out: it has only begun, and
// a rate with it would be too low.
func (d *Detector) second() (sum counts) {
	for i := 1; i <= perSecond; i++ {
		n := &d.ring[(d.tick-uint32(i))%history]
		sum.arrived += n.arrived
		sum.syns += n.syns
		sum.synAcks += n.synAcks
		sum.repeats += n.repeats
		sum.completed += n.completed
		sum.resets += n.resets
		sum.refused += n.refused
		sum.closed += n.closed
		sum.scanned += n.scanned
		sum.badCookie += n.badCookie
	}
	return sum
}

// hash is a keyed hash of an address, quick rather than cryptographic: its
// values stay inside, so that the key cannot be learned from them.
func (d *Detector) hash(a wire.Addr) uint64 {
	hi, lo := a.Words()
	return fold(fold(lo^d.seed, hi^d.seed2)^d.seed, 0xaf251af3b0f025b5)
}

// fold multiplies two words and folds the product.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// mix is fold twice: so that every bit of the result hangs on every bit of both.
func mix(a, b uint64) uint64 {
	return fold(fold(a^0x9e3779b97f4a7c15, b^0xd1b54a32d192ed03), 0xaf251af3b0f025b5)
}
