package host

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// inside holds, for every number of Config, the ends of its range. A new field
// needs a line here, and in settings.
var inside = map[string][2]int64{
	"Shard": {0, 0}, "Shards": {1, MaxShards},
	"MaxQueued": {1, MaxCount}, "MaxQueuedBytes": {MinSize, tcp.MaxBuffer}, "MaxPathMTUs": {1, MaxCount},
	"MaxNeighbour": {1, MaxCount}, "MaxNeighbourBytes": {MinSize, tcp.MaxBuffer},
	"MaxFragmentDatagrams": {1, MaxCount}, "MaxFragmentBytes": {MinSize, tcp.MaxBuffer},
	"FragmentTimeout":  {int64(time.Millisecond), int64(tcp.MaxTimeout)},
	"UDPReceiveBuffer": {MinSize, tcp.MaxBuffer}, "MaxUDPBytes": {MinSize, tcp.MaxBuffer}, "MaxGroups": {1, MaxCount}, "EchoPerSecond": {1, MaxRate}, "ErrorPerSecond": {1, MaxRate},
}

// Every number of Config is refused outside its range, in a sentence that names
// it. With whatever value two hosts shake hands all the same.
func TestConfigRanges(t *testing.T) {
	for i := range reflect.TypeFor[Config]().NumField() {
		name := reflect.TypeFor[Config]().Field(i).Name
		if name == "TCP" {
			continue
		}
		ends, ok := inside[name]
		if !ok {
			t.Errorf("Config.%s has no range in this test", name)
			continue
		}
		for _, v := range []int64{math.MinInt64, math.MinInt32, -1, 0, 1, math.MaxInt32, 1 << 31, math.MaxInt64,
			ends[0] - 1, ends[0], ends[0] + 1, ends[1] - 1, ends[1], ends[1] + 1} {
			var cfg Config
			f := reflect.ValueOf(&cfg).Elem().Field(i)
			if f.OverflowInt(v) {
				continue
			}
			f.SetInt(v)
			err := cfg.Check()
			if right := v == 0 || v >= ends[0] && v <= ends[1]; right != (err == nil) {
				t.Errorf("%s %d: Check says %v", name, v, err)
			}
			if err != nil && !strings.Contains(err.Error(), "Config."+name+" is ") {
				t.Errorf("%s %d: %q does not name the field", name, v, err)
			}
			if name != "Shard" && name != "Shards" { // with more than one, flows belong to others
				p := newPair(t, config{ethernet: true, host: cfg})
				p.shakeHands(name, v)
			}
		}
	}
}

func (p *pair) shakeHands(name string, v int64) {
	p.Helper()
	if _, err := p.b.TCP().Listen(wire.Addr{}, 80, 1, nil); err != nil {
		p.Fatal(err)
	}
	c, err := p.a.Connect(p.now, wire.Addr{}, 1000, p.addrB, 80, nil)
	if err != nil {
		p.Fatal(err)
	}
	p.run()
	p.after(10 * time.Second)
	if c.State() != tcp.Established {
		p.Errorf("%s %d: %v", name, v, c.State())
	}
}
