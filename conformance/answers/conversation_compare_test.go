package answers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// pair is a conversation with two stacks, as far as they were of one mind.
type pair struct {
	conversation
	ours, kernels []turn
	was           []tcp.State // of our connection before each step
	orphan        []bool      // our program had closed it
	excused       bool        // a difference before this step was explained
	done          []segment   // what the client sent, for differences that look back
}

// playOurs plays the conversation with our stack.
func (r *pair) playOurs(p *peer) {
	for _, s := range r.steps {
		r.was = append(r.was, p.stateOfOurs())
		r.orphan = append(r.orphan, p.orphan)
		if s.act == goesOn {
			s.segment = p.usualNext()
		}
		r.done = append(r.done, s.segment)
		r.ours = append(r.ours, p.play(s))
	}
}

// playKernels plays it with the kernel's.
func (r *pair) playKernels(p *peer) {
	for _, s := range r.steps {
		r.kernels = append(r.kernels, p.play(s))
	}
}

// verdict is what a comparison of two conversations comes to.
type verdict struct {
	steps   int      // that were compared
	at      int      // the step of the first difference that nothing explains; -1: none
	reasons []string // of the differences that may be
}

// byChance reports whether a difference may be gone when the conversation is played again.
func (v *verdict) byChance() bool { return slices.Contains(v.reasons, clockTicked) }

// judge compares turn by turn. After a difference that may be it goes on if both stacks
// are in the same place all the same; otherwise what comes later says nothing.
func (r *pair) judge() (v verdict) {
	v.at = -1
	for i := range r.steps {
		v.steps++
		a, b := &r.ours[i], &r.kernels[i]
		if a.equal(b) {
			continue
		}
		r.excused = len(v.reasons) > 0
		why := r.explain(i)
		if why == "" {
			v.at = i
			return v
		}
		v.reasons = append(v.reasons, why)
		hidden := a.state == "-" && (len(a.said) == 0) != (len(b.said) == 0) && r.was[i] != tcp.TimeWait
		repairs := strings.HasPrefix(r.done[i].options, "sack") && len(a.said) != len(b.said) // from here on the losses that they know are not the same
		if hidden || repairs || a.state != b.state || a.told != b.told || a.next != b.next || a.end != b.end || a.has('S') || a.has('R') != b.has('R') {
			return v
		}
	}
	return v
}

// has reports whether a stack said a segment whose first flag is the given one. After a
// SYN that is not the same what both agree on is not the same either.
func (t *turn) has(flag byte) bool {
	return slices.ContainsFunc(t.said, func(s string) bool { return s[0] == flag })
}

// explain returns why the stacks may differ in a step, or "".
func (r *pair) explain(i int) string {
	for _, d := range conversationDifferences {
		if d.is(r, i) {
			return d.why
		}
	}
	if !r.steps[i].byClient() || r.steps[i].act == fills {
		return ""
	}
	c := comparison{probe: probe{v6: r.v6, offer: r.offer, irs: r.irs}, was: r.was[i], orphan: r.orphan[i]}
	for k := range i + 1 {
		if a := r.steps[k].act; a == tells || a == goesOn {
			c.segments = append(c.segments, r.done[k])
		}
	}
	c.ours = outcome{answers: r.ours[i].said, state: r.ours[i].state}
	c.kernels = outcome{answers: r.kernels[i].said, state: r.kernels[i].state}
	if !r.unusual(i) && c.onlyEchoes() {
		return "" // of segments that all are acceptable, every timestamp is recorded
	}
	return c.explain()
}

const columnWidth = 52

// String draws both conversations beside each other.
func (r *pair) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n", &r.conversation)
	v := r.judge()
	row := func(mark, left, middle, right string) {
		fmt.Fprintf(&b, "%2s %-*s| %-*s| %s\n", mark, columnWidth, left, columnWidth, middle, right)
	}
	row("", "client, or (program)", "ours", "the kernel's")
	for i, s := range r.steps {
		left := s.String() + " ->"
		if !s.byClient() {
			left = "(" + s.String() + ")"
		}
		ours, kernels := r.ours[i].lines(), r.kernels[i].lines()
		for k := range max(len(ours), len(kernels)) {
			mark := ""
			if k == 0 && i == v.at {
				mark = ">>"
			}
			row(mark, left, nth(ours, k), nth(kernels, k))
			left = ""
		}
		if i == v.at {
			fmt.Fprintf(&b, "the first difference: step %d, in %v\n", i+1, r.was[i])
			break
		}
	}
	return b.String()
}

func nth(all []string, k int) string {
	if k < len(all) {
		return all[k]
	}
	return ""
}

// shorter returns the conversations that are one step shorter than c.
func (c *conversation) shorter() (all []conversation) {
	for i := range c.steps {
		s := *c
		s.steps = slices.Delete(slices.Clone(c.steps), i, i+1)
		all = append(all, s)
	}
	return all
}
