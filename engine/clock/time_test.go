package clock_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// A sum is never earlier than its parts: it ends at Never, and Never stays.
func TestAdd(t *testing.T) {
	for _, k := range []struct {
		t    clock.Time
		d    time.Duration
		want clock.Time
	}{
		{0, time.Second, 1e9},
		{5, -3, 2},
		{3, -5, -2},
		{clock.Never, 0, clock.Never},
		{clock.Never, 1, clock.Never},
		{clock.Never, -time.Hour, clock.Never},
		{clock.Never - 1, 1, clock.Never},
		{clock.Never - 1, 2, clock.Never},
		{1, math.MaxInt64, clock.Never},
		{0, math.MaxInt64, clock.Never},
		{-1, math.MaxInt64, clock.Never - 1},
	} {
		if got := k.t.Add(k.d); got != k.want {
			t.Errorf("%d + %d = %d, want %d", k.t, k.d, got, k.want)
		}
	}
}

// TCP's timestamps are 32 bits of milliseconds and go round.
func TestMilliseconds(t *testing.T) {
	for at, want := range map[clock.Time]uint32{0: 0, 999_999: 0, 1_000_000: 1, (1<<32 - 1) * 1e6: 1<<32 - 1, 1 << 32 * 1e6: 0, (1<<32 + 7) * 1e6: 7} {
		if got := at.Milliseconds(); got != want {
			t.Errorf("%d ns are %d ms, want %d", at, got, want)
		}
	}
}

// The earliest of several deadlines is plainly the minimum.
func Example() {
	now := clock.Time(0)
	retransmit, keepAlive := now.Add(200*time.Millisecond), clock.Never
	fmt.Println(min(retransmit, keepAlive), keepAlive, keepAlive.Add(time.Hour) == clock.Never)
	// Output: 200ms never true
}
