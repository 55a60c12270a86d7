package fastopen

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

var addrA = wire.AddrFrom4(10<<24 | 1)

// The cache is bounded, and the server that was asked for longest ago goes first.
func TestCacheIsBounded(t *testing.T) {
	var k Cache
	at := func(i int) wire.Addr { return wire.AddrFrom4(uint32(i)) }
	kept := at(0)
	for i := range 3 * maxEntries {
		k.Learn(1, News{Local: addrA, Remote: at(i), MSS: 1000, Cookie: wire.FastOpenCookieOf(uint64(i))})
		if h := k.Hint(1, addrA, kept); h.Cookie != wire.FastOpenCookieOf(0) || h.MSS != 1000 {
			t.Fatalf("%d: %+v", i, h)
		}
	}
	n := 0
	for x := k.first; x != nil; x = x.next {
		n++
	}
	if k.Len() != maxEntries || n != k.Len() || k.Hint(1, addrA, at(1)) != (Hint{}) {
		t.Errorf("%d entries, %d in order", k.Len(), n)
	}
	k = Cache{}
	for i := range 20 {
		k.Learn(1, News{BlackHole: true})
		if want := clock.Time(1).Add(time.Hour << min(i, 6)); k.paused != want {
			t.Fatalf("pause %d lasts until %v, want %v", i, k.paused, want)
		}
		k.paused = 0
	}
	k = Cache{BlackHole: -1}
	if k.Learn(1, News{BlackHole: true}); k.Hint(2, addrA, at(2)).Paused {
		t.Error("paused although it is never to be")
	}
}

// A server that leaves a request for a cookie unanswered is asked once by the option that was
// an experiment, and then by RFC 7413's for good; the form of its cookie is that of the last.
func TestCacheTriesTheExperimentOnce(t *testing.T) {
	var k Cache
	cookie := wire.FastOpenCookieOf(7)
	silent := News{Local: addrA, Remote: addrA, MSS: 1000, Unanswered: true}
	for i, want := range []bool{false, true, false, false, false} {
		if h := k.Hint(1, addrA, addrA); h.Experiment != want {
			t.Errorf("request %d: %+v", i, h)
		}
		k.Learn(1, silent)
	}
	for i, n := range []News{
		{Local: addrA, Remote: addrA, Cookie: cookie, Experiment: true},
		{Local: addrA, Remote: addrA, Cookie: cookie},
		{Local: addrA, Remote: addrA, Cookie: cookie, Experiment: true},
	} {
		k.Learn(1, n)
		k.Learn(1, silent) // a cookie that is there is worth more than one answer without it
		if h := k.Hint(1, addrA, addrA); h.Experiment != n.Experiment || h.Cookie != cookie {
			t.Errorf("cookie %d: %+v", i, h)
		}
	}
}
