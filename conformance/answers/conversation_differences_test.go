package answers

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// conversationDifference is one that may be, in step i of a conversation.
type conversationDifference struct {
	why string
	is  func(r *pair, i int) bool
}

// clockTicked is a difference only when the kernel's clock ticks between two steps, which it may not when they are
// played again.
const clockTicked = "RFC 7323 §3.2: whatever timestamp was sent may be echoed; Linux takes in SYN-RECEIVED only that of its SYN-ACK, and not a later one of an ACK that answers something else"

// conversationDifferences are all that may be beside those between answers to segments.
var conversationDifferences = []conversationDifference{
	{
		"RFC 9293 §3.10.7.1: a RST offers no window; Linux has that of its connection in one that its program asks for",
		func(r *pair, i int) bool {
			return r.kernels[i].has('R') && r.alike(i, func(s string) string {
				if s[0] != 'R' {
					return s
				}
				return withoutBlocks(resetWindow.ReplaceAllString(s, "$1"))
			})
		},
	},
	{
		"RFC 9293 §3.10.7.4, second: a RST in CLOSE-WAIT tells RECEIVEs; Linux only SENDs",
		func(r *pair, i int) bool {
			return r.steps[i].act == reads && strings.HasSuffix(r.ours[i].told, "reset") && strings.HasSuffix(r.kernels[i].told, "EOF") && r.ours[i].state == "CLOSED"
		},
	},
	{
		"RFC 9293 §3.10.7.4, first: nothing is acceptable while the window is shut but ACK, URG and RST; Linux takes a FIN",
		func(r *pair, i int) bool {
			return r.done[i].flags.Has(wire.FIN) && r.isShut(i)
		},
	},
	{
		"RFC 9293 §3.10.7.4, fifth: the window of an ACK counts, also when it is smaller and nothing else is new; Linux keeps the larger one",
		func(r *pair, i int) bool {
			return r.windowBefore(i) && len(r.ours[i].said) < len(r.kernels[i].said)
		},
	},
	{
		"RFC 5961 §3.2: a RST counts at RCV.NXT only; Linux takes one that forgets the FIN before it, which shows later where no program has the connection",
		func(r *pair, i int) bool {
			return r.before(i, func(k int) bool {
				return r.done[k].flags.Has(wire.RST) && r.done[k].seq == point{next, -1} && slices.Contains([]tcp.State{tcp.CloseWait, tcp.Closing, tcp.LastAck, tcp.TimeWait}, r.was[k])
			})
		},
	},
	{
		"RFC 7323 §5.3, R2 and R3: the timestamp of a segment that is not acceptable is not recorded, which shows later",
		func(r *pair, i int) bool {
			return r.offer.timestamps && r.unusual(i) && r.alike(i, func(s string) string { return anEcho.ReplaceAllString(s, "TS") })
		},
	},
	{
		"RFC 9293 §3.8.6.2.2: a window that is less than a segment is shut; Linux may leave it open by some bytes, for ever",
		func(r *pair, i int) bool {
			return r.steps[i].act == fills && r.ours[i].told == "shut" && r.kernels[i].told == "takes no more"
		},
	},
	{
		"RFC 9293 §3.10.5: ABORT in TIME-WAIT forgets the connection; Linux keeps it, which shows later",
		func(r *pair, i int) bool {
			return r.before(i, func(k int) bool { return r.steps[k].act == aborts && r.was[k] == tcp.TimeWait })
		},
	},
	{
		"RFC 5961 §4.2: a RST that answers the challenge to a SYN ends TIME-WAIT too; Linux with tcp_rfc1337 ignores it, which shows later where no program has the connection",
		func(r *pair, i int) bool {
			return r.was[i] == tcp.Closed && r.before(i, func(k int) bool { return r.done[k].flags.Has(wire.RST) && r.was[k] == tcp.TimeWait })
		},
	},
	{
		"RFC 9293 §3.10.7.4, first: while the window is shut a valid ACK counts all the same, also of a segment whose text does not; Linux drops all of it",
		func(r *pair, i int) bool {
			return r.isShut(i) && r.done[i].flags.Has(wire.ACK) && r.ours[i].state != r.kernels[i].state &&
				slices.Equal(each(r.ours[i].said, withoutBlocks), each(r.kernels[i].said, withoutBlocks)) ||
				r.ours[i].end < r.kernels[i].end && r.before(i, func(k int) bool { return r.isShut(k) && r.done[k].window != open && r.done[k].text > 0 })
		},
	},
	{
		"RFC 9293 §3.10.7.4, first: while the window is shut a RST at RCV.NXT counts, whatever comes with it; for Linux its text is too long, which shows later",
		func(r *pair, i int) bool {
			return r.before(i+1, func(k int) bool { return r.done[k].flags.Has(wire.RST) && r.done[k].length() > 0 && r.isShut(k) })
		},
	},
	{
		"RFC 9293 §3.10.7.4, first: what is outside the window is dropped, and what it says of the peer's window too, and of what is partly inside that counts; Linux takes it of what ends at RCV.NXT, and not of what goes past the end",
		func(r *pair, i int) bool {
			odd := func(k int) bool {
				s := r.done[k]
				return s.seq.base == edge || s.seq.plus < 0 && int64(s.length()) <= -s.seq.plus
			}
			return odd(i) && r.ours[i].end < r.kernels[i].end ||
				r.ours[i].end != r.kernels[i].end && r.before(i, func(k int) bool { return odd(k) && r.before(k+1, func(k int) bool { return r.done[k].window != open }) })
		},
	},
	{
		"RFC 9293 §3.10.7.4, second: a RST refuses an active OPEN, also a simultaneous one",
		func(r *pair, i int) bool {
			return r.steps[i].act == reads && strings.HasSuffix(r.ours[i].told, "refused") && strings.HasSuffix(r.kernels[i].told, "reset")
		},
	},
	{
		"RFC 9293 §3.10.7.4, eighth: nothing is behind a FIN, also one that came early; Linux forgets it when there is",
		func(r *pair, i int) bool {
			return r.steps[i].act == fills && r.before(i, func(k int) bool { return r.done[k].flags.Has(wire.FIN) && r.done[k].seq.plus > 0 })
		},
	},
	{
		"RFC 9293 §3.8.6.2.2: a window is told again when it has grown enough; buffers that grow are each stack's own",
		func(r *pair, i int) bool {
			a, b := r.ours[i], r.kernels[i]
			return r.steps[i].act == reads && a.told == b.told && a.state == b.state && len(a.said)+len(b.said) == 1 && r.before(i, func(k int) bool { return r.steps[k].act == fills })
		},
	},
	{
		"RFC 9293 §3.10.7.4, fifth and seventh: of a segment with text behind the FIN the ACK and the window count; Linux drops all of it",
		func(r *pair, i int) bool {
			return r.ours[i].end < r.kernels[i].end && r.before(i, func(k int) bool {
				return r.done[k].text > 0 && r.done[k].window != open && (r.was[k] == tcp.CloseWait || r.was[k] == tcp.LastAck || r.was[k] == tcp.Closing)
			})
		},
	},
	{
		"RFC 5961 §3.2: a RST of ours lies inside the window also when that was taken back, so that it is answered; Linux's may lie behind it by what its own scale rounds",
		func(r *pair, i int) bool {
			return (r.steps[i].act == aborts || r.steps[i].act == closes) && r.windowBefore(i) && r.ours[i].has('R') && r.kernels[i].has('R')
		},
	},
	{
		"RFC 9293 §3.8.6.2.1, (3): half of the largest window that there was may be filled; Linux waits until a segment fits, or for its timer",
		func(r *pair, i int) bool {
			return r.steps[i].act == writes && r.windowBefore(i) && r.ours[i].end > r.kernels[i].end && len(r.ours[i].said) == 1
		},
	},
	{
		"RFC 6675 §5, NextSeg: what is sent again is what is missing; Linux sends the segment that it was in",
		func(r *pair, i int) bool {
			return len(r.ours[i].said) > 0 && strings.HasPrefix(r.done[i].options, "sack") && r.done[i].ack == point{una, 0} && strings.HasPrefix(r.ours[i].said[0], ". 1:2(1) ")
		},
	},
	{
		"RFC 9293 §3.10.5: in CLOSING and LAST-ACK no RST is due, as both sides have closed; Linux sends one for an abort, and for text that was not read",
		func(r *pair, i int) bool {
			return (r.was[i] == tcp.Closing || r.was[i] == tcp.LastAck) && (r.steps[i].act == closes || r.steps[i].act == aborts) && len(r.ours[i].said) == 0
		},
	},
	{
		"RFC 9293 §3.10.4: a FIN that is due in SYN-RECEIVED waits for the ACK of the SYN, as text does; Linux sends it at once",
		func(r *pair, i int) bool {
			return r.was[i] == tcp.SynReceived && (r.steps[i].act == closes || r.steps[i].act == shuts) && len(r.ours[i].said) == 0
		},
	},
	{
		"RFC 9293 §3.10.7.4: what comes is taken as a segment that begins at RCV.NXT, so that its window counts although a part of it is old; for Linux it is old",
		func(r *pair, i int) bool {
			return r.ours[i].end != r.kernels[i].end && r.before(i+1, func(k int) bool {
				s := r.done[k]
				return s.seq.plus < 0 && s.seq.base <= next && int64(s.text) > -s.seq.plus && (s.window != open || r.before(k, func(k int) bool { return r.done[k].window != open }))
			})
		},
	},
	{
		clockTicked,
		func(r *pair, i int) bool {
			s := r.done[i]
			return r.offer.timestamps && r.was[i] == tcp.SynReceived && (s.seq == point{} || s.seq == point{next, 0}) && s.ack == point{} && s.flags == wire.ACK &&
				len(r.ours[i].said) == 0 && len(r.kernels[i].said) == 1 && anyAck.MatchString(r.kernels[i].said[0]) &&
				r.before(i, func(k int) bool { return r.was[k] == tcp.SynReceived && len(r.ours[k].said) > 0 })
		},
	},
	{
		"what was recorded or kept before in another way, for one of the reasons here, shows again in echoes and blocks",
		func(r *pair, i int) bool { return r.excused && r.alike(i, withoutBlocks) },
	},
	{
		"RFC 5681 §2, RFC 9293 §3.8.6.3: an ACK goes with text or alone, and SACK blocks take room of the text or not",
		func(r *pair, i int) bool {
			a, b := r.ours[i], r.kernels[i]
			return a.told == b.told && a.state == b.state && a.end == b.end && a.end > r.endBefore(i) && slices.Equal(merged(a.said), merged(b.said))
		},
	},
	{
		"RFC 5681 §3.1 says how much may leave at most; when within that is each stack's own",
		func(r *pair, i int) bool { return r.oneSendsMore(i) },
	},
}

