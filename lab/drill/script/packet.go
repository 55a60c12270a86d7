package script

import (
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// flagLetters are the letters of flags, beside the digits of AccECN.
const flagLetters = "FSRP.UEWA"

// packet reads a packet, from its direction on.
func (r *reader) packet() *Packet {
	p := &Packet{Out: r.take(">"), Window: -1, IP: IPInfo{ECN: -1, TOS: -1, TTL: -1, FlowLabel: -1}}
	if !p.Out {
		r.want("<", "for a packet that arrives")
	}
	r.brackets(p)
	switch {
	case r.takeWord("icmp"):
		r.icmp(p)
	case r.takeWord("udp"):
		p.UDP = true
		p.Len = r.length()
	default:
		r.ports(p)
		r.tcp(p)
	}
	return p
}

// brackets reads what may stand before a packet: [ect0], [tos 0x10], which FreeBSD's scripts
// have as (tos 0x10), or the segment that an ICMP error quotes.
func (r *reader) brackets(p *Packet) {
	for r.next("[") || r.next("(") {
		end := map[bool]string{true: "]", false: ")"}[r.next("[")]
		r.at++
		r.space()
		if end == "]" && r.at < len(r.text) && isDigit(r.text[r.at]) {
			r.quote(p)
			continue
		}
		for {
			r.ipField(p)
			if !r.take(",") {
				break
			}
		}
		r.want(end, "behind the fields of the IP header")
	}
}

// quote reads the numbers of the segment that ICMP quotes, behind the [.
func (r *reader) quote(p *Packet) {
	p.ICMP = &ICMP{Quoted: true}
	r.sequence(p)
	r.want("]", "behind the segment that ICMP quotes")
}

var ecnNames = []string{"noecn", "ect1", "ect0", "ce", "ect01"}

// ipField reads one field of the IP header.
func (r *reader) ipField(p *Packet) {
	r.space()
	at, w := r.here(), r.word()
	if i := slices.Index(ecnNames, w); i >= 0 {
		p.IP.ECN = i
		if i == AnyECT && !p.Out {
			r.failAt(at, "a packet that arrives has ect0 or ect1: ect01 is what may leave")
		}
		return
	}
	switch w {
	case "tos", "tclass":
		p.IP.TOS = int(r.number("the type of service", 0, 255))
	case "ttl", "hlim":
		p.IP.TTL = int(r.number("the TTL", 0, 255))
	case "flowlabel":
		p.IP.FlowLabel = int(r.number("the flow label", 0, 1<<20-1))
	case "bad_checksum":
		p.IP.Corrupt = true
	default:
		known := append(slices.Clone(ecnNames), "tos N", "ttl N", "flowlabel N", "bad_checksum")
		r.failAt(at, "%q is no field of the IP header: there are %s%s", w, strings.Join(known, ", "), nearest(w, known))
	}
}

// ports reads SRC > DST, which packets have where a script has several connections.
func (r *reader) ports(p *Packet) {
	at := r.at
	r.space()
	digits := r.run(isDigit)
	if digits == "" || !r.next(">") {
		r.at = at
		return
	}
	r.at = at
	p.SrcPort = uint16(r.number("a port", 1, 65535))
	r.take(">")
	p.DstPort = uint16(r.number("a port", 1, 65535))
}

// tcp reads flags, numbers and what may follow them.
func (r *reader) tcp(p *Packet) {
	r.flags(p)
	r.sequence(p)
	for {
		end := r.here() // what is missing is missing here, and not where something else begins
		r.space()
		at := r.here()
		switch w := r.peekWord(); {
		case w == "ack" && p.HasAck, w == "win" && p.Window >= 0:
			r.failAt(at, "%s stands here twice", w)
		case w == "ack":
			r.word()
			p.HasAck, p.Ack = true, seq.Num(r.number("the acknowledgement number", -1<<31, 1<<32-1))
		case w == "win":
			r.word()
			p.Window = int(r.number("the window", 0, 65535))
		case w == "urg":
			r.word()
			if !p.Flags.Has(wire.URG) {
				r.failAt(at, "a segment with urg N has the flag U")
			}
			p.Urgent = int(r.number("the urgent pointer", 0, 65535))
		case r.next("<"):
			r.tcpOptions(p)
			r.checkSegment(p, at)
			return
		case w != "":
			r.failAt(at, "%q is no part of a segment: behind the numbers stand ack N, win N, urg N, <options>%s", w, nearest(w, []string{"ack", "win", "urg"}))
		default:
			r.checkSegment(p, end)
			return
		}
	}
}

// checkSegment finds what is not there, and what contradicts itself.
func (r *reader) checkSegment(p *Packet, at Pos) {
	switch {
	case p.HasAck && !p.Flags.Has(wire.ACK) && (p.Out || !p.Flags.Has(wire.RST) && !r.bsd):
		r.failAt(at, "a segment with ack N has the flag ACK, which is written as a dot: S. or P.")
	case !p.HasAck && p.Flags.Has(wire.ACK) && (p.Out || !p.Flags.Has(wire.RST)):
		r.failAt(at, "the flag ACK (the dot) needs a number: ack N")
	}
	if !p.Out && p.Window < 0 {
		p.Window = 0
		// A RST's window means nothing, and scripts leave it out.
		if !p.Flags.Has(wire.RST) {
			r.failAt(at, "a segment that arrives has a window: win N")
		}
	}
}

// flags reads the flags as one word; - is none.
func (r *reader) flags(p *Packet) {
	r.space()
	at := r.here()
	word := r.run(func(c byte) bool { return !strings.ContainsRune(" \t\r\n", rune(c)) })
	if word == "-" {
		return
	}
	if word == "" {
		r.failAt(at, "the flags are missing: S, S., P., ., F., R, …, or - for none")
	}
	if strings.Contains(word, ":") {
		r.failAt(at, "a blank is missing between the flags and the numbers, as in S 0:0(0): here is %q", word)
	}
	for _, c := range word {
		i := strings.IndexRune(flagLetters, c)
		switch {
		case c >= '0' && c <= '7':
			p.ACE = true
			p.Flags = p.Flags&^wire.ACEMask | wire.ACEFlags(uint8(c-'0'))
		case i >= 0:
			p.Flags |= 1 << i
		default:
			r.failAt(at, "%q is no flag, in %q: there are S F R P U E W A (AE), . for ACK, 0 to 7 for AccECN's count, and - for none", c, word)
		}
	}
}

// sequence reads first:end(length).
func (r *reader) sequence(p *Packet) {
	r.space()
	at := r.here()
	if p.Out && r.take("...") {
		p.AnySeq, p.Len = true, r.length()
		return
	}
	first := r.number("the numbers of the segment, as in 1:1001(1000),", -1<<31, 1<<32-1)
	r.want(":", "between the first number of the segment and its end")
	end := r.number("the segment's end", -1<<31, 1<<32-1)
	p.Len = r.length()
	p.Seq = seq.Num(first)
	if n := uint32(end - first); n != uint32(p.Len) {
		r.failAt(at, "%d to %d are %d bytes, and not the %d in parentheses", first, end, n, p.Len)
	}
}

func (r *reader) length() int {
	r.want("(", "before the length")
	n := r.number("the length", 0, 65535)
	r.want(")", "behind the length")
	return int(n)
}

// ICMPCodes are the types of ICMP errors and their codes, in the words of scripts.
var ICMPCodes = map[string][]string{
	"unreachable": {"net_unreachable", "host_unreachable", "protocol_unreachable", "port_unreachable", "frag_needed", "source_route_failed", "admin_prohibited", "no_route", "addr_unreachable",
		"net_unknown", "host_unknown", "source_host_isolated", "net_prohibited", "host_prohibited", "net_unreachable_for_tos", "host_unreachable_for_tos", "packet_filtered", "precedence_violation", "precedence_cutoff", "not_neighbour", "address_unreachable"},
	"time_exceeded":     {"exceeded_ttl", "exceeded_fragment", "hop_limit", "ttl_exceeded_in_transit", "frag_reass_exceeded", "exceeded_hop_limit", "exceeded_frag_time"},
	"source_quench":     {},
	"packet_too_big":    {},
	"parameter_problem": {"code_0", "code_1", "code_2", "header_field", "unknown_next_header", "unknown_option"},
	"redirect":          {},
}

// icmp reads an ICMP error behind the word icmp.
func (r *reader) icmp(p *Packet) {
	if p.ICMP == nil {
		p.ICMP = &ICMP{}
	}
	r.space()
	at := r.here()
	p.ICMP.Type = r.word()
	codes, ok := ICMPCodes[p.ICMP.Type]
	if !ok {
		known := sortedKeys(ICMPCodes)
		r.failAt(at, "%q is no kind of ICMP error: there are %s%s", p.ICMP.Type, strings.Join(known, ", "), nearest(p.ICMP.Type, known))
	}
	r.space()
	at = r.here()
	if w := r.meant(r.peekWord()); w != "" && w != "mtu" {
		if !slices.Contains(codes, w) {
			r.failAt(at, "%q is no code of %s: there are %s%s%s", w, p.ICMP.Type, strings.Join(codes, ", "), nearest(w, codes), defineHint(w))
		}
		r.word()
		p.ICMP.Code = w
	}
	if r.takeWord("mtu") {
		p.ICMP.MTU = int(r.number("the MTU", 0, 65535))
	}
	if r.take("[") {
		r.sequence(p)
		p.ICMP.Quoted = true
		r.want("]", "behind the segment that ICMP quotes")
	}
}
