package answers

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

var (
	randomProbes = flag.Int("probes", 1000, "how many random conversations")
	randomSeed   = flag.Uint64("seed", 1, "the seed of the first one")
)

// checkRandom asks conversations of a few random segments.
func (b *bench) checkRandom(t *testing.T) {
	var sum tally
	for i := range *randomProbes {
		b.converse(t, &sum, *randomSeed+uint64(i))
	}
	sum.log(t)
}

// converse asks a conversation, one segment more each time, until the stacks are
// of two minds: what comes then says nothing.
func (b *bench) converse(t *testing.T, sum *tally, seed uint64) {
	whole := randomProbe(rand.New(rand.NewPCG(seed, 1)))
	for n := range whole.segments {
		q := whole
		q.segments = whole.segments[:n+1]
		c, why := b.compare(q)
		if c.same() {
			sum.note(t, &c, why)
			continue
		}
		if why == "" {
			t.Logf("-seed %d -probes 1", seed)
			c = b.shorten(c)
		}
		sum.note(t, &c, why)
		return
	}
}

// shorten makes the conversation simpler as long as nothing explains the difference.
func (b *bench) shorten(c comparison) comparison {
	for _, q := range simpler(c.probe) {
		if s, why := b.compare(q); !s.same() && why == "" && slices.Equal(s.ours.before, s.kernels.before) {
			return b.shorten(s)
		}
	}
	return c
}

// simpler returns the probes that are one step simpler than q.
func simpler(q probe) (all []probe) {
	add := func(change func(q *probe)) {
		s := q
		s.segments = slices.Clone(q.segments)
		change(&s)
		if len(s.segments) > 0 && !sameProbe(s, q) {
			all = append(all, s)
		}
	}
	for i := range q.segments {
		add(func(q *probe) { q.segments = slices.Delete(q.segments, i, i+1) })
	}
	add(func(q *probe) { q.offer = offer{} })
	add(func(q *probe) { q.v6 = false })
	add(func(q *probe) { q.irs = 1000 })
	for i := range q.segments {
		for bit := wire.FIN; bit <= wire.AE; bit <<= 1 {
			add(func(q *probe) { q.segments[i].flags &^= bit })
		}
		add(func(q *probe) { q.segments[i].options = "" })
		add(func(q *probe) { q.segments[i].window = open })
		add(func(q *probe) { q.segments[i].urgent = 0 })
		add(func(q *probe) { q.segments[i].text = min(q.segments[i].text, 1) })
		add(func(q *probe) { q.segments[i].text = 0 })
		add(func(q *probe) { q.segments[i].seq = point{} })
		add(func(q *probe) { q.segments[i].ack = point{} })
	}
	return all
}

func sameProbe(a, b probe) bool {
	return a.offer == b.offer && a.v6 == b.v6 && a.irs == b.irs && slices.Equal(a.segments, b.segments)
}

// randomProbe returns a conversation of one to four segments.
func randomProbe(r *rand.Rand) probe {
	q := probe{
		state: states[r.IntN(len(states))], v6: r.IntN(2) == 0, irs: seq.Num(r.Uint32()),
		offer: offer{timestamps: r.IntN(2) == 0, sack: r.IntN(2) == 0, scale: r.IntN(2) == 0},
	}
	if r.IntN(2) == 0 {
		q.irs = -seq.Num(r.IntN(200)) // the numbers come round
	}
	n := 1 + r.IntN(4)
	for range n {
		s := randomSegment(r)
		if n > 1 && strings.HasPrefix(s.options, "TS") {
			s.options = "" // they are measured by the last timestamp, which the stack may not have recorded
		}
		q.segments = append(q.segments, s)
	}
	return q
}

func randomSegment(r *rand.Rand) segment {
	s := segment{flags: wire.ACK}
	if r.IntN(3) == 0 {
		s.flags = wire.Flags(r.IntN(1 << 9))
	} else if r.IntN(4) == 0 {
		s.flags |= wire.FIN
	}
	if r.IntN(2) == 0 {
		s.text = []int{1, 5, 10, 20, 100, 1000}[r.IntN(6)]
	}
	if r.IntN(3) == 0 {
		s.seq = sequences[r.IntN(len(sequences))]
	} else if r.IntN(2) == 0 {
		s.seq = point{next, int64(r.IntN(40) - 15)}
	}
	if r.IntN(3) == 0 {
		s.ack = acks[r.IntN(len(acks))]
	}
	if r.IntN(4) == 0 {
		s.window = window(r.IntN(3))
	}
	if r.IntN(4) == 0 {
		s.options = optionNames[r.IntN(len(optionNames))]
	}
	if s.flags.Has(wire.URG) {
		s.urgent = uint16(r.IntN(20))
	}
	return s
}