// oneSendsMore reports whether the stacks differ only in how much new text leaves, behind what
// left at the first write: one says all that the other does, and then sends on, or sends text where the
// other acknowledges.
func (r *pair) oneSendsMore(i int) bool {
	less, more := r.ours[i].said, r.kernels[i].said
	if len(less) > len(more) {
		less, more = more, less
	}
	began := r.before(i, func(k int) bool { return r.steps[k].act == writes })
	if !began || r.ours[i].told != r.kernels[i].told || r.ours[i].state != r.kernels[i].state {
		return false
	}
	if len(less) == 1 && anyAck.MatchString(less[0]) {
		less = nil
	}
	for k, s := range more {
		if k < len(less) && s != less[k] || k >= len(less) && !newText.MatchString(s) {
			return false
		}
	}
	return len(more) > len(less)
}

var (
	anyAck  = regexp.MustCompile(`^\. \d+:\d+\(0\) ack`)
	newText = regexp.MustCompile(`^(tos 0x2 )?(F?\. \d+:\d+\([1-9]\d*\)|F\. \d+:\d+\(0\)) ack`)
)

// merged puts text together that follows itself, and leaves out blocks, and ACKs that say
// nothing else than text beside them does.
func merged(said []string) (all []string) {
	var last string
	var first, end int
	for _, s := range said {
		m := segmentOf.FindStringSubmatch(s)
		if m == nil {
			all = append(all, s)
			continue
		}
		a, _ := strconv.Atoi(m[2])
		b, _ := strconv.Atoi(m[3])
		switch {
		case a == b && m[1] == ".":
			continue
		case end == a && end > 0:
			all, end = all[:len(all)-1], b
		default:
			first, end = a, b
		}
		last = m[4]
		all = append(all, fmt.Sprintf("%s %d:%d ack %s", m[1], first, end, last))
	}
	for _, s := range said {
		if m := segmentOf.FindStringSubmatch(s); m != nil && m[1] == "." && m[2] == m[3] && m[4] != last {
			all = append(all, s)
		}
	}
	return all
}

