package detect

import (
	"math"
	"time"
)

// The thresholds. docs/DETECTOR.md tells where each comes from.
const (
	// floodDrift and floodAlarm are of the CUSUM over handshakes that fail
	// without a trace of a real client, per answered one.
	floodDrift = 0.10
	floodAlarm = 0.4
	// floodScale is the least rate of answered handshakes, per second, that the
	// failed ones are compared with: on an idle host a few are not a flood.
	floodScale = 50
	// floodRate is the least rate of failed handshakes, per second, of a flood.
	// What is slower than that cannot fill half of 4096 entries in the 63 s
	// that they live.
	floodRate   = 32
	floodEvents = 32

	// brokenDrift and brokenAlarm are of the CUSUM over real clients that fail.
	brokenDrift  = 0.25
	brokenAlarm  = 0.5
	brokenScale  = 20
	brokenEvents = 6
	brokenTicks  = 2

	// A flash crowd has crowdTimes the usual rate of completed handshakes over
	// one second; in each quarter of it twice the usual rate, and crowdRate more.
	crowdTimes = 3
	crowdRate  = 50

	// A flood of closed ports: so many SYNs per second that are not a scan's,
	// from so many sources.
	closedRate    = 500
	closedSources = 64

	// halfOpenOn and halfOpenOff are shares of the half-open queue, after pf's
	// adaptive SYN cookies.
	halfOpenOn  = 0.25
	halfOpenOff = 0.12
	cookieRate  = 50 // invalid cookies per second that are worth a word

	// knownShare is how common known sources must be to tell anything.
	knownShare = 0.2

	learnTime = 30 * time.Second // time constant of what is usual
	learnFast = 8 * time.Second  // before that, nothing is called unusual for being much
)

// Ticks that a condition lasts after it was seen last: a flood that pulses each second is
// one flood. That a CUSUM ends at a multiple of its alarm lets it fall back soon after the
// end of a flood, however long that was.
const (
	holdTicks     = 5 * uint32(perSecond)
	holdScan      = 10 * uint32(perSecond)
	holdElevated  = 2 * uint32(perSecond)
	saturateTimes = 3 // a CUSUM ends at so many times its alarm
)

// usual is what was learned of quiet times: rates per second, and a share.
type usual struct {
	answered, failed, repeated, known float64
	ticks                             uint32
}

// learn lets u follow a rate. At first it is the plain mean of what there was: with the
// weight of 30 s alone it would begin at nothing, and take the first load for unusual.
func (u *usual) learn(e *evidence) {
	u.ticks++
	a := max(float64(Tick)/float64(learnTime), 1/float64(u.ticks))
	u.answered += a * (e.answered - u.answered)
	u.failed += a * (e.failed - u.failed)
	u.repeated += a * (e.repeated - u.repeated)
	if e.fresh > 0 {
		u.known += a * (e.known - u.known)
	}
}

// missing returns the rate of handshakes that are usually answered and are not
// now. When it is a share that means something, two standard deviations of the
// number that was to be expected come to it: the benefit of the doubt.
func (u *usual) missing(now, ticks float64) float64 {
	m := u.answered - now
	if m < brokenDrift*u.answered {
		return max(0, m)
	}
	seconds := ticks / float64(perSecond)
	return m + 2*math.Sqrt(u.answered*seconds)/seconds
}

func (u *usual) ready() bool { return u.ticks >= uint32(learnFast/Tick) }

// cusum adds up by how much a ratio is larger than it may be, and falls back
// to 0 otherwise: the non-parametric test of Wang, Zhang and Shin (INFOCOM
// 2002). Its excursion above 0 is counted.
type cusum struct {
	sum     float64
	events  float64
	ticks   float64
	sampled float64 // of the events, those that were seen
	surplus float64 // and of these, how many are more than there may be
}

// add takes some ticks: events that spoke for the alarm, and by how much their
// ratio is too large.
func (c *cusum) add(ticks, events, excess, alarm float64) {
	c.sum = min(c.sum+ticks*excess, saturateTimes*alarm)
	if c.sum <= 0 {
		*c = cusum{}
		return
	}
	c.events += events
	c.ticks += ticks
}

// sample notes how many of the events were seen, and how many of these are too many.
func (c *cusum) sample(events, surplus float64) {
	if c.sum > 0 {
		c.sampled += events
		c.surplus += surplus
	}
}

// certain reports whether what was seen is more than chance makes of a sample, three standard
// deviations: of a crowd so few are followed that two ticks in a row can look like a flood.
func (c *cusum) certain() bool { return c.surplus >= 3*math.Sqrt(c.sampled) }

// rate returns the events per second of the excursion.
func (c *cusum) rate() float64 { return c.events / max(c.ticks, 1) * float64(perSecond) }

// condition is something that is on from when it is seen until it was not seen
// for a while.
type condition struct {
	on   bool
	seen uint32 // tick
}

