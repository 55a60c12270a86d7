package gateway_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
)

// Every number of Config is refused outside its range. A new field needs a line here.
func TestConfigRanges(t *testing.T) {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ms, hour := int64(time.Millisecond), int64(time.Hour)
	ranges := map[string][2]int64{
		"MaxDials": {1, gateway.MaxEntries}, "MaxSessions": {1, gateway.MaxEntries},
		"DialTimeout": {ms, hour}, "UDPIdle": {ms, hour}, "DNSIdle": {ms, hour},
	}
	for i := range reflect.TypeFor[gateway.Config]().NumField() {
		f := reflect.TypeFor[gateway.Config]().Field(i)
		if f.Type.Kind() != reflect.Int && f.Type.Kind() != reflect.Int64 {
			continue
		}
		r, ok := ranges[f.Name]
		if !ok {
			t.Errorf("Config.%s has no range in this test", f.Name)
		}
		for _, v := range []int64{-1, 0, 1, r[0] - 1, r[0], r[1], r[1] + 1, 1 << 40} {
			cfg := gateway.Config{Host: h}
			field := reflect.ValueOf(&cfg).Elem().Field(i)
			if field.OverflowInt(v) {
				continue
			}
			field.SetInt(v)
			g, err := gateway.New(cfg)
			if taken := v == 0 || v >= r[0] && v <= r[1]; (err == nil) != taken {
				t.Errorf("%s %d: %v", f.Name, v, err)
			} else if err != nil && !strings.Contains(err.Error(), "gateway.Config."+f.Name+" is ") {
				t.Errorf("%q does not name the field", err)
			}
			if g != nil {
				g.Close()
			}
		}
	}
	if _, err := gateway.New(gateway.Config{}); err == nil || !strings.Contains(err.Error(), "Config.Host") {
		t.Errorf("without a host: %v", err)
	}
}

// A second gateway for the same addresses is refused, and leaves nothing.
func TestTwoGateways(t *testing.T) {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for range 3 {
		g, err := gateway.New(gateway.Config{Host: h})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gateway.New(gateway.Config{Host: h}); err == nil {
			t.Error("a second gateway of everybody")
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if err := g.Close(); err == nil {
			t.Error("closed twice")
		}
	}
}
