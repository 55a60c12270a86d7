package drill

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// expect waits for a packet that must leave the host between two instants, and compares it.
func (p *player) expect(e *script.Event, at, until clock.Time) {
	k := e.Packet
	d, ok := p.await(k, until)
	p.now = max(p.now, d.at)
	if !ok {
		p.nothingCame(e, at, until)
	}
	if k.UDP || k.ICMP != nil {
		p.wrong(e.Pos, "of what leaves the host only TCP is compared")
	}
	s, ok := parseSegment(d.data)
	if !ok {
		p.failWith(&Failure{Problem: script.Say("this is no segment of TCP"), Expected: quoted(p.script.Line(e.Pos.Line)), Got: quoted(p.print(d.data))})
	}
	p.join(k, &s, d.at)
	f := p.flowTo(s.tuple)
	p.pushed(k, &s, d.at)
	if difference := p.compare(f, k, &s); !difference.None() {
		p.failWith(&Failure{Pos: p.blamed(e, difference), Problem: difference, Expected: quoted(p.printExpected(k)), Got: quoted(p.printSegment(&s))})
	}
	if d.at < at.Add(-p.tolerance) || d.at > until.Add(p.tolerance) {
		p.failWith(&Failure{Problem: p.wrongTime(d.at, at), Expected: p.span(at, until), Got: script.Say("at %.6f s", d.at.Sub(start).Seconds())})
	}
}

// await returns the next packet of a flow that has left, or leaves by some time after the instant.
func (p *player) await(k *script.Packet, until clock.Time) (departure, bool) {
	limit := until.Add(max(patience, p.tolerance))
	for {
		if i := p.nextOf(k); i >= 0 {
			d := p.left[i]
			p.left = slices.Delete(p.left, i, i+1)
			return d, true
		}
		if p.Kernel != nil {
			if !p.heard(min(until, p.now.Add(patience)).Add(kernelPatience)) {
				return departure{}, false
			}
			continue
		}
		next := p.deadline()
		if next > limit {
			return departure{}, false
		}
		p.live(next)
	}
}

// join makes one segment of those that left at the same instant, one behind the other, where the
// script expects a larger one: packetdrill sees segments before the device cuts them up.
func (p *player) join(k *script.Packet, s *segment, at clock.Time) {
	for len(s.payload) < k.Len && len(s.payload) > 0 {
		i := p.nextOf(k)
		if i < 0 && p.Kernel != nil && p.heard(p.now.Add(kernelBurst)) {
			continue
		}
		if i < 0 || p.left[i].at != at && (p.Kernel == nil || p.left[i].at > at.Add(kernelBurst)) {
			return
		}
		next, ok := parseSegment(p.left[i].data)
		if !ok || next.tuple != s.tuple || next.tcp.Seq != s.tcp.Seq.Add(seq.Size(len(s.payload))) || next.tcp.Ack != s.tcp.Ack || len(s.payload)+len(next.payload) > k.Len {
			return
		}
		s.payload = append(s.payload[:len(s.payload):len(s.payload)], next.payload...)
		// Linux has PSH at the end of each super-segment, so that the receiver puts no more to it.
		// Which segments would be one is not known here.
		s.tcp.Flags |= next.tcp.Flags&(wire.PSH|wire.FIN) | k.Flags&wire.PSH
		p.left = slices.Delete(p.left, i, i+1)
	}
}

// pushed gives a full segment, of which a script expects that it ends a super-segment, the PSH
// that it would have then: more text of its connection left at the same instant.
func (p *player) pushed(k *script.Packet, s *segment, at clock.Time) {
	if k.Flags&^wire.PSH != s.tcp.Flags || len(s.payload) == 0 || len(s.payload) != k.Len {
		return
	}
	if i := p.nextOf(k); i >= 0 && p.left[i].at == at {
		next, ok := parseSegment(p.left[i].data)
		if ok && next.tuple == s.tuple && next.tcp.Seq == s.tcp.Seq.Add(seq.Size(len(s.payload))) && len(next.payload) > 0 {
			s.tcp.Flags |= k.Flags & wire.PSH
		}
	}
}

// nextOf returns which of the packets that have left is the one to look at. One of another
// connection is somebody else's.
func (p *player) nextOf(k *script.Packet) int {
	return slices.IndexFunc(p.left, func(d departure) bool {
		s, ok := parseSegment(d.data)
		switch {
		case !ok:
			return true
		case k.SrcPort != 0:
			return s.tcp.SrcPort == k.SrcPort && s.tcp.DstPort == k.DstPort
		}
		return p.flow == nil || p.flow.tuple == s.tuple
	})
}

// nothingCame fails because no packet left.
func (p *player) nothingCame(e *script.Event, at, until clock.Time) {
	got := script.Say("nothing, within %v more", max(patience, p.tolerance))
	if p.Kernel == nil && p.host.Deadline() == clock.Never {
		got = script.Say("nothing, and no timer runs")
	}
	if len(p.left) > 0 {
		got = script.Say("%s; of another connection: %s", got, p.print(p.left[0].data))
	}
	p.failWith(&Failure{Problem: script.Say("a packet is missing, %s", p.span(at, until)), Expected: quoted(p.printExpected(e.Packet)), Got: got})
}

func (p *player) wrongTime(at, from clock.Time) script.Phrase {
	what := "late"
	switch {
	case at < p.now:
		what = "early: it left before the event above it"
	case at < from:
		what = "early"
	}
	return script.Say("the packet is right, but %s (tolerance %v)", what, p.tolerance)
}

// span names the instants between which something has to happen.
func (p *player) span(at, until clock.Time) script.Phrase {
	if at == until {
		return script.Say("at %.6f s", at.Sub(start).Seconds())
	}
	if until.Sub(at) >= anyPatience {
		return script.Say("at any time")
	}
	return script.Say("between %.6f s and %.6f s", at.Sub(start).Seconds(), until.Sub(start).Seconds())
}
