package tcp

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// inside holds, for every number of Config, the ends of its range. A new field
// needs a line here, and in settings.
var inside = map[string][2]int64{
	"SendBuffer": {MinBuffer, MaxBuffer}, "ReceiveBuffer": {MinBuffer, MaxBuffer},
	"BufferMemory": {MinBuffer, MaxBufferMemory}, "ConnMemory": {0, MaxConnMemory}, "NotSentLowat": {0, MaxBuffer},
	"MSL": {1, int64(MaxTimeout)}, "TimeWaitReuse": {0, int64(MaxTimeout)},
	"InitialRTO": {int64(time.Millisecond), int64(120 * time.Second)}, // MaxRTO's default
	"MinRTO":     {int64(time.Millisecond), int64(120 * time.Second)},
	"MaxRTO":     {int64(time.Millisecond), int64(MaxTimeout)},
	"DelayedAck": {int64(time.Millisecond), int64(MaxDelayedAck)},
	"QuickAcks":  {-1, 255}, "SynRetries": {-1, MaxSynRetries}, "SynAckRetries": {-1, MaxSynAckRetries},
	"UserTimeout": {int64(time.Millisecond), int64(MaxTimeout)}, "FinWait2": {int64(time.Millisecond), int64(MaxTimeout)},
	"MaxUserTimeout": {int64(time.Millisecond), int64(MaxTimeout)}, "MinUserTimeout": {int64(time.Millisecond), int64(time.Hour)}, // MaxUserTimeout's default
	"MaxHalfOpen": {1, MaxEntries}, "Cookies": {0, int64(CookiesOff)},
	"AttackEnter": {1, math.MaxInt32}, "AttackLeave": {1, 4096 / 2},
	"FastOpen":          {0, int64(fastopen.All)},
	"ECN":               {int64(cc.ECNDefault), int64(cc.ECNAccurate)},
	"ECNOption":         {0, int64(cc.ECNOptionOff)},
	"ChallengeInterval": {1, int64(time.Minute)},
	"SynLinear":         {0, MaxSynRetries},
	"VerdictTimeout":    {int64(time.Millisecond), int64(MaxTimeout)}, "MaxTimeWait": {1, MaxEntries},
}

// Every number of Config is refused outside its range, in a sentence that names
// it. An endpoint opens, transfers and closes with whatever value all the same.
func TestConfigRanges(t *testing.T) {
	for i := range reflect.TypeFor[Config]().NumField() {
		field := reflect.TypeFor[Config]().Field(i)
		if !field.IsExported() {
			continue // no setting
		}
		switch field.Type.Kind() {
		case reflect.Bool, reflect.Array, reflect.String, reflect.Interface:
			continue
		}
		ends, ok := inside[field.Name]
		if !ok {
			t.Errorf("Config.%s has no range in this test", field.Name)
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			for _, v := range []int64{math.MinInt64, math.MinInt32, -1, 0, 1, math.MaxInt32, 1 << 31, 1 << 32, math.MaxInt64,
				ends[0] - 1, ends[0], ends[0] + 1, ends[1] - 1, ends[1], ends[1] + 1} {
				var cfg Config
				if f := reflect.ValueOf(&cfg).Elem().Field(i); f.CanInt() && !f.OverflowInt(v) {
					f.SetInt(v)
				} else if f.CanUint() && v >= 0 && !f.OverflowUint(uint64(v)) {
					f.SetUint(uint64(v))
				} else {
					continue
				}
				err := cfg.Check()
				if right := v == 0 || v >= ends[0] && v <= ends[1]; right != (err == nil) {
					t.Errorf("%d: Check says %v", v, err)
				}
				if err != nil && !strings.Contains(err.Error(), "Config."+field.Name+" is ") {
					t.Errorf("%d: %q does not name the field", v, err)
				}
				if err != nil && strings.Contains(err.Error(), "PANIC") {
					t.Errorf("%d: %q", v, err)
				}
				transferWith(t, &cfg)
			}
		})
	}
}

// transferWith has two endpoints with cfg shake hands, send each other 100 bytes,
// and close.
func transferWith(t *testing.T, cfg *Config) {
	t.Helper()
	p := &straight{T: t, ends: [2]*Endpoint{NewEndpoint(cfg), NewEndpoint(cfg)}, now: clock.Time(time.Hour)}
	l, _ := p.ends[1].Listen(wire.Addr{}, 80, 10, "l")
	a, err := p.ends[0].Connect(p.now, Path{MTU: 1500}, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 4000, RemotePort: 80}, "c")
	if err != nil {
		t.Fatal(err)
	}
	p.run(10 * time.Second)
	b := p.ends[1].Accept(l)
	if b == nil {
		t.Errorf("%+v: no connection: %v", *cfg, a.State())
		return
	}
	entries := [2]*Entry{a, b}
	for i, e := range p.ends {
		e.SendCopy(p.now, entries[i], make([]byte, 100))
	}
	p.run(10 * time.Second)
	for i, e := range p.ends {
		n := 0
		for _, v := range e.Take(p.now, entries[i], 1000, nil) {
			n += v.Len()
			v.Release()
		}
		if n != 100 || entries[i].SendSpace() <= 0 {
			t.Errorf("%+v: %d of 100 bytes arrived, room for %d", *cfg, n, entries[i].SendSpace())
		}
		e.Close(p.now, entries[i])
	}
	p.run(3 * MaxTimeout)
	if n := p.ends[0].Len() + p.ends[1].Len(); n != 0 {
		t.Errorf("%+v: %d connections are left", *cfg, n)
	}
}

// straight is two endpoints without a wire between them.
type straight struct {
	*testing.T
	ends [2]*Endpoint
	now  clock.Time
}

// run lets d pass. It counts steps: whoever hangs takes many.
func (p *straight) run(d time.Duration) {
	p.Helper()
	end := p.now.Add(d)
	for range 10000 {
		p.exchange()
		next := min(p.ends[0].Deadline(), p.ends[1].Deadline())
		if next > end {
			p.now = end
			return
		}
		p.now = max(p.now, next)
		p.ends[0].Advance(p.now)
		p.ends[1].Advance(p.now)
	}
	p.Fatal("10,000 timers, and no end")
}

// exchange passes segments on until there are none.
func (p *straight) exchange() {
	p.Helper()
	var out Output
	for range 10000 {
		moved := false
		for i, from := range p.ends {
			if !from.Output(p.now, &out) {
				continue
			}
			moved = true
			tuple, segment := out.Tuple.Reverse(), out.Segment
			p.ends[1-i].Receive(p.now, Path{MTU: 1500}, &tuple, &segment)
			for _, v := range out.Views {
				v.Release()
			}
		}
		if !moved {
			return
		}
	}
	p.Fatal("10,000 segments at the same time, and no end")
}
