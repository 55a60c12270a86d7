package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// offers calls yield for all that a cookie of a listener in mode m can say.
func offers(version uint8, timestamps bool, m cc.ECNMode) func(yield func(offer) bool) {
	return func(yield func(offer) bool) {
		for class, mss := range mssClasses[version] {
			kind := map[cc.ECNMode]uint8{cc.ECNOff: withSACK, cc.ECNPassive: withECN, cc.ECNAccurate: withAccECN}[m]
			for options := range kind + noScaling + 1 {
				if (timestamps || class%2 == 0) && !yield(offer{mss: mss, options: options, timestamps: timestamps, version: version}) {
					return
				}
			}
		}
	}
}

// believes reports whether an ACK with or without timestamps, as o says, is taken
// for one that brings a cookie back.
func (k *cookies) believes(t wire.Tuple, iss, irs seq.Num, o offer, echo uint32, m cc.ECNMode) bool {
	o = offer{timestamps: o.timestamps, version: version(t.Local)}
	return k.check(k.flow(&t), iss, irs, &o, echo, m) == wire.None
}

// cookieFor makes the cookie of a SYN with this offer.
func (k *cookies) cookieFor(f flow, irs seq.Num, o offer) seq.Num {
	return k.cookie(f, irs, o.timestamps, o.data())
}

// TestCookieSaysWhatTheSynSaid goes through all that a SYN can say.
func TestCookieSaysWhatTheSynSaid(t *testing.T) {
	k := newCookies(secret.New([16]byte{1}))
	k.turn(clock.Time(time.Hour))
	for v, local := range []wire.Addr{addrB, addr6B} {
		tuple := wire.Tuple{Local: local, Remote: addrA, LocalPort: 80, RemotePort: 4000}
		f := k.flow(&tuple)
		for _, timestamps := range []bool{false, true} {
			for o := range offers(uint8(v), timestamps, cc.ECNAccurate) {
				iss, got := k.cookieFor(f, 77, o), offer{timestamps: timestamps, version: uint8(v)}
				if d := k.check(f, iss, 77, &got, o.data()|0xabc00, cc.ECNAccurate); d != wire.None || got != o {
					t.Fatalf("%+v came back as %+v, %v", o, got, d)
				}
			}
		}
	}
}

// A timestamp that says what a SYN said is the last such one that is not in the
// future, also where the clock wraps.
func TestCookieTimestampIsTheLatest(t *testing.T) {
	for _, val := range []uint32{0, 1, longMask, longMask + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		for said := range uint32(longMask + 1) {
			v := cookieTimestamp(val, said)
			if v&longMask != said || val-v > longMask {
				t.Fatalf("at %#x with %#x it is %#x", val, said, v)
			}
		}
	}
}

// What the peer's segment size is rounded to is never more than it said, nor less
// than we ever send.
func TestCookieSegmentSizes(t *testing.T) {
	for v := range uint8(2) {
		for _, timestamps := range []bool{false, true} {
			for _, mss := range []uint16{0, 1, 63, 64, 100, 255, 256, 500, 535, 536, 537, 1200, 1220, 1400, 1440, 1460, 8939, 8940, 65535} {
				o := offer{mss: mss, timestamps: timestamps, version: v}
				said := o.data()
				if !o.read(said, cc.ECNOff) || o.mss > max(mss, minMSS) || mss >= 1460 && o.mss < 1440 {
					t.Errorf("IP version %d, timestamps %v: %d is kept as %d", v, timestamps, mss, o.mss)
				}
			}
		}
	}
}