// segmentOf takes a segment apart: flags, where it begins and ends, its ACK.
var segmentOf = regexp.MustCompile(`^(?:tos 0x2 )?(\.|F\.) (\d+):(\d+)\(\d+\) ack (-?\d+)(?: <[^>]*>)?$`)

// unusual reports whether the client has, up to step i, sent anything but what comes next.
func (r *pair) unusual(i int) bool {
	return r.before(i+1, func(k int) bool {
		s := r.done[k]
		return r.steps[k].act == fills || s.seq != point{} && s.seq != point{next, 0} || s.ack != point{} || s.options != "" ||
			s.flags != 0 && !s.flags.Has(wire.ACK) && s.flags != wire.SYN || s.flags.Has(wire.RST) || s.text > 0 && s.flags.Has(wire.SYN)
	})
}

// before reports whether is is true of a step before i.
func (r *pair) before(i int, is func(k int) bool) bool {
	for k := range i {
		if is(k) {
			return true
		}
	}
	return false
}

// endBefore returns how far our stack had sent before step i.
func (r *pair) endBefore(i int) int32 {
	if i == 0 {
		return 0
	}
	return r.ours[i-1].end
}

// isShut reports whether our stack's window was shut when step i came.
func (r *pair) isShut(i int) bool {
	for k := i; k >= 0; k-- {
		if n := len(r.ours[k].said); n > 0 && strings.Contains(r.ours[k].said[n-1], " win 0") || r.steps[k].act == fills {
			return true
		} else if r.steps[k].act == reads {
			return false
		}
	}
	return false
}

// windowBefore reports whether a segment before step i told a window that was smaller.
func (r *pair) windowBefore(i int) bool {
	return r.before(i, func(k int) bool { return r.done[k].window == tiny || r.done[k].window == narrow })
}

var resetWindow = regexp.MustCompile(`^(R.*) win \d+`)

// alike reports whether the stacks differ in a step in nothing but what change makes equal.
func (r *pair) alike(i int, change func(string) string) bool {
	a, b := r.ours[i], r.kernels[i]
	return slices.Equal(each(a.said, change), each(b.said, change)) && a.told == b.told && a.state == b.state
}
