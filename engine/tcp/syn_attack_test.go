package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// prober is somebody who wants to know whether a four-tuple is in use. He keeps the
// half-open cache near a threshold of the attack mode, forges a SYN of the four-tuple, and
// sees by his own SYNs when the mode changes.
type prober struct {
	e   *Endpoint
	l   *Listener
	now clock.Time
	r   *rand.Rand
}

const proberEnter = 512

var probed = wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: 4000}

// probe makes the host of a key, in which the four-tuple is in use or not.
func probe(t *testing.T, key uint64, inUse bool) *prober {
	p := &prober{now: clock.Time(time.Hour), r: rand.New(rand.NewPCG(key, 4))}
	cfg := Config{MaxHalfOpen: 2 * proberEnter}
	cfg.Secret[0], cfg.Secret[1] = byte(key), byte(key>>8)
	p.e, p.l = server(t, cfg)
	if inUse {
		honest(t, p.e, p.l, p.now, probed, 1000, false)
	}
	return p
}

// syn has one of his own SYNs arrive.
func (p *prober) syn() {
	t, s := spoofed(p.r, false, false)
	p.e.Receive(p.now, path1500, &t, &s)
	drain(p.e, p.now)
	p.now = p.now.Add(10 * time.Millisecond)
}

// forge has the SYN arrive that he forges.
func (p *prober) forge() {
	s := synSegment(probed, seq.Num(77), false)
	p.e.Receive(p.now, path1500, &probed, &s)
	drain(p.e, p.now)
}

// pass lets time pass.
func (p *prober) pass(d time.Duration) {
	end := p.now.Add(d)
	for p.e.Deadline() <= end {
		p.now = max(p.now, p.e.Deadline())
		p.e.Advance(p.now)
		drain(p.e, p.now)
	}
	p.now = end
}

// advantage is by how much what he sees differs at most between hosts in which the four-tuple
// is in use, and others: the largest distance of the distributions of when.
func advantage(t *testing.T, keys int, when func(p *prober) int) (most float64) {
	var count [2]map[int]int
	last := 0
	for i, inUse := range []bool{false, true} {
		count[i] = map[int]int{}
		for key := range keys {
			at := when(probe(t, uint64(key), inUse))
			count[i][at]++
			last = max(last, at)
		}
	}
	sum := 0
	for at := range last + 1 {
		sum += count[0][at] - count[1][at]
		most = max(most, float64(max(sum, -sum))/float64(keys))
	}
	return most
}

// noise is what chance makes of the distance for so many keys, with hardly an exception.
const (
	proberKeys  = 300
	proberNoise = 0.12
)

// What a forged SYN makes of the time at which the attack mode begins tells next to nothing,
// however full the cache is: one threshold for all would tell it for sure.
func TestAttackModeTellsNothing(t *testing.T) {
	for _, fill := range []int{proberEnter * 3 / 4, proberEnter * 7 / 8, proberEnter - 2, proberEnter + 8} {
		got := advantage(t, int(few(proberKeys)), func(p *prober) int {
			for p.e.halfOpen.count < fill && !p.e.UnderAttack() {
				p.syn()
			}
			p.forge()
			n := 0
			for ; !p.e.UnderAttack(); n++ {
				if p.syn(); n > proberEnter {
					t.Fatalf("%d entries, and no attack mode", p.e.halfOpen.count)
				}
			}
			return n
		})
		if most := 32./proberEnter + proberNoise*noisier(); got > most {
			t.Errorf("with %d entries he is right by %.2f more often than by chance, want at most %.2f", fill, got, most)
		}
	}
}

// Nor does the time at which it ends.
func TestEndOfAttackModeTellsNothing(t *testing.T) {
	got := advantage(t, int(few(proberKeys)), func(p *prober) int {
		for p.e.halfOpen.count < proberEnter*3/4-20 { // below all that may be drawn
			p.syn()
		}
		p.forge()
		p.pass(32 * time.Second) // the next SYN-ACKs are far away, and so is the end of the entries
		for !p.e.UnderAttack() {
			p.syn()
		}
		begun := p.now
		for p.e.UnderAttack() {
			if p.pass(10 * time.Millisecond); p.now.Sub(begun) > time.Minute {
				t.Fatalf("%d entries are left, and the attack mode does not end", p.e.halfOpen.count)
			}
		}
		return int(p.now.Sub(begun) / (10 * time.Millisecond))
	})
	if most := 32./proberEnter + 16./proberEnter + proberNoise*noisier(); got > most {
		t.Errorf("he is right by %.2f more often than by chance, want at most %.2f", got, most)
	}
}

// noisier is by how much chance makes more of fewer keys.
func noisier() float64 {
	if testing.Short() {
		return 2
	}
	return 1
}
