package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// isn is the initial sequence number of RFC 6528 §3: a clock of four
// microseconds (RFC 9293, MUST-8) plus a secret number of the four-tuple, which nobody
// outside can compute (MUST-9).
// The clock makes the next connection of the same four-tuple begin beyond the last one,
// and comes round in 4.8 hours, when nothing of it is under way any more. The secret
// makes the number of one four-tuple tell nothing about another's, which is all that a
// blind attacker can see. https://www.rfc-editor.org/rfc/rfc6528#section-3
func isn(k *secret.Key, now clock.Time, t *wire.Tuple) seq.Num {
	return seq.Num(uint32(int64(now)/4000) + uint32(hashTuple(k, t)))
}

// beyondOld is how far the numbers of a connection begin behind those of the one before,
// where the clock has not brought them there: RFC 9293 §3.4.2.
const beyondOld = 1 << 17

// hashTuple is the keyed hash of a four-tuple. The highest byte is the number of bytes
// that are hashed, as in SipHash's own padding: so no tuple of one family is another's.
func hashTuple(k *secret.Key, t *wire.Tuple) uint64 {
	last := uint64(t.LocalPort) | uint64(t.RemotePort)<<16
	if t.Local.Is4() && t.Remote.Is4() {
		return k.Pair(uint64(t.Local.As4())<<32|uint64(t.Remote.As4()), last|12<<56)
	}
	aHi, aLo := t.Local.Words()
	bHi, bLo := t.Remote.Words()
	return k.Five(&[5]uint64{aHi, aLo, bHi, bLo, last | 36<<56})
}
