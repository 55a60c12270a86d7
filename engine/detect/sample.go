package detect

// A flowSample follows some handshakes from their first SYN to their end.
// Which ones is decided by bits of the flow's keyed hash, so a flow that is
// followed is followed whole, and no sender can choose to be left out. When there
// are more SYNs, more bits have to be zero.
type flowSample struct {
	mask    uint64    // bits of the hash that must be zero to begin
	lookup  uint64    // the least mask while flows that have no end yet began
	least   [2]uint64 // mask of the present period of matureTicks, and of the one before
	accepts uint16    // flows begun in this tick
	flows   [flowSets * flowWays]sampledFlow
}

const (
	flowSets = 256
	flowWays = 4
	// flowQuota is how many flows should be followed per tick: 256 per second,
	// so that those of four seconds are remembered and SYNs that are repeated
	// after 1 and 3 s are known again.
	flowQuota = 32
)

type sampledFlow struct {
	hash  uint32 // 0: free
	began uint16 // tick
	fate  fate
	known bool // the source had completed a handshake before
}

// fate is how far a handshake came.
type fate uint8

const (
	silent   fate = iota // nothing was heard since the SYN
	repeated             // the SYN came again when an honest client repeats it
	reset
	late // answered, but only when the SYN-ACK or the SYN had been repeated
	answered

	numFates = int(answered) + 1
)

// sampled is what became of the flows of a sample that began in one tick.
type sampled struct {
	fresh       uint16 // flows that began
	again       uint16 // SYNs that came again, of flows that had begun earlier
	quick       uint16 // and such that came sooner than any client repeats them
	freshKnown  uint16
	failedKnown uint16 // silent or reset, although the source is known
	fates       [numFates]uint16
}

func (n *sampled) total() (sum int) {
	for _, k := range n.fates {
		sum += int(k)
	}
	return sum
}

// seen returns how many SYNs the sample saw.
func (n *sampled) seen() int { return int(n.fresh) + int(n.again) + int(n.quick) }

// lateTicks: an answer after 0.875 s is not the answer to the first SYN-ACK.
const lateTicks = 7

// quickTicks: a SYN that comes again within 0.75 s was not repeated by a
// client's timer, whose first value is one second.
const quickTicks = 6

// rememberTicks is how long a flow that failed is remembered at most: the third
// repetition comes after 15 s.
const rememberTicks = 16 * uint16(perSecond)

// set returns the slots that a flow may be in, and how it is written there.
func (f *flowSample) set(flow uint64) (ways []sampledFlow, hash uint32) {
	at := int(flow>>24%flowSets) * flowWays
	return f.flows[at : at+flowWays : at+flowWays], uint32(flow>>32) | 1
}

func (f *flowSample) begin(flow uint64, tick uint32, known bool, n *sampled) {
	ways, hash := f.set(flow)
	oldest := &ways[0]
	for i := range ways {
		w := &ways[i]
		if w.hash == hash {
			w.again(uint16(tick), flow&f.mask == 0, n)
			return
		}
		if w.hash == 0 || oldest.hash != 0 && uint16(tick)-w.began > uint16(tick)-oldest.began {
			oldest = w
		}
	}
	// Whoever is followed stays until its fate was read: a flood must not push out the honest
	// clients that it is compared with.
	if flow&f.mask != 0 || oldest.hash != 0 && uint16(tick)-oldest.began <= matureTicks {
		return // not chosen; or no room, which is as if
	}
	*oldest = sampledFlow{hash: hash, began: uint16(tick), known: known}
	n.fresh++
	if known {
		n.freshKnown++
	}
	f.crowd()
}

// again notes another SYN of the flow; it is counted when the flow would be
// chosen today, so that it can be compared with those that begin.
func (w *sampledFlow) again(tick uint16, count bool, n *sampled) {
	quick := tick-w.began < quickTicks
	if !quick && w.fate == silent {
		w.fate = repeated
	}
	switch {
	case !count:
	case quick:
		n.quick++
	default:
		n.again++
	}
}

// crowd makes the choice narrower when a tick has brought many flows: at once, and not at
// its end, because a flood begins within one.
func (f *flowSample) crowd() {
	f.accepts++
	if f.accepts >= flowQuota && f.accepts%(flowQuota/2) == 0 {
		f.mask = f.mask<<1 | 1
	}
}

// adapt begins a tick. A third of the quota is far enough below half of it, which is what
// a narrower choice leaves: the choice does not go back and forth. lookup remembers the widest
// choice of the flows that have no end yet.
func (f *flowSample) adapt(tick uint32) {
	if f.accepts < flowQuota/3 {
		f.mask >>= 1
	}
	f.accepts = 0
	if tick%(matureTicks+1) == 0 {
		f.least = [2]uint64{f.mask, f.least[0]}
	}
	f.least[0] = min(f.least[0], f.mask)
	f.lookup = min(f.least[0], f.least[1])
}

// end notes what became of a flow. It reports whether that is followed, and
// had no end yet.
func (f *flowSample) end(flow uint64, tick uint32, as fate) bool {
	if flow&f.lookup != 0 {
		return false
	}
	ways, hash := f.set(flow)
	for i := range ways {
		if w := &ways[i]; w.hash == hash {
			if w.fate >= reset {
				return false
			}
			if w.fate = as; as == answered && uint16(tick)-w.began >= lateTicks {
				w.fate = late
			}
			return true
		}
	}
	return false
}

// sweep reads the fates of the flows that are old enough at the end of a tick,
// and forgets those whose SYN cannot come again.
func (f *flowSample) sweep(tick uint32, ring *[history]counts) {
	began := tick - matureTicks
	n := &ring[began%history].sampled
	n.fates, n.failedKnown = [numFates]uint16{}, 0
	for i := range f.flows {
		w := &f.flows[i]
		switch {
		case w.hash == 0:
			continue
		case uint16(tick)-w.began > rememberTicks:
			w.hash = 0
			continue
		case w.began != uint16(began):
			continue
		}
		n.fates[w.fate]++
		// Those that failed stay: their SYN may come again, and is no new flow then.
		switch w.fate {
		case silent, reset:
			if w.known {
				n.failedKnown++
			}
		case answered, late:
			w.hash = 0
		}
	}
}

func (f *flowSample) clear() { *f = flowSample{} }

// knownSources remembers who completed a handshake lately: a byte of the
// source's hash in the place that the rest of it says. A stranger passes for known once in
// 128 times, which is far below the share that is believed: see knownShare.
type knownSources [2048]uint8

func (k *knownSources) add(h uint64)      { k[h%uint64(len(k))] = uint8(h>>32) | 1 }
func (k *knownSources) has(h uint64) bool { return k[h%uint64(len(k))] == uint8(h>>32)|1 }
