package drill

import (
	"cmp"
	"maps"
	"slices"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// sortedOptions returns what is set, always in the same order.
func sortedOptions(m map[option]int64) []option {
	return slices.SortedFunc(maps.Keys(m), func(a, b option) int {
		return cmp.Or(cmp.Compare(a.level, b.level), cmp.Compare(a.name, b.name))
	})
}

func callGetOption(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	p.needs(c, 4)
	o := option{c.Args[1].Number, c.Args[2].Number}
	v := &c.Args[3]
	if o == optInfo || v.Kind == script.Any {
		return once(ok(0))
	}
	if o == optCongestion {
		if want, got := textOf(v), p.congestionOf(s); want != got {
			p.failWith(&Failure{Problem: script.Say("the option has another value"), Expected: quoted(want), Got: quoted(got)})
		}
		return once(ok(0))
	}
	if p.script.BSD && (o == optReceiveBuffer || o == optSendBuffer) {
		p.note(c.Args[2].Pos, "%s has no effect: %s", c.Args[2].Text, ownBuffers)
		return once(ok(0))
	}
	got, known := p.optionOf(s, o)
	if !known {
		p.wrong(c.Args[2].Pos, "getsockopt of %s, %s is not played here: docs/DRILL.md names those that are", c.Args[1].Text, c.Args[2].Text)
	}
	want := numberOf(v)
	if v.Kind == script.List && len(v.Items) > 0 && v.Items[0].Kind == script.Any {
		want = got
	}
	if got != want {
		p.failWith(&Failure{Problem: script.Say("the option has another value"), Expected: quoted(outcomeText(ok(want))), Got: quoted(outcomeText(ok(got)))})
	}
	return once(ok(0))
}

func (p *player) congestionOf(s *socket) string {
	if s.entry != nil {
		if name := s.entry.Info(p.now).Congestion; name != "" {
			return name
		}
	}
	return cmp.Or(s.congestion, p.config.TCP.CongestionControl, "cubic")
}

// optionOf returns the value of an option that is a number.
func (p *player) optionOf(s *socket, o option) (n int64, known bool) {
	switch o {
	case optError:
		if s.entry == nil {
			return 0, true
		}
		return script.Errnos[p.failureOf(s).errno], true
	case optType:
		return constant("SOCK_STREAM"), true
	case optDefer:
		if s.listener != nil {
			return int64(s.listener.Deferral().Seconds()), true
		}
	case optListens:
		if s.listener != nil {
			return 1, true
		}
		return 0, true
	case optMaxSegment:
		if s.entry != nil && s.entry.State() != tcp.Closed {
			return int64(s.entry.Info(p.now).SndMSS), true
		}
		return cmp.Or(s.options[o], 536), true
	}
	if n, set := s.options[o]; set && (n >= 0 || o != optTTL && o != optHops) { // -1 is the default
		if o == optSendBuffer || o == optReceiveBuffer {
			n *= 2 // Linux counts its overhead in, and says so
		}
		return n, true
	}
	return p.defaultOption(s, o)
}

// defaultOption is the value of an option that nobody has set.
func (p *player) defaultOption(s *socket, o option) (int64, bool) {
	switch o {
	case optTTL, optHops:
		return wire.DefaultTTL, true
	case optKeepIdle:
		return int64(p.keepAlive.Idle.Seconds()), true
	case optKeepInterval:
		return int64(p.keepAlive.Interval.Seconds()), true
	case optKeepCount:
		return int64(p.keepAlive.Count), true
	case optKeepInit:
		return int64(p.keepInit.Seconds()), p.script.BSD
	case optReceiveBuffer, optSendBuffer:
		if s.entry == nil {
			return 0, false
		}
		if o == optSendBuffer {
			return int64(s.entry.Info(p.now).SndBuf), true
		}
		return int64(s.entry.Info(p.now).RcvBuf), true
	}
	_, known := connOptions[o]
	return 0, known || isKept(o)
}
