package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
)

// attack is the adaptive mode of a listener side under a SYN flood, after
// SynAttackProtect: cookies first, so that nothing is kept for a SYN, and
// SYN-ACKs repeated once at most. A program hears of a connection when a valid
// ACK has shown that the peer is real, which is so in every mode.
//
// It begins at one number of half-open connections, and is left when they have fallen below
// another and the hold time is over. Each time that it is entered again soon, the hold time
// doubles.
//
// Both numbers are drawn by a key, anew each time. An attacker who knew a threshold could
// fill the cache up to it, and would learn by one more forged SYN whether that made an
// entry, and so whether its four-tuple is in use. With a secret threshold one SYN more changes
// nothing that is not as likely without it, and a threshold that was found is used up.
type attack struct {
	on    bool
	since clock.Time // when it was entered or left last
	hold  time.Duration
	times uint64 // how often it was entered

	key   secret.Key
	draws uint64
	next  int // with how many it begins, or with less than how many it is left; 0: not drawn yet
}

const (
	attackRetries = 1                // SYN-ACKs repeated under attack
	attackHold    = 15 * time.Second // how long it lasts at least
	attackHoldMax = 16 * time.Minute
)

// lowered is a threshold of n, less up to a quarter: one SYN tells a 512th of what there is to
// know where half of the cache is the threshold, and a flood of ten thousands of SYNs per
// second fills that quarter in no time.
func (a *attack) lowered(n int) int { return n - a.draw(n/4) }

// watch looks at the number of half-open connections, for each SYN.
func (a *attack) watch(now clock.Time, halfOpen int, cfg *Config) {
	if a.on != (halfOpen >= a.next) {
		a.turn(now, halfOpen, cfg)
	}
}

// turn follows a number on the other side of the threshold.
func (a *attack) turn(now clock.Time, halfOpen int, cfg *Config) {
	switch {
	case a.next == 0:
		a.next = a.lowered(cfg.AttackEnter)
		a.watch(now, halfOpen, cfg)
	case !a.on:
		if a.times > 0 && now.Sub(a.since) < a.hold {
			a.hold = min(2*a.hold, attackHoldMax)
		} else {
			a.hold = attackHold
		}
		a.on, a.since = true, now
		a.times++
		a.next = a.lowered(cfg.AttackLeave)
	case now.Sub(a.since) >= a.hold:
		a.on, a.since = false, now
		a.next = a.lowered(cfg.AttackEnter)
	}
}

// draw returns a number below n that nobody can predict without the key; 0 when n is less
// than 2.
func (a *attack) draw(n int) int {
	if n < 2 {
		return 0
	}
	a.draws++
	return int(a.key.Word(a.draws) % uint64(n))
}

// UnderAttack reports whether the attack mode is on.
func (e *Endpoint) UnderAttack() bool { return e.attack.on }

// HalfOpen returns how many half-open connections are kept, and how many may be.
func (e *Endpoint) HalfOpen() (count, limit int) { return e.halfOpen.count, e.halfOpen.limit }

// ShareCookieKeys sets the keys of cookies, to be called again in each epoch.
// Without it an endpoint makes its own from Config.Secret.
func (e *Endpoint) ShareCookieKeys(k CookieKeys) {
	if !e.cookies.share(k) {
		return
	}
	e.cfg.fastOpens.made = false // they follow from what has changed, whatever the period
	e.endings = endings{}
	e.halfOpen.rehash()
	e.timeWait.rehash()
	for range e.compact.len() {
		o, _ := e.compact.pop()
		o.flow = e.cookies.flow(&o.tuple)
		e.compact.push(o)
	}
}
