package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Detector{}); n > 16<<10 {
		t.Errorf("a detector takes %d bytes", n)
	} else {
		t.Logf("a detector takes %d bytes", n)
	}
}

// The estimate is within five standard errors, for few and for many.
func TestSketch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 10, 200, 1300, 5000, 250000} {
		var s, other sketch
		for i := range n {
			h := r.Uint64()
			s.add(h)
			s.add(h)
			if i%2 == 0 {
				other.add(h)
			}
		}
		if got := s.count(); math.Abs(got-float64(n)) > 5*0.046*float64(n) {
			t.Errorf("%d things count as %.0f", n, got)
		}
		before := s
		if s.merge(&other); s != before {
			t.Error("what is in it already changes a sketch")
		}
	}
}

// Addresses that differ in little are spread like any others.
func TestHashSpreads(t *testing.T) {
	var d Detector
	d.Init(12345)
	for name, from := range map[string]func(i int) wire.Addr{
		"in a row": func(i int) wire.Addr {
			return wire.AddrFrom16([16]byte{10: 255, 11: 255, 12: 10, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		},
		"high bits": func(i int) wire.Addr { return wire.AddrFrom16([16]byte{0: byte(i >> 16), 1: byte(i >> 8), 2: byte(i)}) },
		"both halves": func(i int) wire.Addr {
			return wire.AddrFrom16([16]byte{7: byte(i), 15: byte(i), 6: byte(i >> 8), 14: byte(i >> 16)})
		},
		"network only": func(i int) wire.Addr {
			return wire.AddrFrom16([16]byte{0: 0x20, 1: 1, 5: byte(i >> 16), 6: byte(i >> 8), 7: byte(i), 15: 1})
		},
	} {
		var s sketch
		const n = 20000
		for i := range n {
			a := from(i)
			s.add(d.hash(a))
		}
		if got := s.count(); math.Abs(got-n) > 5*0.046*n {
			t.Errorf("%s: %d addresses count as %.0f", name, n, got)
		}
	}
}

func TestMajority(t *testing.T) {
	var m majority
	for i := range 1000 {
		m.add(443)
		if i%3 == 0 {
			m.add(uint16(i))
		}
	}
	if m.port != 443 {
		t.Errorf("port %d", m.port)
	}
}

// A source is a scanner from about fifteen closed ports on, not before ten, and
// asking for the same one again makes it none.
func TestScanTable(t *testing.T) {
	for seed := range uint64(500) {
		var s scanTable
		h := mix(seed, 99)
		first := 0
		for port := 1; port <= 40 && first == 0; port++ {
			for range 5 {
				if s.probe(h, uint64(port*7+1), uint32(port)) {
					first = port
				}
			}
		}
		if first < 13 || first > 25 {
			t.Fatalf("seed %d: a scan from %d ports on", seed, first)
		}
		if n := s.scanners(100); n != 1 {
			t.Fatalf("%d sources scan", n)
		}
		if n := s.scanners(50 + scanExpiry); n != 0 {
			t.Fatalf("%d sources scan after five minutes", n)
		}
	}
}

// A scanner keeps its place among many who ask for one port each.
func TestScannerKeepsItsPlace(t *testing.T) {
	var s scanTable
	r := rand.New(rand.NewPCG(5, 6))
	scanner := r.Uint64()
	for port := range uint16(40) {
		s.probe(scanner, uint64(port), uint32(port))
		for range 100 {
			s.probe(r.Uint64(), 23, uint32(port))
		}
	}
	if n := s.scanners(40); n != 1 {
		t.Errorf("%d sources scan", n)
	}
}

// play is a detector under test, without an endpoint.
type play struct {
	Detector
	at clock.Time
	r  *rand.Rand
}

func newPlay(seed uint64) *play {
	p := &play{at: clock.Time(time.Hour), r: rand.New(rand.NewPCG(seed, 1))}
	p.Init(seed)
	return p
}

// run lets syns SYNs per second arrive for d, of which a share is answered
// after 50 ms.
func (p *play) run(d time.Duration, syns, share float64) (changes int) {
	type pending struct {
		at   clock.Time
		flow uint64
		from wire.Addr
	}
	var queue []pending
	gap := time.Duration(1e9 / syns)
	for end := p.at.Add(d); p.at < end; p.at = p.at.Add(gap) {
		if p.Due(p.at) && p.Advance(p.at, Defence{HalfOpen: 1, Limit: 4096}) {
			changes++
		}
		for len(queue) > 0 && queue[0].at <= p.at {
			p.Completed(queue[0].flow, queue[0].from)
			queue = queue[1:]
		}
		n := p.r.Uint64()
		from := wire.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: byte(n), 13: byte(n >> 8), 14: byte(n >> 16), 15: byte(n >> 24)})
		p.Syn(n, from, 80)
		p.SynAck(false)
		if p.r.Float64() < share {
			queue = append(queue, pending{p.at.Add(50 * time.Millisecond), n, from})
		}
	}
	return changes
}

