package setting

import (
	"fmt"
	"testing"
	"time"
)

// What Check takes, Settle keeps; what it refuses, Settle brings to the nearest
// end of the range. Zero becomes the default.
func TestCheckAndSettleAgree(t *testing.T) {
	const byDefault, least, most = 7, 5, 9
	for v := -3; v <= 20; v++ {
		field := v
		s := Of("Host.Window", &field, byDefault, least, most)
		err := s.Check()
		if field != v {
			t.Fatalf("Check changed %d to %d", v, field)
		}
		s.Settle()
		want := min(max(v, least), most)
		if v == 0 {
			want = byDefault
		}
		if field != want {
			t.Errorf("%d is settled as %d, want %d", v, field, want)
		}
		if ok := v == 0 || field == v; ok != (err == nil) {
			t.Errorf("%d becomes %d, and Check says %v", v, field, err)
		}
	}
}

// An error says what was given, and what may be.
func TestErrorSaysWhatMayBe(t *testing.T) {
	d := time.Hour
	err := Of("Config.MSL", &d, time.Minute, time.Millisecond, 4*time.Minute).Check()
	const want = "Config.MSL is 1h0m0s; it may be 1ms to 4m0s, or 0 for the default"
	if fmt.Sprint(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// A table is settled from its top, so that a field can bound those below it, and
// checked as far as the first error.
func TestTableInOrder(t *testing.T) {
	total, part := 0, 80
	Settle([]Setting{Of("Total", &total, 50, 1, 100), bounded{&part, &total}})
	if total != 50 || part != 50 {
		t.Errorf("total %d, part %d: the part is at most the total's default", total, part)
	}
	good, low, high := 1, -1, 99
	err := Check([]Setting{Of("Good", &good, 1, 1, 9), Of("Low", &low, 1, 1, 9), Of("High", &high, 1, 1, 9)})
	if want := "Low is -1; it may be 1 to 9, or 0 for the default"; fmt.Sprint(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// bounded is a setting whose upper end is another setting.
type bounded struct{ field, most *int }

func (b bounded) Check() error { return nil }
func (b bounded) Settle()      { *b.field = min(*b.field, *b.most) }
