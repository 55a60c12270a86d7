package answers

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// comparison is a probe and what both stacks made of it.
type comparison struct {
	probe
	was           tcp.State // of our connection when the last segment came
	orphan        bool      // its program had closed it
	ours, kernels outcome
}

func (c *comparison) same() bool { return c.ours.equal(c.kernels) }

func (c *comparison) String() string {
	return fmt.Sprintf("%v\n  ours:%v\n  the kernel's:%v", c.probe, c.ours, c.kernels)
}

// last returns the last segment of the probe; of one in raw packets an empty one.
func (c *comparison) last() segment {
	if len(c.segments) == 0 {
		return segment{}
	}
	return c.segments[len(c.segments)-1]
}

// in reports whether our connection was in one of the states.
func (c *comparison) in(states ...tcp.State) bool { return slices.Contains(states, c.was) }

func (c *comparison) options(names ...string) bool {
	return slices.Contains(names, c.last().options)
}

// difference is one that may be.
type difference struct {
	why string
	is  func(c *comparison) bool
}

// explain returns why the stacks may differ, or "".
func (c *comparison) explain() string {
	all := segmentDifferences
	if c.packets.name != "" {
		all = packetDifferences
	}
	for _, d := range all {
		if d.is(c) {
			return d.why
		}
	}
	return ""
}

func (o *outcome) silent() bool { return len(o.answers) == 0 }

// says reports whether a stack answers one packet that begins with text.
func (o *outcome) says(text string) bool {
	return len(o.answers) == 1 && strings.HasPrefix(o.answers[0], text)
}

func (o *outcome) acks() bool   { return o.says(". ") }
func (o *outcome) resets() bool { return o.says("R") }

// has reports whether the last segment has all of one set of flags and none of another.
func (c *comparison) has(all, none wire.Flags) bool {
	return c.last().flags.Has(all) && c.last().flags&none == 0
}

// sameNumbers reports whether the segment left our connection where it was.
func (c *comparison) sameNumbers() bool { return c.ours.state == "-" || c.ours.state == c.was.String() }

// hadEarlyFin reports whether a FIN came before text that is in front of it.
func (c *comparison) hadEarlyFin() bool {
	return slices.ContainsFunc(c.segments[:max(len(c.segments)-1, 0)], func(s segment) bool {
		return s.flags.Has(wire.FIN) && s.flags&(wire.SYN|wire.RST) == 0 && (s.seq.plus > 0 || s.seq.base == edge)
	})
}

// sameEnd reports whether the stacks are of one mind again after the answer.
func (c *comparison) sameEnd() bool {
	return c.ours.state == c.kernels.state && c.ours.read == c.kernels.read &&
		slices.Equal(plain(c.ours.after), plain(c.kernels.after))
}

// onlyEchoes reports whether the stacks differ only in what timestamps they echo.
func (c *comparison) onlyEchoes() bool {
	return slices.Equal(withoutEchoes(c.ours.answers), withoutEchoes(c.kernels.answers)) && c.sameEnd()
}

// onlyResets reports whether the stacks differ only in how their RSTs look.
func (c *comparison) onlyResets() bool {
	return c.alike(func(s string) string {
		if s[0] == 'R' {
			return "R"
		}
		return s
	})
}

// onlyTwice reports whether the stacks differ only in what they say came twice.
func (c *comparison) onlyTwice() bool {
	return slices.Equal(each(c.ours.answers, withoutTwice), each(c.kernels.answers, withoutTwice)) && c.sameEnd()
}

// withoutTwice leaves out a D-SACK block, RFC 2883 §4, and what timestamp is
// echoed: the first block, when it is not above the ACK or inside the second.
func withoutTwice(s string) string {
	s = anEcho.ReplaceAllString(s, "TS")
	var ack, left, right, left2, right2 int
	_, after, _ := strings.Cut(s, " ack ")
	fmt.Sscan(after, &ack)
	_, list, _ := strings.Cut(s, "sack ")
	n, _ := fmt.Sscanf(list, "%d:%d %d:%d", &left, &right, &left2, &right2)
	if n < 2 || right > ack && (n < 4 || left < left2 || right > right2) {
		return s
	}
	rest := strings.TrimPrefix(list, fmt.Sprintf("%d:%d", left, right))
	if rest == ">" {
		return withoutBlocks(s)
	}
	return strings.Replace(s, list, strings.TrimPrefix(rest, " "), 1)
}

// withoutBlocks leaves out SACK blocks, and with them what timestamp is echoed.
func withoutBlocks(s string) string {
	return strings.Replace(blocks.ReplaceAllString(anEcho.ReplaceAllString(s, "TS"), ""), " <>", "", 1)
}

// ackNumber is the sequence number of an ACK.
var ackNumber = regexp.MustCompile(`^\. \d+:\d+\(0\)`)

var blocks = regexp.MustCompile(`,?sack [^>]*`)

// alike reports whether the stacks differ in nothing but what change makes equal.
func (c *comparison) alike(change func(string) string) bool {
	return slices.Equal(each(c.ours.answers, change), each(c.kernels.answers, change)) &&
		slices.Equal(each(c.ours.after, change), each(c.kernels.after, change)) &&
		c.ours.state == c.kernels.state && c.ours.read == c.kernels.read
}

// plain leaves out of answers what shows no state: echoes of timestamps, SACK
// blocks, and how a RST looks.
func plain(said []string) []string {
	return each(withoutEchoes(said), func(s string) string {
		if s[0] == 'R' {
			return "R"
		}
		return withoutBlocks(s)
	})
}

func each(said []string, change func(string) string) (all []string) {
	for _, s := range said {
		all = append(all, change(s))
	}
	return all
}