func (c *condition) see(tick uint32) { c.on, c.seen = true, tick }

func (c *condition) expire(tick, hold uint32) {
	if c.on && tick-c.seen > hold {
		c.on = false
	}
}

// judge draws the conclusions.
type judge struct {
	level  Level
	usual  usual
	flood  cusum
	broken cusum
	pool   pool

	flooded, closed, lost, scanned, crowded, elevated condition
	halfOpen                                          bool // between halfOpenOff and halfOpenOn: as it was
}

// minSeen is how many handshakes must have been followed before they speak for
// others that were not: ticks that have fewer are taken together.
const minSeen = 12

// pool puts ticks together until they say enough.
type pool struct {
	syns, ticks uint32
	sampled     sampled
}

func (p *pool) add(n *counts) {
	s := &n.sampled
	p.syns += n.syns
	p.ticks++
	p.sampled.fresh += s.fresh
	p.sampled.again += s.again
	p.sampled.quick += s.quick
	p.sampled.freshKnown += s.freshKnown
	p.sampled.failedKnown += s.failedKnown
	for i, k := range s.fates {
		p.sampled.fates[i] += k
	}
}

// enough reports whether the pool may be read: it has seen minSeen handshakes, or three
// quarters of all that there were, however few.
func (p *pool) enough() bool {
	seen := p.sampled.seen()
	return seen >= minSeen || 4*uint32(seen) >= 3*p.syns
}

// evidence is what one tick's handshakes say, now that they are old enough:
// rates per second, and shares.
type evidence struct {
	first                      float64 // SYNs that began a handshake
	answered, repeated, failed float64
	fresh                      int     // followed from their beginning
	known                      float64 // share of known sources among these
	failedKnown                float64
	per                        float64 // the rate that one of those that are followed stands for
}

// unluckyTwice returns the rate of real clients that are not heard in time because the path
// loses two segments of the same client. Those that were lost once have come again, so they
// tell how much it loses: a share q of the real ones. Silent are then those whose repetition is
// lost too, those whose SYN was a repetition already, so that the next one comes only after two
// seconds, and those that lose two ACKs: three times q² of them.
func (e *evidence) unluckyTwice() float64 {
	q := e.repeated / max(e.answered+e.repeated, 1)
	return min(3*q, 1) * e.repeated
}

// read makes evidence of the pool.
func (p *pool) read() (e evidence) {
	s := &p.sampled
	total := s.total()
	per := float64(p.syns) * float64(perSecond) / float64(p.ticks) / float64(max(s.seen(), 1)) // rate that one of them stands for
	e.first, e.fresh, e.per = float64(s.fresh)*per, int(s.fresh), per
	e.failed = float64(s.quick) * per // sent again sooner than a client would
	if total == 0 {
		return e
	}
	of := e.first / float64(total)
	e.answered = float64(s.fates[answered]) * of
	e.repeated = float64(s.fates[repeated]+s.fates[late]) * of
	e.failed += float64(s.fates[silent]+s.fates[reset]) * of
	e.failedKnown = float64(s.failedKnown) * of
	e.known = float64(s.freshKnown) / float64(s.fresh)
	return e
}

// look takes the tick whose handshakes have just become old enough, and what
// can be seen without waiting.
func (j *judge) look(d *Detector) {
	j.pool.add(&d.ring[(d.tick-matureTicks)%history])
	if j.pool.enough() {
		e := j.pool.read()
		j.weigh(&e, float64(j.pool.ticks), d.tick)
		j.pool = pool{}
	} else if j.pool.ticks > holdTicks {
		// The missing ones will never be seen, because no more arrive: the episode is over.
		j.pool, j.flood, j.broken = pool{}, cusum{}, cusum{}
	}
	j.lookAtCrowd(d)
	j.lookAtClosed(d)
	j.lookAtDefence(d)
	j.decide(d.tick)
}

// weigh divides what failed between a flood and real clients. Of a flood's
// SYNs no answer is missed: they come on top of what is usual. When the path is
// broken they are not more than usual, and completed handshakes are missing.
func (j *judge) weigh(e *evidence, ticks float64, tick uint32) {
	u := &j.usual
	repeated := max(0, e.repeated-u.repeated)
	failed := max(0, e.failed-u.failed)
	honest := u.missing(e.answered+repeated, ticks)
	if u.known >= knownShare {
		honest = max(honest, e.failedKnown/u.known-u.failed)
	}
	honest = max(honest, e.unluckyTwice())
	// More than fail cannot be honest ones that fail: fewer clients than usual is no failure.
	honest = min(honest, failed)
	flood, broken := failed-honest, repeated+honest
	seconds := ticks / float64(perSecond)
	base := max(u.answered, e.answered, floodScale)
	brokenRatio := broken / max(u.answered, e.answered+broken, brokenScale)
	j.flood.add(ticks, flood*seconds, flood/base-floodDrift, floodAlarm)
	if e.per > 0 {
		j.flood.sample(flood/e.per, (flood-floodDrift*base)/e.per)
	}
	j.broken.add(ticks, broken*seconds, brokenRatio-brokenDrift, brokenAlarm)
	j.alarm(tick)
	// It goes on at half of what began it: a threshold without hysteresis flaps.
	if j.flooded.on && j.flood.sum >= floodAlarm/2 {
		j.flooded.see(tick)
	}
	if j.lost.on && j.broken.sum >= brokenAlarm/2 {
		j.lost.see(tick)
	}
	// Nothing is learned while anything is suspected, or a slow flood would become usual.
	if j.flood.sum == 0 && j.broken.sum == 0 && !j.flooded.on && !j.lost.on {
		u.learn(e)
	}
}

