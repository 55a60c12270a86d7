package soak

import (
	"errors"
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Relation is a change that should make no difference. A life is played twice, without it
// and with it, and compared. No expected output is needed: that is how faults are found
// which lie in the expectation, too.
type Relation struct {
	// Name says what is other in the second life.
	Name string
	// Exact is whether both lives must be the same, packet by packet and nanosecond by
	// nanosecond, sequence numbers and timestamps taken from where they begin. Otherwise
	// the wires do other things to other packets, and what must be the same is what
	// programs see: all the bytes and the end of both streams.
	Exact bool

	clocks  bool // what it changes are the clocks
	applies func(*plan) bool
	// change makes the second life other than the first; both are as drawn before.
	change func(one, two *life)
}

// relations are all of them.
var relations = []Relation{
	{"again", true, false, (*plan).always, func(_, _ *life) {}},
	{"renumbered", true, false, (*plan).undisturbed, renumber},
	{"later", true, true, (*plan).undisturbed, postpone},
	{"in batches", false, false, (*plan).gentle, func(_, x *life) { x.bothHosts(func(h *hostPlan) { h.batches = !h.batches }) }},
	{"in super-segments", false, false, (*plan).gentle, func(_, x *life) { x.bothHosts(func(h *hostPlan) { h.supers = !h.supers }) }},
	{"offloaded", false, false, (*plan).gentle, func(_, x *life) { x.bothHosts(func(h *hostPlan) { h.offload = !h.offload }) }},
	{"over the other IP", false, false, (*plan).fitsIPv6, func(_, x *life) { x.plan.v6 = !x.plan.v6 }},
	{"by cookie", false, false, (*plan).cookieSafe, byCookie},
	{"in smaller segments", false, false, (*plan).gentle, func(_, x *life) { x.bothHosts(func(h *hostPlan) { h.mtu = max(h.mtu-300, smallest(x.plan.v6)) }) }},
	{"with old segments", false, false, (*plan).gentle, repeatOld},
}

// Relations returns all relations.
func Relations() []Relation { return relations }

// Applies reports whether the relation says anything of the life of a seed.
func (r Relation) Applies(seed uint64) bool { return r.applies(new(draw(seed))) }

// Compare plays the life of a seed without and with a relation that applies to it, and
// returns what is not related as it must be.
func Compare(seed uint64, r Relation) error {
	one, two := r.pair(seed, false)
	err := differ(one, two, r.Exact)
	if err != nil && r.Exact {
		one, two = r.pair(seed, true)
		err = fmt.Errorf("%w: %s", err, firstDifference(one.digest, two.digest))
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", r.Name, err)
	}
	return err
}

// pair plays both lives, the second one first: where its streams are aimed its clocks tell
// only then what time it is, and those of the other must be the same.
func (r *Relation) pair(seed uint64, lines bool) (one, two *life) {
	one, two = newLife(seed, draw(seed)), newLife(seed, draw(seed))
	r.change(one, two)
	if r.Exact {
		one.digest, two.digest = newDigest(lines), newDigest(lines)
		// Hosts that share keys do not keep where a clock of timestamps began that is not
		// theirs: in TIME-WAIT it may be ahead.
		for _, x := range []*life{one, two} {
			x.plan.aim.on[1] = x.plan.aim.on[1] && x.plan.both
		}
	}
	two.play()
	if r.Exact && !r.clocks {
		for i := range one.plan.hosts {
			one.plan.hosts[i].clock = two.w.Clock(two.names[i])
		}
	}
	one.play()
	return one, two
}

// differ says in what two lives differ that must not.
func differ(one, two *life, exact bool) error {
	switch {
	case one.Err != nil:
		return fmt.Errorf("without it: %w", one.Err)
	case two.Err != nil:
		return fmt.Errorf("with it: %w", two.Err)
	case exact && (one.digest.vague || two.digest.vague):
		return nil
	case exact && one.digest.sum != two.digest.sum:
		return errors.New("what is sent differs")
	}
	for i, v := range one.visits {
		for side := range v.ends {
			a, b := &v.ends[side], &two.visits[i].ends[side]
			if !a.sameAs(b, exact) {
				return fmt.Errorf("%v: got %d, wrote %d, end %v, error %v; and got %d, wrote %d, end %v, error %v", a,
					a.got, a.written, a.eof, a.err, b.got, b.written, b.eof, b.err)
			}
		}
	}
	return nil
}

// sameAs reports whether the programs at two ends saw the same. That what was read was
// right is known of both.
func (e *end) sameAs(o *end, exact bool) bool {
	unheard := !exact && (e.unheard(&e.visit.ends[1-e.side]) || o.unheard(&o.visit.ends[1-o.side]))
	return e.got == o.got && e.written == o.written && (unheard || e.eof == o.eof && errors.Is(e.err, o.err))
}

// firstDifference is where two digests begin to differ.
func firstDifference(a, b *digest) string {
	for i := range min(len(a.lines), len(b.lines)) {
		if a.lines[i] != b.lines[i] {
			return fmt.Sprintf("packet %d is %s; and %s", i+1, a.lines[i], b.lines[i])
		}
	}
	return fmt.Sprintf("%d packets, and %d", len(a.lines), len(b.lines))
}

func (p *plan) always() bool { return true }

// undisturbed says that nothing is put on the wire which was not sent, or guessed numbers
// would be at other places of other number spaces; and that no congestion control draws
// from the secrets of the host when it probes.
func (p *plan) undisturbed() bool {
	return len(p.shots) == 0 && p.flood.count == 0 && p.strays.count == 0 && p.hosts[0].tcp.CongestionControl != "bbr" && p.hosts[1].tcp.CongestionControl != "bbr"
}

// gentle says that every connection of a plan must be whole.
func (p *plan) gentle() bool {
	for i := range p.visits {
		if v := &p.visits[i]; v.ends[0].quit != "" || v.ends[1].quit != "" {
			return false
		}
	}
	return p.mercy()
}

func (p *plan) fitsIPv6() bool { return p.gentle() && min(p.hosts[0].mtu, p.hosts[1].mtu) >= 1280 }

// cookieSafe says that the client's first segment arrives: a cookie lets nobody ask twice.
func (p *plan) cookieSafe() bool { return p.gentle() && p.clean() }

func (x *life) bothHosts(change func(*hostPlan)) {
	for i := range x.plan.hosts {
		change(&x.plan.hosts[i])
	}
}

// smallest is the least MTU that a link may have.
func smallest(v6 bool) int {
	if v6 {
		return 1280
	}
	return 150
}

// renumber draws other secrets, and aims the streams that can be aimed to the microsecond.
func renumber(one, two *life) {
	two.secrets = two.Seed ^ 0x5eed
	one.plan.aim.on, two.plan.aim.on = [2]bool{}, [2]bool{true, true}
}

// grid is a multiple of what clocks tick in: 15 ms, 500 µs, and the 2^28 nanoseconds that
// the engine counts in where it has little room.
const grid = 234_375 << 28

// postpone lets the clocks of both hosts begin much later: so that they pass where 31 or 32
// bits of milliseconds end, or up to 200 years.
func postpone(one, two *life) {
	d := diceOf(two.Seed, forRelations)
	const millisecond = clock.Time(time.Millisecond)
	to := oneOf(d, millisecond<<31, millisecond<<32, clock.Time(d.time(200*365*24*time.Hour)))
	for i := range two.plan.hosts {
		at := max(to-clock.Time(d.time(time.Minute)), 0)
		two.plan.hosts[i].clock.Offset, one.plan.hosts[i].clock.Offset = time.Duration(at), time.Duration(at%grid)
	}
	one.plan.aim, two.plan.aim = aim{}, aim{}
}

func byCookie(_, x *life) {
	c := &x.plan.hosts[1].tcp.Cookies
	if *c == tcp.CookiesAlways {
		*c = tcp.CookiesAuto
	} else {
		*c = tcp.CookiesAlways
	}
}

// repeatOld has the wire deliver what was sent a while ago.
func repeatOld(_, x *life) {
	d := diceOf(x.Seed, forRelations)
	for range 30 {
		x.plan.shots = append(x.plan.shots, shot{at: d.time(time.Minute), kind: oldSegment, side: d.IntN(2)})
	}
}
