package guard_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/guard"
)

// Every number of Settings is refused outside its range. A new field needs a line here.
func TestSettingRanges(t *testing.T) {
	g, err := guard.New(guard.Config{Settings: guard.Settings{Backends: []string{"127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	ms, hour := int64(time.Millisecond), int64(time.Hour)
	ranges := map[string][2]int64{
		"MaxConnections": {1, guard.MaxEntries}, "PerSource": {1, guard.MaxEntries}, "PerPrefix": {1, guard.MaxEntries},
		"CheckInterval": {10 * ms, hour}, "CheckTimeout": {ms, hour}, "DialTimeout": {ms, hour},
		"Balance": {0, 1}, "Header": {0, 2},
	}
	for i := range reflect.TypeFor[guard.Settings]().NumField() {
		f := reflect.TypeFor[guard.Settings]().Field(i)
		r, ok := ranges[f.Name]
		switch f.Type.Kind() {
		case reflect.Int, reflect.Int64, reflect.Uint8:
		default:
			continue
		}
		if !ok {
			t.Errorf("Settings.%s has no range in this test", f.Name)
		}
		for _, v := range []int64{-1, 0, 1, r[0] - 1, r[0], r[1], r[1] + 1, 1 << 40} {
			s := guard.Settings{Backends: []string{"127.0.0.1:1"}}
			field := reflect.ValueOf(&s).Elem().Field(i)
			switch {
			case field.CanInt() && !field.OverflowInt(v):
				field.SetInt(v)
			case field.CanUint() && v >= 0 && !field.OverflowUint(uint64(v)):
				field.SetUint(uint64(v))
			default:
				continue
			}
			err := g.Set(s)
			if taken := v == 0 || v >= r[0] && v <= r[1]; (err == nil) != taken {
				t.Errorf("%s %d: %v", f.Name, v, err)
			} else if err != nil && !strings.Contains(err.Error(), "guard.Settings."+f.Name+" is ") {
				t.Errorf("%q does not name the field", err)
			}
		}
	}
}

// A list of back ends that makes no sense is refused with what is wrong.
func TestBackendsThatMakeNoSense(t *testing.T) {
	for why, all := range map[string][]string{
		"is empty":         nil,
		"is not host:port": {"localhost"},
		"not host:port":    {"localhost:0"},
		"named twice":      {"a:1", "b:1", "a:1"},
	} {
		if g, err := guard.New(guard.Config{Settings: guard.Settings{Backends: all}}); err == nil || !strings.Contains(err.Error(), why) || g != nil {
			t.Errorf("%q: %v", all, err)
		}
	}
}
