package drill

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// compare holds a segment that has left against the one that was expected, and returns what
// is different, or nothing. It learns what the script calls the numbers of the host.
func (p *player) compare(f *flow, k *script.Packet, s *segment) script.Phrase {
	if s.tcp.Flags.Has(wire.SYN) && k.Flags.Has(wire.SYN) {
		f.learn(s.tcp.Seq, k.Seq)
	}
	p.forget(f, s)
	first, ack := s.tcp.Seq-f.own, s.tcp.Ack-f.from(s.tcp.Flags)
	switch {
	case s.tcp.Flags != k.Flags:
		return script.Say("the flags are %s and not %s", flagText(s.tcp.Flags), flagText(k.Flags))
	case first != k.Seq && !k.AnySeq:
		return script.Say("it begins with %d and not %d", first, k.Seq)
	case len(s.payload) != k.Len:
		return script.Say("it has %d bytes and not %d", len(s.payload), k.Len)
	case k.HasAck && ack+seq.Num(f.early) == k.Ack && f.early > 0 && p.config.TCP.FastOpen&fastopen.Server == 0:
		return script.Say("it acknowledges %d and not %d: Fast Open is off, which net.ipv4.tcp_fastopen=2 switches on for servers", ack, k.Ack)
	case k.HasAck && ack != k.Ack:
		return script.Say("it acknowledges %d and not %d", ack, k.Ack)
	case k.Window >= 0 && int(s.tcp.Window) != k.Window && !p.ownWindow(k, s):
		return script.Say("its window is %d and not %d", s.tcp.Window, k.Window)
	case int(s.tcp.Urgent) != k.Urgent:
		return script.Say("its urgent pointer is %d and not %d", s.tcp.Urgent, k.Urgent)
	}
	if d := compareIP(k, s); !d.None() {
		return d
	}
	return p.compareOptions(f, k, s)
}

func compareIP(k *script.Packet, s *segment) script.Phrase {
	ecn := int(s.ip.ECN())
	switch {
	case k.IP.ECN == script.AnyECT && ecn != 1 && ecn != 2, k.IP.ECN >= 0 && k.IP.ECN < script.AnyECT && ecn != k.IP.ECN:
		return script.Say("its ECN bits are %s and not %s", ecnNames[ecn], ecnNames[k.IP.ECN])
	case k.IP.TOS >= 0 && int(s.ip.TOS) != k.IP.TOS:
		return script.Say("its TOS is %#x and not %#x", s.ip.TOS, k.IP.TOS)
	case k.IP.TTL >= 0 && int(s.ip.TTL) != k.IP.TTL:
		return script.Say("its TTL is %d and not %d", s.ip.TTL, k.IP.TTL)
	case k.IP.FlowLabel >= 0 && int(s.ip.FlowLabel) != k.IP.FlowLabel:
		return script.Say("its flow label is %#x and not %#x", s.ip.FlowLabel, k.IP.FlowLabel)
	}
	return script.Phrase{}
}

var ecnNames = []string{"noecn", "ect1", "ect0", "ce", "ect01"}

// compareOptions compares options one by one, in their order and with their padding, as
// packetdrill does.
func (p *player) compareOptions(f *flow, k *script.Packet, s *segment) script.Phrase {
	p.noteStamp(f, k, s)
	if k.AnyOptions {
		return script.Phrase{}
	}
	want, got := k.Options, s.options
	if p.script.BSD || slices.ContainsFunc(want, isCount) && slices.ContainsFunc(got, isCount) {
		want, got = arranged(want), arranged(got)
	}
	if p.script.BSD && !slices.ContainsFunc(want, isCount) {
		got = slices.DeleteFunc(got, isCount) // who sends counts is free to (RFC 9768 §3.2.3)
	}
	if len(want) != len(got) {
		return script.Say("its options are others")
	}
	for i := range want {
		if d := p.compareOption(f, &want[i], &got[i]); !d.None() {
			return d
		}
	}
	return script.Phrase{}
}

func isCount(o script.Option) bool { return o.Kind == script.AccECN0 || o.Kind == script.AccECN1 }

// arranged returns options as they are compared where AccECN counts are among them, and in scripts
// for a BSD: by kind and without padding. Linux puts counts in a place of their own, BSDs put all
// others in another order and pad with eol, and neither means anything.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3
// https://www.rfc-editor.org/rfc/rfc9293.html#section-3.1
func arranged(all []script.Option) []script.Option {
	all = slices.DeleteFunc(slices.Clone(all), func(o script.Option) bool { return o.Kind == script.NOP || o.Kind == script.EOL })
	slices.SortStableFunc(all, func(a, b script.Option) int { return int(arrangedKind(a) - arrangedKind(b)) })
	return all
}

// arrangedKind is the kind of an option, of counts whichever order they have.
func arrangedKind(o script.Option) script.OptionKind {
	if isCount(o) {
		return script.AccECN0
	}
	return o.Kind
}

// sameCounts reports whether two options say the same of the same counts, in whatever order.
func sameCounts(a, b *script.Option) bool {
	return len(a.Data) == len(b.Data) && maps.Equal(countsOf(a), countsOf(b))
}

