package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/impair"
)

// badNetwork is what happens to packets, as flags say.
type badNetwork struct {
	loss, reorder, duplicate, corrupt percentage
	delay, jitter, reorderDelay       time.Duration
	rate                              bitRate
	queue                             byteSize
	direction                         string
	cut                               interval
	seed                              uint64
}

var directions = []string{"both", "up", "down"}

func (b *badNetwork) addTo(f *pflag.FlagSet) {
	f.Var(&b.loss, "loss", "how many packets are lost, such as 1%")
	f.DurationVar(&b.delay, "delay", 0, "how long a packet takes, each way")
	f.DurationVar(&b.jitter, "jitter", 0, "how much longer or shorter at most")
	f.Var(&b.rate, "rate", "bandwidth in bits a second, such as 10mbit")
	f.Var(&b.queue, "queue", "how much waits for the bandwidth (default 100 ms of it)")
	f.Lookup("queue").DefValue = "" // it depends on the bandwidth
	f.Var(&b.reorder, "reorder", "how many packets come late, such as 1%")
	f.DurationVar(&b.reorderDelay, "reorder-delay", 10*time.Millisecond, "and how late they are")
	f.Var(&b.duplicate, "duplicate", "how many packets come twice")
	f.Var(&b.corrupt, "corrupt", "how many packets have a wrong bit")
	f.Var(&b.cut, "cut", "when nothing passes, from the start, such as 5s-8s")
	f.StringVar(&b.direction, "direction", "both", "where all this holds: both, up (what the command sends), down")
	f.Uint64Var(&b.seed, "seed", 1, "decides which packets these are")
}

// wanted reports whether the network is bad at all.
func (b *badNetwork) wanted() bool { return b.config() != (netem.Config{}) || b.cut.to > 0 }

func (b *badNetwork) config() netem.Config {
	c := netem.Config{
		Delay: b.delay, Jitter: b.jitter, Loss: float64(b.loss), Duplicate: float64(b.duplicate), Corrupt: float64(b.corrupt),
		Reorder: float64(b.reorder), Rate: uint64(b.rate), QueueBytes: int(b.queue),
	}
	if b.reorder > 0 {
		c.ReorderDelay = b.reorderDelay
	}
	if b.rate > 0 && b.queue == 0 {
		c.QueueBytes = max(int(b.rate/8/10), 20*1500)
	}
	return c
}

func (b *badNetwork) check() error {
	if !slices.Contains(directions, b.direction) {
		return usagef(say.Text{"--direction %s: it is one of %s", "--direction %s：可选 %s"}, b.direction, strings.Join(directions, ", "))
	}
	c := b.config()
	if err := c.Check(); err != nil {
		return usagef(say.Text{"the network: %w", "网络：%w"}, err)
	}
	return nil
}

// patience is how long a connection may take to end: a few round trips.
func (b *badNetwork) patience() time.Duration { return 500*time.Millisecond + 6*(b.delay+b.jitter) }

// wrap makes a link bad.
func (b *badNetwork) wrap(below link.Link) (link.Link, error) {
	if !b.wanted() {
		return below, nil
	}
	o := impair.Options{Seed: b.seed, SpareNeighbours: true} // as where there are none, on a TUN
	if b.direction != "down" {
		o.In = b.config() // what we read is what the command sends
	}
	if b.direction != "up" {
		o.Out = b.config()
	}
	l, err := impair.New(plain{below}, o)
	if err != nil {
		return nil, err
	}
	if b.cut.to > 0 {
		time.AfterFunc(b.cut.from, func() { l.SetDown(true) })
		time.AfterFunc(b.cut.to, func() { l.SetDown(false) })
	}
	return l, nil
}

// plain is a link that gets packets of the MTU only, each of which has its own fate.
type plain struct{ link.Link }

func (p plain) Attributes() link.Attributes {
	a := p.Link.Attributes()
	a.MaxGSO = 0
	return a
}

// percentage is a flag's share of packets: 1% or 0.01.
type percentage float64

// Type names the flag's kind in the help.
func (*percentage) Type() string { return "percent" }

func (p *percentage) String() string {
	if *p == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*p)*100, 'g', 6, 64) + "%"
}

// Set parses a share.
func (p *percentage) Set(text string) error {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	f, err := strconv.ParseFloat(number, 64)
	if isPercent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return say.Errorf(say.Text{"%q is not a percentage; write for example 1%% or 0.01", "%q 不是报文的比例；写法例如 1%% 或 0.01"}, text)
	}
	*p = percentage(f)
	return nil
}

// bitRate is a flag's bandwidth in bits a second, as tc writes it.
type bitRate uint64

var rateUnits = []struct {
	name string
	bits float64
}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}

// Type names the flag's kind in the help.
func (*bitRate) Type() string { return "rate" }

func (r *bitRate) String() string {
	for _, u := range rateUnits {
		if *r > 0 && float64(*r) >= u.bits {
			return strconv.FormatFloat(float64(*r)/u.bits, 'g', 6, 64) + u.name
		}
	}
	return ""
}

// Set parses a rate with its unit.
func (r *bitRate) Set(text string) error {
	for _, u := range rateUnits {
		number, ok := cutSuffixFold(strings.TrimSpace(text), u.name)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(number, 64)
		if err == nil && f*u.bits >= 1 && f*u.bits <= netem.MaxRate {
			*r = bitRate(f * u.bits)
			return nil
		}
		break
	}
	return say.Errorf(say.Text{"%q is not a bandwidth; write for example 512kbit, 10mbit or 1gbit", "%q 不是带宽；写法例如 512kbit、10mbit 或 1gbit"}, text)
}

// interval is a flag's time from and to.
type interval struct{ from, to time.Duration }

// Type names the flag's kind in the help.
func (*interval) Type() string { return "from-to" }

func (i *interval) String() string {
	if i.to == 0 {
		return ""
	}
	return i.from.String() + "-" + i.to.String()
}

// Set parses two times.
func (i *interval) Set(text string) error {
	from, to, _ := strings.Cut(text, "-")
	var err, err2 error
	i.from, err = time.ParseDuration(from)
	i.to, err2 = time.ParseDuration(to)
	if err != nil || err2 != nil || i.from < 0 || i.to <= i.from {
		*i = interval{}
		return say.Errorf(say.Text{"%q is not an interval; write for example 5s-8s", "%q 不是时间段；写法例如 5s-8s"}, text)
	}
	return nil
}