// alarm looks whether a CUSUM has passed its threshold. While one explanation
// stands, the other has to be much the better one.
func (j *judge) alarm(tick uint32) {
	flood := j.flood.sum >= floodAlarm && j.flood.events >= floodEvents && j.flood.rate() >= floodRate && j.flood.certain()
	broken := j.broken.sum >= brokenAlarm && j.broken.events >= brokenEvents && j.broken.ticks >= brokenTicks
	switch {
	case flood && j.flood.events > j.broken.events && (!j.lost.on || j.flood.rate() > 4*j.usual.answered):
		j.flooded.see(tick)
		j.lost.on = false
	case broken && j.broken.events >= j.flood.events && !j.flooded.on:
		j.lost.see(tick)
	}
}

// lookAtCrowd compares completed handshakes with what is usual, over a second and in each
// quarter of it: a burst of a cron job fills one quarter.
func (j *judge) lookAtCrowd(d *Detector) {
	j.crowded.expire(d.tick, holdTicks)
	if !j.usual.ready() || j.flooded.on || j.lost.on {
		return
	}
	sum, least := 0.0, math.Inf(1)
	const quarter = uint32(perSecond / 4)
	for at := d.tick - uint32(perSecond) + 1; at <= d.tick; at += quarter {
		part := 0.0
		for i := range quarter {
			part += float64(d.ring[(at+i)%history].completed)
		}
		sum, least = sum+part, min(least, 4*part)
	}
	u := j.usual.answered
	if sum >= crowdTimes*u && least >= max(2*u, u+crowdRate) {
		j.crowded.see(d.tick)
	}
}

// lookAtClosed looks for scans, and for floods of ports without a listener.
func (j *judge) lookAtClosed(d *Detector) {
	j.scanned.expire(d.tick, holdScan)
	j.closed.expire(d.tick, holdTicks)
	if d.now().scanned > 0 {
		j.scanned.see(d.tick)
	}
	sum := uint32(0)
	for i := range uint32(perSecond) {
		n := &d.ring[(d.tick-i)%history]
		sum += n.closed - n.scanned
	}
	if sum >= closedRate && max(d.sources.count(), d.last.count()) >= closedSources {
		j.closed.see(d.tick)
	}
}

// lookAtDefence looks for what is worth a word, before it is understood.
func (j *judge) lookAtDefence(d *Detector) {
	j.elevated.expire(d.tick, holdElevated)
	share := d.defence.halfOpenShare()
	j.halfOpen = share >= halfOpenOn || j.halfOpen && share >= halfOpenOff
	bad := 0
	refused := 0
	for i := range uint32(perSecond) {
		bad += int(d.ring[(d.tick-i)%history].badCookie)
		refused += int(d.ring[(d.tick-i)%history].refused)
	}
	if j.halfOpen || bad >= cookieRate || refused > 0 || j.flood.sum >= floodAlarm/2 && j.flood.events >= floodEvents {
		j.elevated.see(d.tick)
	}
}

// decide picks the worst of what is on. Closed ports that are a scan's are no flood of
// them.
func (j *judge) decide(tick uint32) {
	j.flooded.expire(tick, holdTicks)
	j.lost.expire(tick, holdTicks)
	switch {
	case j.flooded.on, j.closed.on && !j.scanned.on:
		j.level = Flood
	case j.lost.on:
		j.level = BrokenPath
	case j.scanned.on:
		j.level = PortScan
	case j.crowded.on:
		j.level = FlashCrowd
	case j.elevated.on:
		j.level = Elevated
	default:
		j.level = Quiet
	}
}

// skip passes over ticks without anything: rates fade as if zeros had been learned, shares
// are of what came and stay.
func (j *judge) skip(ticks int64) {
	fade := math.Exp(-float64(ticks) * float64(Tick) / float64(learnTime))
	u := j.usual
	*j = judge{usual: usual{u.answered * fade, u.failed * fade, u.repeated * fade, u.known, u.ticks + uint32(min(ticks, 1<<20))}}
}