// A flood that comes and goes each second is one flood.
func TestHysteresis(t *testing.T) {
	p := newPlay(1)
	p.run(20*time.Second, 200, 0.97)
	changes := 0
	for range 30 {
		changes += p.run(time.Second, 20000, 0)
		changes += p.run(time.Second, 200, 0.97)
	}
	if p.Level() != Flood || changes > 2 { // elevated, flood
		t.Errorf("%v after %d changes", p.Level(), changes)
	}
	p.run(20*time.Second, 200, 0.97)
	if p.Level() != Quiet {
		t.Errorf("20 s later: %v", p.Verdict())
	}
}

// With cold start nothing is usual yet: a flood is one all the same, and
// clients that come at once are not a crowd.
func TestColdStart(t *testing.T) {
	flood := newPlay(2)
	flood.run(2*time.Second, 5000, 0)
	if flood.Level() != Flood {
		t.Errorf("a flood from the start on: %v", flood.Verdict())
	}
	clients := newPlay(3)
	if clients.run(10*time.Second, 2000, 0.97); clients.Level() != Quiet {
		t.Errorf("clients from the start on: %v", clients.Verdict())
	}
}

// After a long silence the ticks are not gone through one by one, and what was
// usual has faded.
func TestSilence(t *testing.T) {
	p := newPlay(4)
	p.run(20*time.Second, 500, 0.97)
	usual := p.Verdict().Numbers.Usual
	p.at = p.at.Add(24 * time.Hour)
	p.Advance(p.at, Defence{})
	if n := p.Verdict().Numbers; usual < 300 || n.Usual > 1 || n.SynRate != 0 || n.Followed != 0 {
		t.Errorf("usual %.0f before, after: %+v", usual, n)
	}
	if p.Deadline() != clock.Never {
		t.Error("a quiet detector wants to be woken")
	}
}

// However many SYNs arrive, no more are followed than are meant to be, and
// enough of them.
func TestSampleSize(t *testing.T) {
	for _, rate := range []float64{10, 200, 3000, 100e3} {
		p := newPlay(5)
		p.run(4*time.Second, rate, 0.5)
		n := p.Verdict().Numbers
		want := min(rate, flowQuota*float64(perSecond))
		if got := float64(n.Followed); got < want/4 || got > 2*want {
			t.Errorf("of %.0f SYNs per second %.0f are followed", rate, got)
		}
		if share := n.Unanswered(); n.Followed > 50 && (share < 0.4 || share > 0.6) {
			t.Errorf("of %.0f SYNs per second %.0f %% count as unanswered", rate, 100*share)
		}
	}
}