// TestCookiesBelieved counts, for one SYN, which of all 2^32 numbers a blind ACK is
// believed with. They are those that can have been sent, and no others: of the
// present epoch and the last, and of the next one where keys are shared with hosts
// whose clocks are ahead.
func TestCookiesBelieved(t *testing.T) {
	own := newCookies(secret.New([16]byte{2}))
	now := clock.Time(100 * cookieEpoch)
	own.turn(now)
	before := own
	before.turn(now.Add(-cookieEpoch))
	shared, late, ahead := own, own, own
	keyOf := func(epoch int) [16]byte { return [16]byte{byte(epoch), 9} }
	for i, k := range []*cookies{&late, &shared, &ahead} {
		k.share(CookieKeys{Epoch: uint32(99 + i), Base: [16]byte{3}, Previous: keyOf(98 + i), Current: keyOf(99 + i), Next: keyOf(100 + i)})
	}
	for _, c := range []struct {
		name        string
		k           *cookies
		senders     []*cookies
		mode        cc.ECNMode
		plain, with int // so many are believed
	}{
		{"own keys", &own, []*cookies{&before, &own}, cc.ECNPassive, 384, 2},
		{"shared keys", &shared, []*cookies{&late, &shared, &ahead}, cc.ECNPassive, 576, 3},
		{"own keys, no ECN", &own, []*cookies{&before, &own}, cc.ECNOff, 256, 2},
		{"own keys, AccECN", &own, []*cookies{&before, &own}, cc.ECNAccurate, 512, 2},
	} {
		for v, local := range []wire.Addr{addrB, addr6B} {
			tuple := wire.Tuple{Local: local, Remote: addrA, LocalPort: 80, RemotePort: 4000}
			for _, timestamps := range []bool{false, true} {
				sent := map[seq.Num]uint32{} // and what TSval said
				for _, s := range c.senders {
					for o := range offers(uint8(v), timestamps, c.mode) {
						sent[s.cookieFor(s.flow(&tuple), 5, o)] = o.data()
					}
				}
				want := c.plain
				echo := offer{mss: 1440, options: 7 | withSACK, timestamps: true, version: uint8(v)}
				if timestamps {
					want = c.with
				}
				got := 0
				for iss := range candidates(c.k, &tuple, 5) {
					if !c.k.believes(tuple, iss, 5, offer{timestamps: timestamps}, echo.data(), c.mode) {
						continue
					}
					if said, ok := sent[iss]; !ok || timestamps && said != echo.data() {
						t.Errorf("%s, timestamps %v: %d is believed, and was never sent so", c.name, timestamps, iss)
					}
					got++
				}
				t.Logf("%s, IP version %d, timestamps %v: %d of 2^32 are believed", c.name, v, timestamps, got)
				if got != want {
					t.Errorf("%s, timestamps %v: %d of 2^32 are believed, want %d", c.name, timestamps, got, want)
				}
				for iss, said := range sent {
					if !c.k.believes(tuple, iss, 5, offer{timestamps: timestamps}, said, c.mode) {
						t.Fatalf("%s, timestamps %v: %d was sent and is not believed", c.name, timestamps, iss)
					}
				}
			}
		}
	}
}

// candidates yields every number that check can believe whatever the options: in
// each of four epochs, under each key, those that are in either form the hash of
// the data that they say.
func candidates(k *cookies, t *wire.Tuple, irs seq.Num) func(yield func(seq.Num) bool) {
	return func(yield func(seq.Num) bool) {
		f, seen := k.flow(t), map[seq.Num]bool{}
		for epoch := range uint32(4) {
			for which := range k.keys {
				for _, timestamps := range []bool{false, true} {
					for data := range uint32(longMask + 1) {
						if !timestamps && data > shortMask {
							break
						}
						iss := f.base() + seq.Num(epoch<<epochShift|payload(&k.keys[which], f, irs, timestamps, data))
						if !seen[iss] && !yield(iss) {
							return
						}
						seen[iss] = true
					}
				}
			}
		}
	}
}

// TestCookieForging tries a part of all numbers: no more are believed than the
// bits promise.
func TestCookieForging(t *testing.T) {
	k := newCookies(secret.New([16]byte{2}))
	k.turn(clock.Time(time.Hour))
	tuple := wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: 4000}
	for timestamps, data := range map[bool]float64{false: 384, true: 2} {
		const tried = 1 << 21
		believed := 0
		for i := range uint32(tried) {
			if k.believes(tuple, seq.Num(i*0x9e3779b1), 5, offer{timestamps: timestamps}, i, cc.ECNPassive) {
				believed++
			}
		}
		want := float64(tried) * data / (1 << 32)
		t.Logf("timestamps %v: %d of %d believed, %.2f expected: one in %.0f", timestamps, believed, tried, want, float64(1<<32)/data)
		if float64(believed) > 2*want+5 {
			t.Errorf("timestamps %v: %d forged numbers of %d are believed, %.1f are expected", timestamps, believed, tried, want)
		}
	}
}

