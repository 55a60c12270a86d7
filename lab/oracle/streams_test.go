package oracle

import (
	"errors"
	"testing"
)

// Each rule of streams is broken once, and kept once.
func TestStreamRules(t *testing.T) {
	k := Stream{ISN: 7}
	for name, c := range map[string]struct {
		rule string
		do   func(t *Streams) error
	}{
		"as it should be": {"", func(t *Streams) error {
			t.Wrote(k, []byte("abcdef"))
			t.Closed(k)
			return errors.Join(t.Read(k, []byte("abcd")), t.Read(k, []byte("ef")), t.Ended(k), t.Ended(k))
		}},
		"a failure": {"", func(t *Streams) error {
			t.Wrote(k, []byte("abcdef"))
			err := t.Read(k, []byte("ab"))
			t.Failed(k)
			return err
		}},
		"another writer":    {"", func(t *Streams) error { return errors.Join(t.Read(k, []byte("x")), t.Ended(k)) }},
		"another byte":      {"R1", func(t *Streams) error { t.Wrote(k, []byte("abc")); return t.Read(k, []byte("abd")) }},
		"more than written": {"R1", func(t *Streams) error { t.Wrote(k, []byte("abc")); return t.Read(k, []byte("abcd")) }},
		"twice": {"R1", func(t *Streams) error {
			t.Wrote(k, []byte("abc"))
			t.Read(k, []byte("ab"))
			return t.Read(k, []byte("bc"))
		}},
		"nobody closed":       {"R9", func(t *Streams) error { t.Opened(k); return t.Ended(k) }},
		"too early":           {"R9", func(t *Streams) error { t.Wrote(k, []byte("abc")); t.Closed(k); return t.Ended(k) }},
		"text after the end":  {"R9", func(t *Streams) error { t.Closed(k); t.Ended(k); return t.Read(k, []byte("a")) }},
		"end after a failure": {"R9", func(t *Streams) error { t.Closed(k); t.Failed(k); return t.Ended(k) }},
		"a write after close": {"M6", func(t *Streams) error { t.Closed(k); return t.Wrote(k, []byte("a")) }},
	} {
		var f *Fault
		if err := c.do(&Streams{}); c.rule == "" && err != nil || c.rule != "" && (!errors.As(err, &f) || f.Rule != c.rule) {
			t.Errorf("%s: %v, want %q", name, err, c.rule)
		}
	}
}

// What is remembered is bounded.
func TestStreamsAreBounded(t *testing.T) {
	var s Streams
	for i := range uint32(3 * maxStreams) {
		s.Wrote(Stream{ISN: i}, []byte("a"))
	}
	if len(s.by) != maxStreams || s.Read(Stream{ISN: 1}, []byte("b")) != nil || s.Read(Stream{ISN: 3*maxStreams - 1}, []byte("b")) == nil {
		t.Errorf("%d streams", len(s.by))
	}
}
