package main

import (
	"testing"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "1500": 1500, "1B": 1, "64K": 64 << 10, "64KiB": 64 << 10, "64kib": 64 << 10, "2KB": 2000,
		"256MiB": 256 << 20, " 1.5 GB ": 1_500_000_000, "1GiB": 1 << 30, "1TiB": 1 << 40,
	} {
		var s byteSize
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q: %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "MiB", "1 furlong", "NaN", "Inf", "1e300", "9999999TiB"} {
		var s byteSize
		if s.Set(text) == nil {
			t.Errorf("%q is taken for %d", text, s)
		}
	}
}

func TestFormat(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1 << 10: "1 KiB", 1536: "1.5 KiB", 256 << 20: "256 MiB", 5 << 40: "5 TiB"} {
		if got := formatSize(n); got != want {
			t.Errorf("formatSize(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := formatCount(n); got != want {
			t.Errorf("formatCount(%d) = %q, want %q", n, got, want)
		}
	}
}