// countsOf returns what an option counts, by the name of the mark.
func countsOf(o *script.Option) map[string]string {
	counts := map[string]string{}
	for i, name := range countNames(o.Kind) {
		if len(o.Data) >= 3*i+3 {
			counts[name] = string(o.Data[3*i : 3*i+3])
		}
	}
	return counts
}

func (p *player) compareOption(f *flow, want, got *script.Option) script.Phrase {
	if arrangedKind(*want) != arrangedKind(*got) {
		return script.Say("its options are others")
	}
	switch want.Kind {
	case script.AccECN0, script.AccECN1:
		if !sameCounts(want, got) {
			return script.Say("its option %s is another", optionText(want, 0))
		}
	case script.SACK:
		if len(want.Blocks) != len(got.Blocks) {
			return script.Say("it has %d SACK blocks and not %d", len(got.Blocks), len(want.Blocks))
		}
		base := f.from(0)
		for i, b := range got.Blocks {
			if b[0]-base != want.Blocks[i][0] || b[1]-base != want.Blocks[i][1] {
				return script.Say("its SACK block %d is %d:%d and not %d:%d", i+1, b[0]-base, b[1]-base, want.Blocks[i][0], want.Blocks[i][1])
			}
		}
	case script.Timestamps:
		return p.compareStamp(f, want, got)
	default:
		if !want.Any && !bytes.Equal(want.Data, got.Data) {
			return script.Say("its option %s is another", optionText(want, 0))
		}
	}
	return script.Phrase{}
}

// noteStamp remembers a timestamp of the host under the name that the script has for it, and a
// cookie.
func (p *player) noteStamp(f *flow, k *script.Packet, s *segment) {
	live := (*script.Option)(nil)
	for i := range s.options {
		switch s.options[i].Kind {
		case script.Timestamps:
			live = &s.options[i]
		case script.FastOpen, script.Experiment:
			if s.options[i].IsFastOpen() {
				p.cookie = bytes.Clone(s.options[i].Cookie())
			}
		}
	}
	for i := range k.Options {
		if o := &k.Options[i]; o.Kind == script.Timestamps && !o.AnyVal && live != nil {
			if f.stamps[o.Val] == 0 {
				f.stamps[o.Val] = live.Val
			}
			// The stamp of a SYN-ACK is no clock: it says what the SYN offered, for the cookie.
			if f.lastStamp == (stamp{}) || p.tick == 0 || f.fromSynAck {
				f.fromSynAck = s.tcp.Flags.Has(wire.SYN | wire.ACK)
				f.lastStamp = stamp{o.Val, live.Val}
			}
		}
	}
}

// compareStamp compares an echo as it is, because the script's own timestamps are on the wire
// as the script has them. The host's own are compared where the script says how long a tick
// is (--tcp_ts_tick_usecs): by how far they have come.
func (p *player) compareStamp(f *flow, want, got *script.Option) script.Phrase {
	if !want.AnyEcr && want.Ecr != got.Ecr {
		return script.Say("it echoes the timestamp %d and not %d", got.Ecr, want.Ecr)
	}
	if want.AnyVal || p.tick == 0 {
		return script.Phrase{}
	}
	passed, should := int64(int32(got.Val-f.lastStamp.live)), int64(int32(want.Val-f.lastStamp.script))
	if off := passed - should; off*off > 1+int64(p.tolerance/p.tick)*int64(p.tolerance/p.tick) {
		return script.Say("its timestamp is %d ticks after the first, and not %d", passed, should)
	}
	return script.Phrase{}
}

// blame says behind what stands, in the line of a packet, that of which a difference is: the
// first of those that fits.
var blame = []struct{ difference, behind string }{
	{"it acknowledges", "ack"}, {"its window", "win"}, {"its urgent pointer", "urg"}, {"its SACK", "sack"}, {"its option", "<"},
	{"it echoes", "ecr"}, {"its ECN", "["}, {"its TOS", "["}, {"its TTL", "["}, {"its flow label", "["}, {"it has", "("}, {"it begins", ">."}, {"the flags", ">"},
}

// blamed is the place in the script of what is different, as far as the line says it.
func (p *player) blamed(e *script.Event, difference script.Phrase) script.Pos {
	at := e.Pos
	line := p.script.Line(at.Line)
	from := max(strings.Index(line, ">"), 0)
	for _, b := range blame {
		if !difference.Begins(b.difference) {
			continue
		}
		rest := line[from:]
		if b.behind == ">." { // behind the flags
			rest = strings.TrimLeft(rest[1:], " \t")
			rest = rest[max(strings.IndexAny(rest, " \t"), 0):]
		} else if i := strings.Index(rest[1:], b.behind); b.behind != ">" && i >= 0 {
			rest = rest[1+i+len(b.behind):]
		} else if b.behind == ">" {
			rest = rest[1:]
		} else {
			break // it is missing there
		}
		at.Col = len(line) - len(strings.TrimLeft(rest, " \t")) + 1
		break
	}
	return at
}
