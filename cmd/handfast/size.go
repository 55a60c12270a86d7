package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// byteSize is a flag's number of bytes, such as 256MiB.
type byteSize int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1},
}

// Type names the flag's kind in the help.
func (*byteSize) Type() string { return "size" }

func (s *byteSize) String() string { return formatSize(int64(*s)) }

// Set parses a number with an optional unit: 1500, 64K, 256MiB, 1.5GB.
func (s *byteSize) Set(text string) error {
	number, unit := strings.TrimSpace(text), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := cutSuffixFold(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f >= 0) || f*float64(unit) > math.MaxInt64/2 {
		return say.Errorf(say.Text{"%q is not a size; write for example 1500, 64KiB, 256MiB or 1GB", "%q 不是大小；写法例如 1500、64KiB、256MiB 或 1GB"}, text)
	}
	*s = byteSize(f * float64(unit))
	return nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	n := len(s) - len(suffix)
	if n >= 0 && strings.EqualFold(s[n:], suffix) {
		return s[:n], true
	}
	return s, false
}

// formatSize writes bytes in the largest binary unit that leaves a number of
// at least 1.
func formatSize(n int64) string {
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; n >= u.bytes {
			s := strconv.FormatFloat(float64(n)/float64(u.bytes), 'f', 1, 64)
			return strings.TrimSuffix(s, ".0") + " " + u.name
		}
	}
	return fmt.Sprintf("%d B", n)
}

// formatCount writes n with a comma between thousands.
func formatCount[N int | uint64](n N) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// formatRate writes a transfer's speed in Gbit/s, 10^9 bits in a second.
func formatRate(n int64, d time.Duration) string {
	return fmt.Sprintf("%.2f Gbit/s", float64(n)*8/max(d.Seconds(), 1e-9)/1e9)
}