// TestCookieBelongsToItsSyn: nothing may be changed.
func TestCookieBelongsToItsSyn(t *testing.T) {
	k := newCookies(secret.New([16]byte{3}))
	now := clock.Time(time.Hour)
	k.turn(now)
	r := rand.New(rand.NewPCG(1, 2))
	good := offer{mss: 1460, options: 7 | withSACK}
	wrong := 0
	for range 20000 {
		tuple, s := spoofed(r, r.IntN(2) == 0, false)
		good.version = version(tuple.Local)
		iss := k.cookieFor(k.flow(&tuple), s.Seq, good)
		irs := s.Seq
		switch r.IntN(4) {
		case 0:
			tuple.RemotePort ^= 1 << r.IntN(16)
		case 1:
			hi, lo := tuple.Remote.Words()
			tuple.Remote = wire.AddrFromWords(hi, lo^1<<r.IntN(64))
		case 2:
			tuple.LocalPort ^= 1 << r.IntN(16)
		case 3:
			irs ^= 1 << r.IntN(32)
		}
		if k.believes(tuple, iss, irs, offer{}, 0, cc.ECNPassive) {
			wrong++
		}
	}
	if wrong > 1 {
		t.Errorf("%d cookies are believed for another SYN", wrong)
	}
}

// TestCookieEpochs: a cookie lives through one change of keys and not two, and
// none of our own comes from the future.
func TestCookieEpochs(t *testing.T) {
	k := newCookies(secret.New([16]byte{4}))
	now := clock.Time(100 * cookieEpoch)
	k.turn(now)
	tuple := wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: 4000}
	f := k.flow(&tuple)
	o := offer{mss: 1460, options: 7}
	iss := k.cookieFor(f, 9, o)
	for i, want := range []bool{false, false, true, true, false, false} {
		later := i - 2
		k.turn(now.Add(time.Duration(later) * cookieEpoch))
		if ok := k.believes(tuple, iss, 9, o, 0, cc.ECNPassive); ok != want {
			t.Errorf("%d epochs later it is believed: %v", later, ok)
		}
	}
	older := k.cookieFor(f, 9, o)
	k.turn(now.Add(4 * cookieEpoch))
	if newer := k.cookieFor(f, 10, o); newer.Less(older) {
		t.Errorf("numbers of one four-tuple fall from %d to %d with the epoch", older, newer)
	}
}

// TestEveryBitOfACookieCounts: a number that differs from a cookie in one bit, or whose ACK
// echoes another timestamp, is none.
func TestEveryBitOfACookieCounts(t *testing.T) {
	k := newCookies(secret.New([16]byte{5}))
	k.turn(clock.Time(time.Hour))
	tuple := wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: 4000}
	f := k.flow(&tuple)
	for _, stamped := range []bool{false, true} {
		for o := range offers(0, stamped, cc.ECNPassive) {
			iss, echo := k.cookieFor(f, 9, o), cookieTimestamp(1e6, o.data())
			if !k.believes(tuple, iss, 9, o, echo, cc.ECNPassive) {
				t.Fatalf("the cookie of %+v is not believed", o)
			}
			for bit := range 32 {
				if bad := f.base() + (iss - f.base()) ^ 1<<bit; k.believes(tuple, bad, 9, o, echo, cc.ECNPassive) {
					t.Errorf("%+v: with bit %d changed it is believed", o, bit)
				}
				if bit < classBits+offerBits && stamped && k.believes(tuple, iss, 9, o, echo^1<<bit, cc.ECNPassive) {
					t.Errorf("%+v: with bit %d of the echo changed it is believed", o, bit)
				}
			}
		}
	}
}

// TestLateCookie: who has been answered by a cookie may take as long for the last ACK as keys
// are kept, whether timestamps are in use or not; later it is nobody's.
func TestLateCookie(t *testing.T) {
	for _, options := range []string{"<mss 1460>", "<TS val 1000 ecr 0>"} {
		for after, lives := range map[time.Duration]bool{0: true, time.Second: true, 30 * time.Second: true, cookieEpoch: true,
			2 * cookieEpoch: false, time.Hour: false} {
			p := serving(t, Config{Cookies: CookiesAlways}, 5).from(1000, 7)
			p.receive("S 0:0(0) " + options)
			p.wantAny("a cookie", wire.SYN|wire.ACK)
			p.advance(after)
			p.receive(". 1:1(0) ack 1 " + strip(options))
			if en := p.e.Accept(p.listener); (en != nil) != lives {
				p.fail("%s: after %v there is a connection: %v", options, after, !lives)
			}
			if !lives {
				p.wantAny("nobody", wire.RST)
			}
		}
	}
}
