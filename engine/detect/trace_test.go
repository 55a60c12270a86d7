package detect_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// trace says how a labelled trace is made: some seconds of honest clients,
// then what the label says on top of them.
type trace struct {
	Label   string
	Mode    string
	Seed    uint64
	Honest  float64 // clients per second
	People  int     // from how many addresses they come
	RTT     float64 // median, milliseconds
	Loss    float64 // share of segments, each way
	Bots    float64 // share of clients that send a SYN and nothing more
	Rate    float64 // of what is on top, per second; of a crowd: times Honest
	Sources int     // of what is on top; 0: any address
	Ports   int     // of a scan
	Open    int     // of these, how many are listened on
	Share   float64 // of a broken path: how much is lost; of a flood: how many spoofed hosts answer RST
}

const traceFormat = "%s %s seed=%d honest=%g people=%d rtt=%g loss=%g bots=%g rate=%g sources=%d ports=%d open=%d share=%g"

func (t *trace) fields() []any {
	return []any{&t.Label, &t.Mode, &t.Seed, &t.Honest, &t.People, &t.RTT, &t.Loss, &t.Bots, &t.Rate, &t.Sources, &t.Ports, &t.Open, &t.Share}
}

func (t trace) String() string {
	return fmt.Sprintf(traceFormat, t.Label, t.Mode, t.Seed, t.Honest, t.People, t.RTT, t.Loss, t.Bots, t.Rate, t.Sources, t.Ports, t.Open, t.Share)
}

func parseTrace(line string) (t trace, err error) {
	_, err = fmt.Sscanf(line, traceFormat, t.fields()...)
	return t, err
}

var labels = []string{"flood", "crowd", "scan", "broken", "quiet"}

var levelOf = map[string]detect.Level{"flood": detect.Flood, "crowd": detect.FlashCrowd, "scan": detect.PortScan,
	"broken": detect.BrokenPath, "quiet": detect.Quiet}

// logUniform draws from lo to hi, each factor as likely as any other.
func logUniform(r *rand.Rand, lo, hi float64) float64 {
	return round(lo * math.Pow(hi/lo, r.Float64()))
}

// round keeps three digits, so that a trace prints short and reads back the same.
func round(x float64) float64 {
	if x == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(x))-2)
	if unit < 1 {
		return math.Round(x*math.Round(1/unit)) / math.Round(1/unit)
	}
	return math.Round(x/unit) * unit
}

// draw makes up the parameters of a trace.
func draw(label string, seed uint64) trace {
	r := rand.New(rand.NewPCG(seed, uint64(slices.Index(labels, label))))
	t := trace{Label: label, Mode: "-", Seed: seed, Honest: logUniform(r, 35, 1000), People: int(logUniform(r, 200, 50000)),
		RTT: logUniform(r, 10, 200), Loss: round(0.02 * r.Float64()), Bots: round(0.04 * r.Float64())}
	pick := func(modes ...string) { t.Mode = modes[r.IntN(len(modes))] }
	switch label {
	case "flood":
		pick("random", "subnet", "few", "fixed")
		t.Rate = max(logUniform(r, 200, 200e3), round(0.3*t.Honest)) // 30 % of the honest load
		t.Sources = map[string]int{"random": 0, "subnet": 256, "few": 2 + r.IntN(49), "fixed": 1}[t.Mode]
		if t.Sources == 0 || t.Sources == 256 {
			t.Share = round(0.3 * r.Float64())
		}
	case "crowd":
		pick("plain", "ramp", "lossy", "slow")
		t.Honest = min(t.Honest, 200)
		t.Rate = logUniform(r, max(5, 100/t.Honest), 50)
	case "scan":
		pick("syn", "connect", "mute")
		t.Sources = 1 + r.IntN(4)
		t.Rate = logUniform(r, 12*float64(t.Sources), 20000)
		t.Ports = int(logUniform(r, 30, 10000))
		t.Open = r.IntN(4)
	case "broken":
		pick("synack", "ack", "both")
		t.Share = round(0.8 + 0.2*r.Float64())
	}
	return t
}

// outcome is what a detector made of a trace.
type outcome struct {
	first    time.Duration // from the onset to the right verdict; -1: never
	wrong    detect.Level  // a wrong one above Elevated; Quiet: there was none
	wrongAt  time.Duration // from the onset
	elevated bool          // before the onset
	verdict  detect.Verdict
	syns     int
}

func (o *outcome) String() string {
	return fmt.Sprintf("first %v, wrong %v at %v: %v %v", o.first, o.wrong, o.wrongAt, o.verdict, o.verdict.Reasons)
}

const (
	warmUp    = 15 * time.Second
	maxDelay  = 2 * time.Second
	afterward = 4 * time.Second
)

// play runs a trace against a real endpoint, in virtual time.
func (t trace) play(tb testing.TB) outcome {
	return t.playIn(newWorld(tb, t, tcp.CookiesAuto), t.after(), nil)
}

func (t trace) after() time.Duration {
	if t.Label == "quiet" {
		return time.Duration(number("HANDFAST_QUIET", 60)) * time.Second
	}
	return afterward
}

// playIn runs a trace until so long after its onset. Each level that the
// endpoint goes to is told to saw.
func (t trace) playIn(w *world, after time.Duration, saw func(time.Duration, detect.Level)) outcome {
	o := outcome{first: -1}
	want, level := levelOf[t.Label], detect.Quiet
	for end := w.onset.Add(after); w.step(end); {
		l := w.server.FloodLevel()
		if l == level {
			continue
		}
		level = l
		since := w.now.Sub(w.onset)
		if saw != nil {
			saw(since, l)
		}
		o.see(l, want, since, func() detect.Verdict { return w.server.Flood(w.now) })
	}
	o.syns = w.syns
	if t.Label == "quiet" {
		o.first = 0
	}
	return o
}

// see notes a new level.
func (o *outcome) see(l, want detect.Level, since time.Duration, verdict func() detect.Verdict) {
	switch {
	case l <= detect.Elevated:
		o.elevated = o.elevated || l == detect.Elevated && since < 0
	case l == want && since >= 0:
		if o.first < 0 {
			o.first, o.verdict = since, verdict()
		}
	case o.wrong == detect.Quiet:
		o.wrong, o.wrongAt, o.verdict = l, since, verdict()
	}
}

func (o *outcome) missed() bool { return o.first < 0 || o.first > maxDelay }

var serverAddr = wire.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1})

func ip4(n uint32) wire.Addr {
	return wire.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
}

var start = clock.Time(time.Hour)
