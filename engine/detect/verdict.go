package detect

import "time"

// Level is what a detector takes the present for, the worst last.
type Level uint8

// The levels.
const (
	Quiet      Level = iota
	Elevated         // something is unusual and not understood, or is worth a word only
	FlashCrowd       // many more clients than usual, and they are real
	PortScan         // few sources ask for many closed ports
	BrokenPath       // real clients cannot complete their handshakes
	Flood            // SYNs without a client behind them
)

var levelText = [...]string{"quiet", "elevated", "flash crowd", "port scan", "broken path", "flood"}

func (l Level) String() string { return levelText[l] }

// MarshalText writes the level as a word.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Defence is what an endpoint is doing about half-open connections.
type Defence struct {
	HalfOpen, Limit int           // entries of the queue
	Oldest          time.Duration // the age of its oldest entry, about
	Cookies         bool          // SYNs are answered without keeping anything
	Attack          bool          // the attack mode is on
	Evicted         uint64        // entries thrown out so far; their SYN-ACKs were cookies
	Dropped         uint64        // SYNs dropped so far
}

func (d *Defence) halfOpenShare() float64 { return float64(d.HalfOpen) / float64(max(d.Limit, 1)) }

// add makes d the defence of two endpoints together. Shards divide the half-open queue
// between them, so that the sums are those of the host.
func (d *Defence) add(o *Defence) {
	d.HalfOpen += o.HalfOpen
	d.Limit += o.Limit
	d.Oldest = max(d.Oldest, o.Oldest)
	d.Cookies = d.Cookies || o.Cookies
	d.Attack = d.Attack || o.Attack
	d.Evicted += o.Evicted
	d.Dropped += o.Dropped
}

// Numbers are what a verdict rests on. Rates are per second, over the last
// second; what became of handshakes is known of those that are 1.2 to 2.2 s old.
type Numbers struct {
	SynRate       float64 // SYNs for ports that are listened on
	SynAckRate    float64 // SYN-ACKs, repeated ones included
	RepeatRate    float64 // repeated SYN-ACKs
	CompletedRate float64 // handshakes completed
	ClosedRate    float64 // SYNs for ports without a listener
	RefusedRate   float64 // SYNs dropped because the accept queue was full
	CookieFailed  float64 // ACKs that were no valid cookie
	Usual         float64 // completed handshakes in quiet times

	// Handshakes that were followed to their end, and what became of them.
	Followed                                int
	Answered, Late, Repeated, Reset, Silent int // Late: answered, but not at once

	FloodSum, BrokenSum float64 // of the CUSUMs; they alarm at 0.4 and 0.5

	Sources  float64 // different ones: in the last second, or since the level left Quiet
	Ports    float64 // different closed ports that were asked for in that time
	Scanners int     // sources that scan
}

// Unanswered returns the share of handshakes that were not answered, 0 to 1.
func (n *Numbers) Unanswered() float64 {
	return float64(n.Followed-n.Answered-n.Late) / float64(max(n.Followed, 1))
}

// add makes n the numbers of two endpoints together. A CUSUM is of a ratio: the sum of two
// means nothing, and the larger one is what comes nearer to an alarm.
func (n *Numbers) add(o *Numbers) {
	n.SynRate += o.SynRate
	n.SynAckRate += o.SynAckRate
	n.RepeatRate += o.RepeatRate
	n.CompletedRate += o.CompletedRate
	n.ClosedRate += o.ClosedRate
	n.RefusedRate += o.RefusedRate
	n.CookieFailed += o.CookieFailed
	n.Usual += o.Usual
	n.Followed += o.Followed
	n.Answered += o.Answered
	n.Late += o.Late
	n.Repeated += o.Repeated
	n.Reset += o.Reset
	n.Silent += o.Silent
	n.FloodSum = max(n.FloodSum, o.FloodSum)
	n.BrokenSum = max(n.BrokenSum, o.BrokenSum)
	n.Scanners = max(n.Scanners, o.Scanners)
}

// Verdict is what a detector makes of the present, why, and what is done.
type Verdict struct {
	Level   Level
	Reasons []Reason
	Numbers Numbers
	Defence Defence
	Port    uint16 // the port that most SYNs are for; 0: none stands out

	// Seen is how many of the SYNs that Arrived could be seen with their source,
	// where that is not all: see Partial. Both are 0 where it is all.
	Seen, Arrived uint64

	sources, ports sketch
	queue          bool // the half-open queue's fill is worth a word
}

// Partial notes that the detector was told of arrived SYNs, but of the source
// of seen ones only.
func (v *Verdict) Partial(seen, arrived uint64) {
	v.Seen, v.Arrived = seen, arrived
	v.Reasons = v.reasons()
}

// SourcesUnknown reports whether so many SYNs were not seen that nothing can be
// said of where they come from.
func (v *Verdict) SourcesUnknown() bool { return v.Seen < v.Arrived-v.Arrived/10 }

// Verdict returns what d makes of the present.
func (d *Detector) Verdict() Verdict {
	sum := d.second()
	v := Verdict{Level: d.judge.level, Defence: d.defence, Port: d.port.port, ports: d.ports}
	v.Numbers = Numbers{
		SynRate: float64(sum.arrived), SynAckRate: float64(sum.synAcks), RepeatRate: float64(sum.repeats),
		CompletedRate: float64(sum.completed), ClosedRate: float64(sum.closed), RefusedRate: float64(sum.refused),
		CookieFailed: float64(sum.badCookie), Usual: d.judge.usual.answered,
		FloodSum: d.judge.flood.sum, BrokenSum: d.judge.broken.sum,
		Scanners: d.scans.scanners(d.tick),
	}
	d.followed(&v.Numbers)
	v.sources = d.last
	if v.Level != Quiet {
		v.sources.merge(&d.episode)
		v.sources.merge(&d.sources)
	}
	v.finish(&d.judge)
	return v
}

// followed sums the fates of the last second of handshakes that are old enough.
func (d *Detector) followed(n *Numbers) {
	for i := 1; i <= perSecond; i++ {
		s := &d.ring[(d.tick-matureTicks-uint32(i))%history].sampled
		n.Followed += s.total()
		n.Answered += int(s.fates[answered])
		n.Late += int(s.fates[late])
		n.Repeated += int(s.fates[repeated])
		n.Reset += int(s.fates[reset])
		n.Silent += int(s.fates[silent])
	}
}

func (v *Verdict) finish(j *judge) {
	v.Numbers.Sources, v.Numbers.Ports = v.sources.count(), v.ports.count()
	v.queue = j.halfOpen
	v.Reasons = v.reasons()
}

// Merge returns one verdict of several detectors that watch parts of the same
// host: the worst level, with everybody's numbers.
func Merge(all ...Verdict) (v Verdict) {
	queue := false
	for i := range all {
		o := &all[i]
		if i == 0 || o.Level > v.Level {
			v.Level, v.Port = o.Level, o.Port
		}
		v.Numbers.add(&o.Numbers)
		v.Defence.add(&o.Defence)
		v.sources.merge(&o.sources)
		v.ports.merge(&o.ports)
		queue = queue || o.queue
	}
	v.finish(&judge{halfOpen: queue})
	return v
}