func TestText(t *testing.T) {
	for want, v := range map[string]Verdict{
		"possible SYN flooding on port 80. Sending cookies. half-open 4096/4096, 98 % unanswered, 31k/s from about 250k sources": {
			Level: Flood, Port: 80, Defence: Defence{HalfOpen: 4096, Limit: 4096, Cookies: true},
			Numbers: Numbers{SynRate: 31000, Followed: 100, Answered: 2, Sources: 250123}},
		"port scan: about 1.0k closed ports, 420/s, by 2 of about 9 sources": {
			Level: PortScan, Numbers: Numbers{Ports: 1000, ClosedRate: 420, Scanners: 2, Sources: 9}},
		"broken path: handshakes on port 443 do not complete. 90 % unanswered, 85 % need repetitions, 4/s completed where 120/s is usual, half-open 300/4096": {
			Level: BrokenPath, Port: 443, Defence: Defence{HalfOpen: 300, Limit: 4096},
			Numbers: Numbers{Followed: 100, Answered: 5, Late: 5, Repeated: 80, Silent: 10, CompletedRate: 4, Usual: 120}},
		"flash crowd on port 80: 2.4k/s completed where 100/s is usual, 3 % unanswered, half-open 20/4096, from about 2.0k sources": {
			Level: FlashCrowd, Port: 80, Defence: Defence{HalfOpen: 20, Limit: 4096},
			Numbers: Numbers{Followed: 100, Answered: 97, CompletedRate: 2400, Usual: 100, Sources: 2000}},
		"quiet: 12/s, 11/s completed, 0 % unanswered, half-open 1/4096": {
			Defence: Defence{HalfOpen: 1, Limit: 4096}, Numbers: Numbers{SynRate: 12, CompletedRate: 11, Followed: 3, Answered: 3}},
		"elevated: 12/s, 11/s completed, 0 % unanswered, half-open 1/4096; 70/s invalid cookies": {
			Level: Elevated, Defence: Defence{HalfOpen: 1, Limit: 4096}, Reasons: []Reason{{BadCookies, 70, 0}},
			Numbers: Numbers{SynRate: 12, CompletedRate: 11, Followed: 3, Answered: 3}},
	} {
		if got := v.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for want, x := range map[string]float64{"0": 0.2, "999": 999.4, "1.0k": 999.6, "9.9k": 9940, "10k": 9951, "999k": 999.4e3, "1.0M": 999.6e3, "12M": 12.1e6} {
		if got := about(x); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}

// What is not known is not said: the fate of handshakes that are too young, and
// the sources of SYNs that were not seen.
func TestUnknown(t *testing.T) {
	v := Verdict{Level: Elevated, Numbers: Numbers{SynRate: 2000}, Defence: Defence{HalfOpen: 8, Limit: 7}}
	if got, want := v.String(), "elevated: 2.0k/s, 0/s completed, half-open 8/7"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	v = Verdict{Level: Flood, Port: 80, Defence: Defence{HalfOpen: 8, Limit: 7, Cookies: true},
		Numbers: Numbers{SynRate: 2000, Followed: 100, Sources: 10, Silent: 100}}
	v.Partial(8, 10_000)
	if got, want := v.String(), "possible SYN flooding on port 80. Sending cookies. half-open 8/7, 100 % unanswered, 2.0k/s; "+
		"sources unknown: only 8 of 10k SYNs could be seen"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, r := range v.Reasons {
		if r.Kind == ManySources || r.Kind == FewSources {
			t.Errorf("an unknown reason: %v", r)
		}
	}
	if v.Partial(9_500, 10_000); v.SourcesUnknown() {
		t.Error("nearly all is not enough")
	}
}

// A reason speaks for the level, and the share of what failed is one number.
func TestReasonsFitTheLevel(t *testing.T) {
	n := Numbers{SynRate: 3000, CompletedRate: 50, Followed: 100, Answered: 4, Silent: 92, Reset: 4, Usual: 0,
		Sources: 5000, Ports: 100, ClosedRate: 10, Scanners: 1, CookieFailed: 100, RefusedRate: 5}
	for level := Quiet; level <= Flood; level++ {
		v := Verdict{Level: level, Numbers: n, queue: true}
		for _, r := range v.reasons() {
			switch {
			case level == Quiet:
				t.Errorf("quiet because of %v", r)
			case r.Kind == ManyCompleted && level == Flood, r.Kind == Unanswered && level == FlashCrowd:
				t.Errorf("%v because of %v", level, r)
			case r.Kind == Unanswered && r.Value != n.Unanswered():
				t.Errorf("%v, where the headline has %v", r, n.Unanswered())
			}
		}
		if level > Quiet && len(v.reasons()) == 0 {
			t.Errorf("no reason for %v", level)
		}
	}
}

func TestReasons(t *testing.T) {
	for want, r := range map[string]Reason{
		"98 % of handshakes unanswered":                  {Unanswered, 0.98, 0},
		"3/s completed where 120/s is usual":             {FewCompletions, 3, 120},
		"half-open 4096/4096":                            {HalfOpenQueue, 4096, 4096},
		"oldest half-open 16 s":                          {HalfOpenAge, 16, 0},
		"about 250k sources":                             {ManySources, 250000, 1},
		"about 1.0k closed ports, 420/s":                 {ClosedPorts, 1000, 420},
		"2 sources scan":                                 {Scanners, 2, 0},
		"70/s SYNs dropped, accept queue full":           {AcceptQueue, 70, 0},
		"12 % of SYN-ACKs answered by RST":               {SynResets, 0.12, 0},
		"40 % of handshakes repeated as by real clients": {SynRepeated, 0.4, 0},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Two shards that see half of a flood each see it as one.
func TestMerge(t *testing.T) {
	a, b := newPlay(6), newPlay(7)
	b.seed, b.seed2 = a.seed, a.seed2 // shards of a host count the same source as one
	a.run(3*time.Second, 4000, 0)
	b.run(3*time.Second, 4000, 0)
	one, two := a.Verdict(), b.Verdict()
	both := Merge(one, two)
	if both.Level != Flood || math.Abs(both.Numbers.SynRate-8000) > 100 || both.Defence.Limit != 8192 || both.Port != 80 {
		t.Errorf("%v", both)
	}
	if n, sum := both.Numbers.Sources, one.Numbers.Sources+two.Numbers.Sources; math.Abs(n-sum) > 0.25*sum {
		t.Errorf("%.0f and %.0f sources are %.0f together", one.Numbers.Sources, two.Numbers.Sources, n)
	}
	if again := Merge(one, one); math.Abs(again.Numbers.Sources-one.Numbers.Sources) > 1 {
		t.Errorf("the same sources twice: %.0f, not %.0f", again.Numbers.Sources, one.Numbers.Sources)
	}
}

// BenchmarkSyn is what a SYN costs: of a flood, with the ticks that go with it,
// and with few SYNs, all of which are followed.
func BenchmarkSyn(b *testing.B) {
	for _, rate := range []int{200, 10e3, 1e6} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			var d Detector
			d.Init(99)
			now := clock.Time(time.Hour)
			r := rand.New(rand.NewPCG(1, 1))
			flows := make([]uint64, 1<<16)
			for i := range flows {
				flows[i] = r.Uint64()
			}
			i, gap := 0, time.Second/time.Duration(rate)
			syn := func() {
				f := flows[i&(len(flows)-1)] + uint64(i)*0x9e3779b97f4a7c15
				i++
				from := wire.AddrFrom4(uint32(f))
				if d.Due(now) {
					d.Advance(now, Defence{})
				}
				d.Syn(f, from, 80)
				d.SynAck(false)
				now += clock.Time(gap)
			}
			for range 5 * rate {
				syn()
			}
			b.ReportAllocs()
			for b.Loop() {
				syn()
			}
		})
	}
}

// BenchmarkTick is what the end of a tick costs, every 125 ms, with a full sample.
func BenchmarkTick(b *testing.B) {
	p := newPlay(8)
	p.run(20*time.Second, 100e3, 0.5)
	b.ReportAllocs()
	for b.Loop() {
		p.turn()
	}
}

// flowOf is a flow of one set of the sample, of which it takes the same place whatever is
// chosen: the lowest bits say that, and all are zero.
func flowOf(n uint64) uint64 { return n<<40 | 7<<24 }

// Who is followed stays until its fate was read: a flood does not push it out.
func TestFollowedFlowsStay(t *testing.T) {
	var f flowSample
	var n sampled
	for i := range uint64(flowWays) {
		f.begin(flowOf(1+i), 100, false, &n)
	}
	for tick := uint32(100); tick <= 100+matureTicks; tick++ {
		f.begin(flowOf(1000+uint64(tick)), tick, false, &n)
	}
	if n.fresh != flowWays {
		t.Errorf("%d flows began in a set for %d", n.fresh, flowWays)
	}
	for i := range uint64(flowWays) {
		if !f.end(flowOf(1+i), 100+matureTicks, answered) {
			t.Errorf("flow %d was pushed out", i)
		}
	}
	if f.begin(flowOf(5000), 100+matureTicks+1, false, &n); n.fresh != flowWays+1 {
		t.Error("nothing is ever followed again")
	}
}

// An answer that comes later than the first SYN-ACK can have brought about is late.
func TestAnswerIsLate(t *testing.T) {
	for after, want := range map[uint32]fate{0: answered, lateTicks - 1: answered, lateTicks: late, 3 * lateTicks: late} {
		var f flowSample
		var n sampled
		f.begin(flowOf(1), 100, false, &n)
		if !f.end(flowOf(1), 100+after, answered) {
			t.Fatal("the flow is not followed")
		}
		ways, hash := f.set(flowOf(1))
		for _, w := range ways {
			if w.hash == hash && w.fate != want {
				t.Errorf("an answer after %d ticks is %d, not %d", after, w.fate, want)
			}
		}
	}
}

// The choice becomes narrower with many flows, and wide again without.
func TestChoiceFollowsTheRate(t *testing.T) {
	var f flowSample
	var n sampled
	r := rand.New(rand.NewPCG(5, 6))
	tick := uint32(100)
	for range 20 {
		for range 4000 {
			f.begin(r.Uint64(), tick, false, &n)
		}
		tick++
		f.adapt(tick)
	}
	if f.mask < 15 {
		t.Errorf("in a flood the mask is %b", f.mask)
	}
	for range 64 {
		tick++
		f.adapt(tick)
	}
	if f.mask != 0 || f.lookup != 0 {
		t.Errorf("after it the mask is %b, and that of those looked up %b", f.mask, f.lookup)
	}
}

// However far a clock goes at once, Advance returns, and ticks go on from there.
func TestClockThatJumps(t *testing.T) {
	for _, times := range [][2]clock.Time{{-clock.Never, clock.Never - 1}, {clock.Never, clock.Never}, {1, clock.Never}, {0, clock.Never - 1}} {
		var d Detector
		d.Init(1)
		for _, now := range times {
			d.Advance(now, Defence{})
			if now < clock.Never-1 {
				d.Syn(1, wire.Addr{}, 80)
				d.Advance(now.Add(Tick), Defence{})
			}
		}
		if l := d.Level(); l != Quiet {
			t.Errorf("%v: %v", times, l)
		}
	}
}
