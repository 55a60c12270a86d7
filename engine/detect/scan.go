package detect

import "math/bits"

// scanTable keeps, for sources that ask for closed ports, which ones. It is
// small: a source that asked for few ports makes room for another.
type scanTable [scanSets * scanWays]scanSource

const (
	scanSets = 16
	scanWays = 4
	// scanPorts is how many closed ports make a scan of it: the threshold of
	// Zeek's port scan policy.
	scanPorts = 15
	// scanExpiry is after how long without a probe a source is forgotten: five
	// minutes, as there.
	scanExpiry = 300 * uint32(perSecond)
)

type scanSource struct {
	ports uint64 // a bit for each, by hash
	hash  uint32 // 0: free
	seen  uint32 // tick
}

// probe notes that a source asked for a closed port, by any name of it, and reports whether
// it is scanning.
func (t *scanTable) probe(h, port uint64, tick uint32) bool {
	ways, id := t.set(h)
	slot := &ways[0]
	for i := range ways {
		w := &ways[i]
		if w.hash != 0 && tick-w.seen > scanExpiry {
			*w = scanSource{}
		}
		if w.hash == id {
			slot = w
			break
		}
		if w.goesBefore(slot) {
			slot = w
		}
	}
	if slot.hash != id {
		*slot = scanSource{hash: id}
	}
	slot.seen = tick
	// With the source's keyed hash: no list of ports falls on few bits for every source.
	slot.ports |= 1 << (mix(port, h) >> 58)
	return slot.scans()
}

// set returns the slots that a source may be in, and how it is written there.
func (t *scanTable) set(h uint64) (ways []scanSource, id uint32) {
	at := int(h>>40%scanSets) * scanWays
	return t[at : at+scanWays], uint32(h) | 1
}

// scanning reports whether a source scans.
func (t *scanTable) scanning(h uint64) bool {
	ways, id := t.set(h)
	for i := range ways {
		if ways[i].hash == id {
			return ways[i].scans()
		}
	}
	return false
}

// goesBefore reports whether s makes room rather than o: whoever asked for fewer ports, so
// that sources of a single probe each, which cost an attacker nothing, push out no scanner.
func (s *scanSource) goesBefore(o *scanSource) bool {
	if a, b := bits.OnesCount64(s.ports), bits.OnesCount64(o.ports); a != b {
		return a < b
	}
	return s.seen < o.seen
}

// scans reports whether the bits stand for scanPorts ports: linear counting
// (Whang, Vander-Zanden, Taylor, 1990).
func (s *scanSource) scans() bool { return bits.OnesCount64(s.ports) >= scanBits }

// scanBits is how many of 64 bits scanPorts ports set: 64 (1 − e^(−15/64)).
const scanBits = 13

// scanners returns how many sources in the table scan.
func (t *scanTable) scanners(tick uint32) (n int) {
	for i := range t {
		if t[i].hash != 0 && t[i].scans() && tick-t[i].seen <= scanExpiry {
			n++
		}
	}
	return n
}
