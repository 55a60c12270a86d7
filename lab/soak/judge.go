package soak

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// patience is how long nothing may move, once the wires are calm and no program sleeps: the
// longest retransmission timeout is two minutes, and several in a row may meet a loss, since
// queues stay as short as they are.
const patience = 20 * time.Minute

// moves notes that the visit goes on, and says so when that has taken too long. This is
// liveness: nothing waits for what will not come, or for longer than timers say. Where
// memory is short, a program that sleeps holds what another's connection waits for.
func (v *visit) moves() {
	x := v.life
	since := max(x.calmAt, v.rested, v.moved)
	v.moved = x.w.Now()
	if waited := v.moved.Sub(since); waited > patience && v.asleep == 0 && v.polite() && !x.plan.short() {
		x.fault("port %d: nothing moved for %v, although the wires were calm and all programs awake", v.plan.ports[1], waited)
	}
}

// unheard reports whether all came, but the ACKs of the last text were lost for 2MSL: the
// peer, which has the end, is gone, and answers with a RST.
func (e *end) unheard(peer *end) bool {
	return e.written == e.total && e.got == peer.total && peer.got == e.total && peer.eof && peer.err == nil
}

// forgotten reports whether all came, but the ACKs of the last FIN were lost for 2MSL, and
// who is gone cannot sign the RST that would say so: the other end goes on until it gives up.
// https://www.rfc-editor.org/rfc/rfc5925#section-7.7
func (v *visit) forgotten() bool {
	return v.life.plan.sign.on && (v.ends[0].unheard(&v.ends[1]) || v.ends[1].unheard(&v.ends[0]))
}

// polite reports whether nobody and nothing keeps the visit from being whole.
func (v *visit) polite() bool {
	return v.life.plan.mercy() && v.ends[0].quit == "" && v.ends[1].quit == ""
}

// judge says what must be true of a visit when it is over.
func (v *visit) judge() {
	x, polite, failures := v.life, v.polite(), 0
	for side := range v.ends {
		e, peer := &v.ends[side], &v.ends[1-side]
		if e.eof && (!peer.promised || e.got != peer.written) {
			x.fault("%v: told of the end after %d bytes; %d were written, FIN promised: %v", e, e.got, peer.written, peer.promised)
		}
		if e.err != nil {
			failures = 1
		}
		if polite && !e.unheard(peer) && (e.err != nil || !e.eof || e.written != e.total) {
			x.fault("%v: error %v, end %v, wrote %d of %d, got %d of %d, although no end misbehaved", e, e.err, e.eof, e.written, e.total, e.got, peer.total)
		}
	}
	if polite && v.gaveUp != tcp.CauseNone && !v.forgotten() {
		x.fault("port %d: an end gave up (%v), although no end misbehaved", v.plan.ports[1], v.gaveUp)
	}
	x.Failures += failures
	if polite && failures == 0 {
		x.Polite++
	}
}

// short says whether a host has less memory than its connections may use.
func (p *plan) short() bool { return p.hosts[0].tcp.BufferMemory+p.hosts[1].tcp.BufferMemory > 0 }
