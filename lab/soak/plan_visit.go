package soak

import (
	"math"
	"time"
)

// visitPlan is a connection that is to be, or several with the same ports one after the
// other.
type visitPlan struct {
	ports  [2]uint16
	open   time.Duration // when the client begins
	rounds int
	gap    time.Duration // between two rounds
	fast   bool          // by Fast Open, where both hosts do so
	ends   [2]endPlan
}

// endPlan is what the programs of one end of a connection mean to do.
type endPlan struct {
	total  int           // bytes that it writes
	chunk  int           // at most so many at a time
	readBy int           // at most so many at a time
	pause  time.Duration // now and then, at most

	stop, silence hole // of its reader; of its writer

	quit    string // "": stays until both streams have ended; close, abort: leaves in between
	quitAt  time.Duration
	linger  time.Duration // 0: none
	patient time.Duration // how long a read waits before it is tried again; 0: for ever

	hasty bool // who opens goes on before the handshake is done

	noDelay, keepAlive, urgent bool
	resizes                    []resize
}

// hole is a time in which nothing is done, when so many bytes are done.
type hole struct {
	at int
	by time.Duration
}

// resize is a change of buffers while a connection lives; 0 leaves one as it is.
type resize struct {
	at            time.Duration
	receive, send int
}

// Sizes of lives, in bytes.
const (
	usual    = 60_000
	large    = 1 << 20
	gigantic = 1 << 30
)

// gigaSeeds is of how many seeds one carries gigabytes.
const gigaSeeds = 20_000

func (p *plan) drawVisits(d dice, seed uint64) {
	most, visits := usual, 1+d.upTo(4)
	switch {
	case seed%gigaSeeds == gigaSeeds-1:
		p.drawGigabytes(d)
		return
	case d.chance(0.05):
		most = large
	case d.chance(0.03):
		most, visits = usual/10, 10+d.upTo(40)
	}
	for i := range visits {
		v := visitPlan{ports: [2]uint16{uint16(40000 + i), uint16(80 + i)}, open: d.time(3 * time.Second), rounds: 1}
		for side := range v.ends {
			v.ends[side] = d.end(most)
		}
		// What one of several rounds leaves behind on the wire must be gone by the next
		// but one, or no TCP could tell them apart: RFC 9293 §3.4.3.
		// https://www.rfc-editor.org/rfc/rfc9293#section-3.4.3
		if d.chance(0.1) && p.mercy() && !p.both && v.ends[0].quit == "" && v.ends[1].quit == "" {
			v.rounds, v.gap = 2+d.upTo(6), d.time(2*time.Minute)
			for side := range p.hosts {
				p.hosts[side].tcp.MSL = 30 * time.Second
			}
		}
		p.visits = append(p.visits, v)
	}
	p.probeTheDead()
}

// probeTheDead has programs whose peer may vanish without a word look after it: who only
// reads would wait for ever.
func (p *plan) probeTheDead() {
	for i := range p.visits {
		v := &p.visits[i]
		if !p.mercy() || v.ends[0].quit != "" || v.ends[1].quit != "" {
			v.ends[0].keepAlive, v.ends[1].keepAlive = true, true
		}
	}
}

// end draws one end of a connection.
func (d dice) end(most int) endPlan {
	e := endPlan{total: d.upTo(most), chunk: 1 + d.upTo(most/3), readBy: 1 + d.upTo(most/3),
		noDelay: d.chance(0.3), keepAlive: d.chance(0.5), urgent: d.chance(0.1)}
	// A connection on which one side never says anything is as legal as any, and rare
	// elsewhere.
	if d.chance(0.2) {
		e.total = 0
	}
	// Small pieces of much would only take long.
	e.total = min(e.total, 60*min(e.chunk, e.readBy))
	if d.chance(0.5) {
		e.pause = d.time(3 * time.Second)
	}
	if d.chance(0.1) { // a reader that stops for long: the window shuts, and is probed
		e.stop = hole{d.upTo(most), d.time(3 * time.Hour)}
	}
	if d.chance(0.1) {
		e.silence = hole{d.upTo(e.total + 1), d.time(8 * time.Hour)}
	}
	if d.chance(0.25) {
		e.quit, e.quitAt = oneOf(d, "close", "close", "abort"), d.time(10*time.Second)
	}
	e.hasty = d.chance(0.15)
	if d.chance(0.1) {
		e.linger = 1 + d.time(time.Minute)
	}
	if d.chance(0.1) {
		e.patient = time.Millisecond + d.time(10*time.Second)
	}
	if d.chance(0.1) {
		for range 1 + d.upTo(6) {
			e.resizes = append(e.resizes, resize{d.time(20 * time.Second), d.upTo(1 << 18), d.upTo(1 << 18)})
		}
	}
	return e
}

// drawGigabytes makes a life of one stream that goes more than once round the number
// space, on a wire that a simulation bears.
func (p *plan) drawGigabytes(d dice) {
	v := visitPlan{ports: [2]uint16{40000, 80}, rounds: 1}
	for side := range v.ends {
		v.ends[side] = endPlan{chunk: 1 << 20, readBy: 1 << 20, keepAlive: true}
	}
	side := d.IntN(2)
	v.ends[side].total = int(min(4*int64(gigantic)+int64(d.upTo(gigantic)), math.MaxInt)) // where an int has 32 bits, half as far
	p.visits, p.changes, p.shots, p.flood, p.strays, p.cutFrom, p.reboots = []visitPlan{v}, nil, nil, flood{}, flood{}, 0, [2]time.Duration{}
	for i := range p.hosts {
		p.hosts[i].batches, p.hosts[i].supers, p.hosts[i].offload, p.hosts[i].mtu = true, true, true, 1500
		p.hosts[i].tcp.ReceiveBuffer, p.hosts[i].tcp.SendBuffer, p.hosts[i].tcp.BufferMemory = 0, 0, 0
		p.hosts[i].tcp.NoSACK, p.hosts[i].tcp.NoWindowScale = false, false
		p.wires[i] = calmed(p.wires[i])
		p.wires[i].Rate, p.wires[i].MTU, p.wires[i].Loss = 0, 0, 0.00002
	}
}
