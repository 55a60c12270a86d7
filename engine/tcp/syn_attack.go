package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// attack is the adaptive mode of a listener side under a SYN flood, after
// SynAttackProtect: cookies first, so that nothing is kept for a SYN, and
// SYN-ACKs repeated once at most. A program hears of a connection when a valid
// ACK has shown that the peer is real, which is so in every mode.
//
// It is entered when half-open connections pass one threshold, and left when
// they have fallen below another and the hold time is over. Each time that it
// is entered again soon, the hold time doubles.
type attack struct {
	on    bool
	since clock.Time // when it was entered or left last
	hold  time.Duration
	times uint64 // how often it was entered
}

const (
	attackRetries = 1                // SYN-ACKs repeated under attack
	attackHold    = 15 * time.Second // how long it lasts at least
	attackHoldMax = 16 * time.Minute
)

// watch looks at the number of half-open connections.
func (a *attack) watch(now clock.Time, halfOpen int, cfg *Config) {
	switch {
	case !a.on && halfOpen >= cfg.AttackEnter:
		if a.times > 0 && now.Sub(a.since) < a.hold {
			a.hold = min(2*a.hold, attackHoldMax)
		} else {
			a.hold = attackHold
		}
		a.on, a.since = true, now
		a.times++
	case a.on && halfOpen < cfg.AttackLeave && now.Sub(a.since) >= a.hold:
		a.on, a.since = false, now
	}
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
	e.halfOpen.rehash()
	e.timeWait.rehash()
	for range e.compact.len() {
		o, _ := e.compact.pop()
		o.flow = e.cookies.flow(&o.tuple)
		e.compact.push(o)
	}
}
