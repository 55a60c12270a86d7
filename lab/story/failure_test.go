package story

import (
	"testing"

	"github.com/handfast-tcp/handfast/lab"
)

// What did not come out as expected is told in Chinese, whatever flags change the
// scenario: only its own lines, and what stands in quotes, stay as they are.
func TestFailuresInChinese(t *testing.T) {
	told := 0
	for _, s := range lab.Scenarios() {
		for _, o := range []lab.Options{{Seed: 1, Delay: 50e6}, {Seed: 2, Loss: 0.3}, {Seed: 3, Cookies: "always"}, {Seed: 4, MSL: 1e9, Reorder: 0.3}} {
			for _, f := range played(s.Name, o).Failed {
				told++
				lineOnly := failureZH[0].english.ReplaceAllString(f, failureZH[0].chinese)
				if got := FailureText(f, Chinese); got == lineOnly || FailureText(f, English) != f {
					t.Errorf("%s: %q is %q in Chinese", s.Name, f, got)
				}
			}
		}
	}
	if told < 20 {
		t.Errorf("only %d expectations did not hold", told)
	}
	for f, want := range map[string]string{
		`line 3: client: read gave "timed out", wanted "end of stream"`: `第 3 行：client: read 得到 "timed out"，期望 "end of stream"`,
		"line 9: expect 2 segments from a: found 1 such segment":        "第 9 行：expect 2 segments from a：找到 1 个这样的报文段",
		"lab: programs wait for what will never come: a, b":             "有程序在等待永远不会发生的事：a, b",
	} {
		if got := FailureText(f, Chinese); got != want {
			t.Errorf("%q is %q, want %q", f, got, want)
		}
	}
}
