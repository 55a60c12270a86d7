package netem_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/lab/netem"
)

// most holds the end of the range of every number in Config; each begins at 0. A
// new field needs a line here, and in settings.
var most = map[string]float64{
	"Delay": float64(netem.MaxDelay), "Jitter": float64(netem.MaxDelay), "ReorderDelay": float64(netem.MaxDelay),
	"Loss": 1, "Duplicate": 1, "Reorder": 1, "Corrupt": 1, "ToBad": 1, "ToGood": 1, "LossGood": 1, "LossBad": 1,
	"Rate": netem.MaxRate, "QueueBytes": netem.MaxQueueBytes, "MarkBytes": netem.MaxQueueBytes, "Limit": netem.MaxPackets,
}

// eachNumber calls f with each number of a Config, also those of the structs in it.
func eachNumber(t *testing.T, v reflect.Value, f func(name string, v reflect.Value)) {
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Struct {
			eachNumber(t, v.Field(i), f)
			continue
		}
		f(v.Type().Field(i).Name, v.Field(i))
	}
}

// put sets a field, and reports whether it can hold the value.
func put(f reflect.Value, v float64) bool {
	switch {
	case f.CanFloat():
		f.SetFloat(v)
	case v != math.Trunc(v) || math.Abs(v) >= 1<<63: // NaN and the infinities too
		return false
	case f.CanInt() && !f.OverflowInt(int64(v)):
		f.SetInt(int64(v))
	case f.CanUint() && v >= 0:
		f.SetUint(uint64(v))
	default:
		return false
	}
	return true
}

// Every number is refused outside its range, in a sentence that names it. A wire
// made of it all the same neither panics nor counts wrongly.
func TestRanges(t *testing.T) {
	var c netem.Config
	tried := 0
	eachNumber(t, reflect.ValueOf(&c).Elem(), func(name string, field reflect.Value) {
		top, ok := most[name]
		if !ok {
			t.Errorf("%s has no range in this test", name)
		}
		for _, v := range []float64{math.NaN(), math.Inf(1), -math.MaxInt32, -1, -0.5, 0, 0.5, 1, 2, top - 1, top, top + 1, 1 << 31, 1 << 40, 1 << 62} {
			c = netem.Config{}
			if !put(field, v) {
				continue
			}
			tried++
			err, inside := c.Check(), v >= 0 && v <= top
			if inside != (err == nil) || err != nil && !strings.Contains(err.Error(), name) {
				t.Errorf("%s %v: %v", name, v, err)
			}
			tryWire(t, name, c)
		}
	})
	if tried < 100 {
		t.Errorf("only %d values were tried", tried)
	}
}

// tryWire sends packets through a wire, and wants each accounted for.
func tryWire(t *testing.T, name string, c netem.Config) {
	t.Helper()
	w := netem.New(c, 1)
	for range 20 {
		p := buf.NewPacket()
		p.Data = p.ReceiveInto(1500)[:1500]
		w.Input(0, p)
	}
	for range 100 {
		if p := w.Output(w.Deadline()); p != nil {
			p.Release()
		}
	}
	n := w.Counters()
	if n.In+n.Duplicated != n.Passed+n.Lost+n.Overflow+n.Down || w.Len() != 0 {
		t.Errorf("%s: %+v, %d under way of %+v", name, n, w.Len(), c)
	}
	w.Release()
}

// The slowest wire with the longest queue does not overflow.
func TestSlowest(t *testing.T) {
	w := netem.New(netem.Config{Rate: 1, QueueBytes: netem.MaxQueueBytes, Delay: netem.MaxDelay, Jitter: netem.MaxDelay}, 1)
	p := buf.NewPacket()
	p.Data = p.ReceiveInto(1500)[:1500]
	w.Input(0, p)
	if at := w.Deadline(); at < 12000*1e9 || at.Sub(0) > 12000*time.Second+2*netem.MaxDelay {
		t.Errorf("1500 bytes at 1 bit/s arrive at %v", at)
	}
	w.Release()
}
