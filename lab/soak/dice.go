package soak

import (
	"math/rand/v2"
	"time"
)

// dice is a source of chance. Everything that is drawn has one of its own, so that a draw
// more in one place changes nothing in another.
type dice struct{ *rand.Rand }

func diceOf(seed, purpose uint64) dice { return dice{rand.New(rand.NewPCG(seed, purpose))} }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// upTo is a number from 0 to n, small ones more often.
func (d dice) upTo(n int) int { return int(float64(n) * d.Float64() * d.Float64()) }

func (d dice) time(most time.Duration) time.Duration {
	return time.Duration(d.upTo(int(most/time.Microsecond))) * time.Microsecond
}

// sometimes is a probability that is 0 in half of the lives.
func (d dice) sometimes(most float64) float64 {
	if d.chance(0.5) {
		return 0
	}
	return most * d.Float64()
}

// oneOf draws one of several.
func oneOf[T any](d dice, all ...T) T { return all[d.IntN(len(all))] }
