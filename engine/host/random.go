package host

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
)

// keys are the host's secrets: one for each purpose, so that what an outsider
// sees of one tells nothing of another.
type keys struct {
	flows     FlowKey
	labels    FlowKey  // of IPv6 flows
	fragments sequence // identifications
	errors    sequence // how many tokens an ICMP error takes
	reachable sequence // how long a neighbour is
	probes    sequence // when the check of an address goes on
	groups    sequence // when a report of groups is sent
}

// makeKeys derives the keys of one of the shards of a host. All have the same
// flow hash and labels; in nothing else do they repeat each other.
func makeKeys(from [16]byte, shard int) keys {
	k, n := secret.New(from), uint64(shard)
	return keys{flows: NewFlowKey(from), labels: makeFlowKey(k, "flow label"), fragments: sequence{key: k.For("fragment", n)},
		errors: sequence{key: k.For("ICMP error", n)}, reachable: sequence{key: k.For("reachable time", n)},
		probes: sequence{key: k.For("address probe", n)}, groups: sequence{key: k.For("group report", n)}}
}

// sequence is a keyed sequence of numbers for what an observer must not predict. A counter
// through a keyed function: a host with the same secret and the same packets does the same,
// which the lab needs.
type sequence struct {
	key secret.Key
	n   uint64
}

func (s *sequence) next() uint64 {
	s.n++
	return s.key.Word(s.n)
}

// bucket is a token bucket in nanoseconds of credit: so no rate is too low or too high for
// whole numbers, and nothing has to run while no token is asked for.
type bucket struct {
	cost, burst time.Duration
	credit      time.Duration
	last        clock.Time
}

func newBucket(perSecond, burst int) bucket {
	cost := time.Second / time.Duration(perSecond)
	return bucket{cost: cost, burst: cost * time.Duration(burst), credit: cost * time.Duration(burst)}
}

// take takes one token and reports whether there was one.
func (b *bucket) take(now clock.Time) bool {
	if now > b.last {
		b.credit = min(b.credit+min(now.Sub(b.last), b.burst), b.burst)
		b.last = now
	}
	if b.credit < b.cost {
		return false
	}
	b.credit -= b.cost
	return true
}
