package oracle

import "slices"

// arrivals are the numbers of one stream of a peer that the wire has delivered.
// They are counted from the number of its SYN, which is 0, and do not come round.
type arrivals struct {
	irs     uint32
	options options // of the SYN
	several bool    // SYNs with this number came whose options differ
	window  uint16  // of the SYN
	synText int     // bytes of text on the SYN
	have    int64   // all numbers below have come
	beyond  []span  // and these: sorted, apart from each other and from have
	tsMax   uint32  // the newest timestamp
	stamped bool    // one has come
	jumped  bool    // and one that lies so far from it that no clock can have gone there: which is newest is not sure
	ends    []int64 // the numbers behind FINs that came, the last ones
}

// span is the numbers from, up to the one before to.
type span struct{ from, to int64 }

// maxSpans bounds the gaps that are remembered. At the bound the first one counts as
// filled, which lets more pass.
const maxSpans = 4096

// maxEnds bounds the FINs that are remembered: a peer has one, and forgers have theirs.
const maxEnds = 64

// place returns where a number is that lies near to what has come.
func (a *arrivals) place(n uint32) int64 { return a.have + int64(int32(n-a.irs-uint32(a.have))) }

// add notes that the numbers of s came.
func (a *arrivals) add(s span) {
	if s.to <= a.have {
		return
	}
	at, _ := slices.BinarySearchFunc(a.beyond, s.from, func(b span, n int64) int {
		if b.to < n {
			return -1
		}
		return 1
	})
	end := at
	for ; end < len(a.beyond) && a.beyond[end].from <= s.to; end++ {
		s.from, s.to = min(s.from, a.beyond[end].from), max(s.to, a.beyond[end].to)
	}
	if s.from <= a.have {
		a.have = s.to
		a.beyond = a.beyond[:copy(a.beyond, a.beyond[end:])]
		return
	}
	a.beyond = slices.Replace(a.beyond, at, end, s)
	if len(a.beyond) > maxSpans {
		a.have = a.beyond[0].to
		a.beyond = slices.Delete(a.beyond, 0, 1)
	}
}

// holds reports whether all numbers of s came.
func (a *arrivals) holds(s span) bool {
	if s.to <= a.have {
		return true
	}
	return slices.ContainsFunc(a.beyond, func(b span) bool { return b.from <= s.from && s.to <= b.to })
}

// nearby is how far from what has come a number may lie. What lies further away is of
// another connection.
const nearby = 1 << 30

// deliver takes note of a segment of the stream.
func (a *arrivals) deliver(p *packet) {
	from := a.place(p.seq)
	if from < a.have-nearby || from > a.have+nearby {
		return
	}
	if p.options.has(optTimes) {
		ahead := int32(p.options.tsVal - a.tsMax)
		a.jumped = a.jumped || a.stamped && (ahead > nearby || ahead < -nearby)
		if !a.stamped || ahead > 0 {
			a.tsMax, a.stamped = p.options.tsVal, true
		}
	}
	if n := p.length(); n > 0 {
		a.add(span{from, from + int64(n)})
		if end := from + int64(n); p.has(flagFIN) && !slices.Contains(a.ends, end) {
			a.ends = append(a.ends[max(len(a.ends)-maxEnds+1, 0):], end)
		}
	}
}
