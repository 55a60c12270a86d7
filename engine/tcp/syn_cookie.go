package tcp

import (
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Every initial sequence number that we answer a SYN with is a cookie
// (RFC 4987 §3.6): it says, under a keyed hash, what the SYN said. An entry of
// the half-open cache may therefore be thrown away at any time; the ACK brings
// it back.
//
//	without timestamps        with timestamps
//	 2  epoch                  2  epoch
//	22  hash                  30  hash, the first nine bits of it exclusive-or
//	 2  SACK, ECN                 what the low nine bits of TSval say:
//	 4  window scale               2  SACK, ECN
//	 2  MSS class                  4  window scale
//	                               3  MSS class
//
// To all of it a number is added that depends on the four-tuple alone. So an
// observer learns nothing, and the numbers of one four-tuple still grow with
// the epoch (RFC 6528): they go round in four epochs, and within one epoch
// their order is random. That is the limit of what a cookie can keep.
//
// A number is believed when it can have been sent, and only then: in the present
// epoch or the last, or the next one by a host that shares its keys and whose
// clock is ahead; with options that we do agree to.

// CookieMode says when connections are opened from cookies.
type CookieMode uint8

// The modes.
const (
	CookiesAuto   CookieMode = iota // when the half-open cache could not keep an entry
	CookiesAlways                   // nothing is kept
	CookiesOff                      // never: a SYN that finds the queue full is dropped
)

var cookieModeText = [...]string{"auto", "always", "off"}

func (m CookieMode) String() string {
	if int(m) < len(cookieModeText) {
		return cookieModeText[m]
	}
	return strconv.Itoa(int(m))
}

// CookieKeys are the secrets that cookies of three epochs are made with.
// Hosts that share them accept each other's cookies.
type CookieKeys struct {
	// Epoch numbers the present time. Epochs must be at least as long as a
	// handshake may last.
	Epoch uint32
	// Base keys what does not change with the epoch.
	Base                    [16]byte
	Previous, Current, Next [16]byte
}

// cookieEpoch is the length of an epoch for keys that an endpoint makes itself.
const cookieEpoch = 64 * time.Second

// cookieLife is how old a cookie may be that is believed, in milliseconds of timestamps.
const cookieLife = uint32(2 * cookieEpoch / time.Millisecond)

// cookies makes and checks cookies.
type cookies struct {
	secret secret.Key
	base   secret.Key
	spread uint64        // odd: where tables keep a flow
	shares uint64        // odd: where prefixes are counted
	keys   [3]secret.Key // previous, current, next
	epoch  uint32
	begun  clock.Time // the epoch
	shared bool       // the keys come from outside
	until  clock.Time // cookies are believed until then: one was needed
}

// newCookies derives each key from the secret for one purpose, so that what can be
// observed of one tells nothing of another. The two factors are odd: no bit of what
// they multiply is lost.
func newCookies(k secret.Key) cookies {
	return cookies{secret: k, base: k.For("cookie base", 0), spread: k.Number("cookie table", 0) | 1,
		shares: k.Number("cookie shares", 0) | 1, begun: clock.Never}
}

// turn ensures that the keys are current.
func (k *cookies) turn(now clock.Time) {
	if !k.shared && uint64(now-k.begun) >= uint64(cookieEpoch) {
		k.begin(now)
	}
}

// begin makes the keys of an epoch and of its neighbours: a cookie of the last one is
// still believed, and so is one of a host whose clock is ahead.
func (k *cookies) begin(now clock.Time) {
	epoch := uint32(int64(now) / int64(cookieEpoch))
	k.epoch, k.begun = epoch, clock.Time(epoch)*clock.Time(cookieEpoch)
	for i := range k.keys {
		k.keys[i] = k.secret.For("cookie epoch", uint64(epoch+uint32(i)-1))
	}
}

// share sets keys that come from outside. It returns true when that changes
// what flow returns.
func (k *cookies) share(c CookieKeys) (changed bool) {
	k.shared, k.epoch = true, c.Epoch
	base := secret.New(c.Base)
	changed, k.base = base != k.base, base
	k.keys = [3]secret.Key{secret.New(c.Previous), secret.New(c.Current), secret.New(c.Next)}
	return changed
}

// needed notes that a stateless SYN-ACK was sent.
func (k *cookies) needed(now clock.Time) { k.until = now.Add(2 * cookieEpoch) }

// believed reports whether an ACK may be taken for a cookie at all: not when
// none can be under way, so that at other times forging is hopeless and
// refusing costs no hash.
func (k *cookies) believed(now clock.Time) bool { return k.shared || now < k.until }

// flow is the keyed hash of a four-tuple, made once for all purposes.
type flow uint64

// base is what is added to a cookie.
func (f flow) base() seq.Num { return seq.Num(f) }

// tsOffset is what is added to our timestamps.
func (f flow) tsOffset() uint32 { return uint32(f >> 32) }

func (k *cookies) flow(t *wire.Tuple) flow { return flow(hashTuple(&k.base, t)) }

// slot is where tables keep a flow. A peer sees much of the hash in our
// timestamps and sequence numbers. What it is multiplied by is secret, so that
// it cannot choose connections that fall into one place of a table.
func (k *cookies) slot(f flow) uint32 { return uint32(uint64(f) * k.spread >> 32) }

// mssClasses are the segment sizes that a cookie can say, by IP version, from
// what is common on the Internet and below it: the largest that is not larger than
// the peer's. The first is the least that we ever send. Without timestamps there
// is room for every second class.
var mssClasses = [2][8]uint16{
	{minMSS, 256, 536, 1300, 1380, 1440, 1460, 8940},
	{minMSS, 512, 1220, 1300, 1360, 1420, 1440, 8940},
}

// The options of a SYN as six bits, as they stand in TSval and in a cookie.
const (
	shiftBits = 15 // the window scale
	noScaling = 15 // in its place: no option

	// What else both sides can do. Each has what those before it have, or there would
	// be more numbers to believe: ECN is agreed to with SACK alone.
	kindBits   = 3 << 4
	withSACK   = 1 << 4
	withECN    = 2 << 4
	withAccECN = 3 << 4
)

const (
	epochShift  = 30
	payloadMask = 1<<epochShift - 1
	saidShift   = epochShift - classBits - offerBits // of what TSval says
	classBits   = 3
	offerBits   = 6 // of the options
	longMask    = 1<<(classBits+offerBits) - 1
	shortMask   = 1<<(classBits-1+offerBits) - 1
)

// data is what a SYN said, as its cookie says it.
func (o *offer) data() uint32 {
	classes := &mssClasses[o.version]
	c := len(classes) - 1
	for c > 0 && o.mss < classes[c] {
		c--
	}
	if !o.timestamps {
		return uint32(c)>>1 | uint32(o.options)<<(classBits-1)
	}
	return uint32(c) | uint32(o.options)<<classBits
}

// read makes o what data says, and reports whether a listener in mode m can have said it.
func (o *offer) read(data uint32, m cc.ECNMode) bool {
	if o.timestamps {
		o.mss, o.options = mssClasses[o.version][data&(1<<classBits-1)], uint8(data>>classBits)
	} else {
		o.mss, o.options = mssClasses[o.version][data<<1&(1<<classBits-1)], uint8(data>>(classBits-1))
	}
	kind := o.options & kindBits
	return kind < withECN || m.TakesAccurate() || kind == withECN && m.Takes()
}

// cookie makes the initial sequence number for a SYN that said data, with or
// without timestamps.
func (k *cookies) cookie(f flow, irs seq.Num, timestamps bool, data uint32) seq.Num {
	return f.base() + seq.Num(k.epoch<<epochShift|payload(&k.keys[1], f, irs, timestamps, data))
}

// payload is a cookie without its epoch, made with the key of that. It stands for
// the four-tuple by its keyed hash of 64 bits, which no outsider can compute, and
// so cannot choose two tuples that share one.
func payload(key *secret.Key, f flow, irs seq.Num, timestamps bool, data uint32) uint32 {
	m := uint64(f) ^ uint64(irs)<<32
	if timestamps {
		return uint32(key.Word(m))&payloadMask ^ data<<saidShift
	}
	return uint32(key.Word(m^uint64(data<<1|1)))<<(classBits-1+offerBits)&payloadMask | data
}

// keyOf returns the key that made a number, or nil where that cannot be: not two
// epochs ago, and only others may be an epoch ahead.
func (k *cookies) keyOf(v uint32) *secret.Key {
	switch (k.epoch - v>>epochShift) & 3 {
	case 0:
		return &k.keys[1]
	case 1:
		return &k.keys[0]
	case 3:
		if k.shared {
			return &k.keys[2]
		}
	}
	return nil
}

// check reads a cookie back into o, which says the version of IP, and whether the
// ACK that brings it has timestamps: iss is SEG.ACK−1, echo is TSecr, and m what the
// listener has of ECN. Without
// the echo that a cookie was sent with it is as good as none, but the reason is
// another: MissingTimestamp, and not NoSocket.
func (k *cookies) check(f flow, iss, irs seq.Num, o *offer, echo uint32, m cc.ECNMode) wire.Drop {
	v := uint32(iss - f.base())
	key := k.keyOf(v)
	if key == nil {
		return wire.NoSocket
	}
	v &= payloadMask
	if !o.timestamps && o.read(v&shortMask, m) && payload(key, f, irs, false, v&shortMask) == v {
		return wire.None
	}
	said := v ^ payload(key, f, irs, true, 0)
	switch {
	case said&(1<<saidShift-1) != 0:
		return wire.NoSocket
	case !o.timestamps || echo&longMask != said>>saidShift:
		return wire.MissingTimestamp
	case !o.read(said>>saidShift, m):
		return wire.NoSocket
	}
	return wire.None
}

// halfOpen is what a cookie that check has found good stands for.
func (o offer) halfOpen(iss, irs seq.Num, s *Segment, path Path) halfOpen {
	// It never waits for anything: the ACK that brought the cookie completes it.
	h := halfOpen{iss: iss, irs: irs, peerMSS: o.mss, link: path.linkMTU(),
		agreed: passive, due: pack(clock.Never), challenge: neverChallenged}
	if shift := o.options & shiftBits; shift != noScaling {
		h.agreed |= scaling
		h.shift = shift
	}
	if o.options&kindBits >= withSACK {
		h.agreed |= sackOK
	}
	if o.options&kindBits >= withECN {
		h.agreed |= ecnOK
	}
	if o.options&kindBits == withAccECN {
		h.agreed |= accurateOK
	}
	if o.timestamps {
		h.agreed |= stamping
		h.tsRecent = s.Options.TSVal
	}
	return h
}

// cookieTimestamp puts what a SYN said, as its data, into the low bits of a
// SYN-ACK's TSval. The value may be up to half a second old, never in the future.
func cookieTimestamp(val, said uint32) uint32 {
	return val - (val-said)&longMask
}
