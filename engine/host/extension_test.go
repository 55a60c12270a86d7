package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// raw gives b a packet from a with these bytes after its fixed header, and tells
// all answers. What an error points at is a byte of the packet that it quotes.
func (p *pair) raw(ip wire.IP, payload []byte) (answers string) {
	e := wire.Ethernet{Dst: hwB, Src: hwA}
	if ip.Dst.IsMulticast() {
		e.Dst = wire.MulticastHW(ip.Dst)
	}
	p.b.Receive(p.now, 0, p.frame(e, ip, payload))
	for out, _ := p.b.Output(p.now); out != nil; out, _ = p.b.Output(p.now) {
		out.Flatten()
		answers += p.answerOf(out.Data[out.L3:], ip, payload)
		out.Release()
	}
	return answers
}

func (p *pair) answerOf(b []byte, ip wire.IP, payload []byte) string {
	if b[6] != wire.ProtoICMPv6 {
		return fmt.Sprintf("protocol %d", b[6])
	}
	if b[40] >= 128 {
		return fmt.Sprintf("type %d", b[40])
	}
	if wire.Fold(wire.Sum(b[40:], wire.PseudoSum(p.addrB, p.addrA, wire.ProtoICMPv6, len(b)-40))) != 0xffff {
		p.Error("checksum, or addresses")
	}
	quote, whole := b[48:], append(ip.Append(nil, len(payload)), payload...)
	if !ip.IsFragment() && quote[6] == ip.Proto && !bytes.Equal(quote, whole[:min(len(whole), len(quote))]) {
		p.Errorf("quotes %x of %x", quote, whole)
	}
	return fmt.Sprintf("error %d/%d at %d", b[40], b[41], binary.BigEndian.Uint32(b[44:]))
}

// Headers of an IPv6 packet, with 0 for what is not looked at.
func optionHeader(next byte, options ...byte) []byte {
	for (len(options)+2)%8 != 0 {
		options = append(options, 0)
	}
	return append([]byte{next, byte(len(options)+2)/8 - 1}, options...)
}

func routingHeader(next, kind, left byte) []byte { return []byte{next, 0, kind, left, 0, 0, 0, 0} }

func fragmentHeader(next byte, offset int, more byte) []byte {
	return []byte{next, 0, byte(offset >> 8), byte(offset) | more, 0, 0, 0, 7}
}

const (
	nextHopByHop    = 0
	nextRouting     = 43
	nextFragment    = 44
	nextDestination = 60
)

// RFC 8200 §4 and RFC 4443 §3.4: what is refused, and that the pointer is exact.
// Linux 6.18 answers the same.
func TestExtensionHeaders(t *testing.T) {
	join := slices.Concat[[]byte]
	junk := []byte("abcdefgh")
	for _, ethernet := range []bool{false, true} {
		p := newPair(t, config{v6: true, ethernet: ethernet})
		if ethernet { // a host that does not know the neighbour yet keeps three answers only
			p.inject(p.echoRequest(nil))
			p.run()
		}
		_, echo := p.echoRequest(pattern(8))
		_, large := p.echoRequest(pattern(1000))
		inFragments := func(part []byte, first byte) [][]byte {
			return [][]byte{join(fragmentHeader(first, 0, 1), part[:512]), join(fragmentHeader(first, 512, 0), part[512:])}
		}
		one := func(parts ...[]byte) [][]byte { return [][]byte{join(parts...)} }
		skipped := optionHeader(58, 0x1e, 4, 0, 0, 0, 0)
		for _, c := range []struct {
			what    string
			next    byte
			packets [][]byte
			want    string
		}{
			{"destination options", nextDestination, one(skipped, echo), "type 129"},
			{"hop-by-hop options", nextHopByHop, one(skipped, echo), "type 129"},
			{"atomic fragment", nextFragment, one(fragmentHeader(58, 0, 0), echo), "type 129"},
			{"atomic fragment, then options", nextFragment, one(fragmentHeader(60, 0, 0), skipped, echo), "type 129"},
			{"destination options inside the fragmented part", nextFragment, inFragments(join(skipped, large), 60), "type 129"},
			{"routing header inside the fragmented part", nextFragment, inFragments(join(routingHeader(58, 0, 0), large), 43), "type 129"},
			{"routing header with nothing left", nextRouting, one(routingHeader(58, 0, 0), echo), "type 129"},

			{"no next header", 59, one(junk), ""},
			{"no next header, and nothing", 59, one(nil), ""},
			{"no next header behind options", nextDestination, one(optionHeader(59), junk), ""},

			{"option 01", nextDestination, one(optionHeader(58, 0x5e, 4, 0, 0, 0, 0), echo), ""},
			{"option 10", nextDestination, one(optionHeader(58, 0x9e, 4, 0, 0, 0, 0), echo), "error 4/2 at 42"},
			{"option 11", nextDestination, one(optionHeader(58, 0xde, 4, 0, 0, 0, 0), echo), "error 4/2 at 42"},
			{"option 10, hop-by-hop", nextHopByHop, one(optionHeader(58, 0x9e, 4, 0, 0, 0, 0), echo), "error 4/2 at 42"},
			{"option 10 behind padding", nextDestination, one(optionHeader(58, 0, 1, 1, 0, 0, 0x9e, 0), echo), "error 4/2 at 47"},
			{"option 10 behind an option 00", nextDestination, one(optionHeader(58, 0x1e, 2, 0, 0, 0x9e, 0), echo), "error 4/2 at 46"},
			{"option 11 behind other headers", nextHopByHop, one(optionHeader(43), routingHeader(60, 0, 0), optionHeader(58, 0xde, 4, 0, 0, 0, 0), echo), "error 4/2 at 58"},
			{"option 11 in a second header of options", nextDestination, one(optionHeader(60), optionHeader(58, 0xde, 4, 0, 0, 0, 0), echo), "error 4/2 at 50"},
			{"option 11 inside the fragmented part", nextFragment, inFragments(join(optionHeader(58, 0xde, 4, 0, 0, 0, 0), large), 60), "error 4/2 at 42"},
			{"option that is too long", nextDestination, one(optionHeader(58, 0x1e, 5, 0, 0, 0, 0), echo), ""},
			{"options that are cut off", nextDestination, one([]byte{58, 9, 0, 0, 0, 0, 0, 0}, echo[:8]), ""},

			{"hop-by-hop options behind others", nextDestination, one(optionHeader(0), skipped, echo), "error 4/1 at 40"},
			{"hop-by-hop options behind hop-by-hop options", nextHopByHop, one(optionHeader(0), skipped, echo), "error 4/1 at 40"},
			{"hop-by-hop options behind two headers", nextDestination, one(optionHeader(43), routingHeader(0, 0, 0), skipped, echo), "error 4/1 at 48"},
			{"hop-by-hop options behind an atomic fragment header", nextFragment, one(fragmentHeader(0, 0, 0), skipped, echo), "error 4/1 at 40"},
			{"two fragment headers", nextFragment, one(fragmentHeader(44, 0, 0), fragmentHeader(58, 0, 0), echo), ""},

			{"routing type 0 with segments left", nextRouting, one(routingHeader(58, 0, 1), echo), "error 4/0 at 42"},
			{"unknown routing type with segments left", nextRouting, one(routingHeader(58, 99, 1), echo), "error 4/0 at 42"},
			{"the same behind options", nextDestination, one(optionHeader(43), routingHeader(58, 4, 1), echo), "error 4/0 at 50"},

			{"fragment of a length that is not a multiple of 8", nextFragment, one(fragmentHeader(58, 0, 1), large[:101]), "error 4/0 at 4"},
			{"the same, not the first", nextFragment, one(fragmentHeader(58, 8, 1), large[:101]), "error 4/0 at 4"},
			{"fragment past 65535", nextFragment, one(fragmentHeader(58, 0xfff8, 0), large[:16]), "error 4/0 at 42"},
			{"fragment past 65535 behind options", nextDestination, one(optionHeader(44), fragmentHeader(58, 0xfff8, 0), large[:16]), "error 4/0 at 50"},

			{"first fragment without upper header", nextFragment, one(fragmentHeader(60, 0, 1), optionHeader(17)), "error 4/3 at 0"},
			{"first fragment whose options are cut off", nextFragment, one(fragmentHeader(60, 0, 1), []byte{17, 9, 0, 0, 0, 0, 0, 0}), "error 4/3 at 0"},
			{"first fragment with half a TCP header", nextFragment, one(fragmentHeader(6, 0, 1), pattern(16)), "error 4/3 at 0"},

			{"unknown protocol", 200, one(junk), "error 4/1 at 6"},
			{"unknown protocol behind options", nextDestination, one(optionHeader(200), junk), "error 4/1 at 40"},
			{"unknown protocol behind two headers", nextHopByHop, one(optionHeader(60), optionHeader(200), junk), "error 4/1 at 48"},
			{"unknown protocol in fragments", nextFragment, inFragments(large, 200), "error 4/1 at 6"},

			{"about an error", nextDestination, one(optionHeader(58, 0x9e, 4, 0, 0, 0, 0), []byte{1, 4, 0, 0, 0, 0, 0, 0}), ""},
			{"about a redirect", nextDestination, one(optionHeader(58, 0x9e, 4, 0, 0, 0, 0), []byte{137, 0, 0, 0, 0, 0, 0, 0}), ""},
			{"about an error in a routing header", nextRouting, one(routingHeader(58, 0, 1), []byte{2, 0, 0, 0, 0, 0, 5, 0}), ""},
			{"about what may be an error", nextDestination, one(optionHeader(58, 0x9e, 4, 0, 0, 0, 0)), ""},
		} {
			got := ""
			for _, b := range c.packets {
				ip := p.fromA(c.next)
				got += p.raw(ip, b)
			}
			if got != c.want {
				t.Errorf("%s: answered %q, want %q", c.what, got, c.want)
			}
		}
		for i := range p.b.fragments.list {
			t.Errorf("fragments of %+v wait", p.b.fragments.list[i].key)
		}
	}
}

// To a group only an option whose type says so is answered, and from an address
// of our own: RFC 8200 §4.2, RFC 4443 §2.2 and §2.4 (e.3).
func TestExtensionHeadersToAGroup(t *testing.T) {
	p := newPair(t, config{v6: true})
	_, echo := p.echoRequest(nil)
	ip := p.fromA(nextDestination)
	ip.Dst = allNodes6
	for kind, want := range map[byte]string{0x1e: "", 0x5e: "", 0x9e: "error 4/2 at 42", 0xde: ""} {
		if got := p.raw(ip, slices.Concat(optionHeader(58, kind, 4, 0, 0, 0, 0), echo)); got != want {
			t.Errorf("option %#x: answered %q, want %q", kind, got, want)
		}
	}
	for _, b := range [][]byte{optionHeader(200), optionHeader(0), optionHeader(59)} {
		if got := p.raw(ip, slices.Concat(b, echo)); got != "" {
			t.Errorf("header %x: answered %q", b, got)
		}
	}
}

// Errors about headers are limited as all errors are.
func TestHeaderErrorsAreLimited(t *testing.T) {
	p := newPair(t, config{v6: true})
	answers := 0
	for range 1000 {
		if p.raw(p.fromA(nextRouting), routingHeader(58, 0, 1)) != "" {
			answers++
		}
	}
	if answers > 50 {
		t.Errorf("%d errors at once", answers)
	}
}

// RFC 6980 §5: a neighbour message with a fragment header is ignored, even if
// nothing was cut off.
func TestNeighbourMessageInFragments(t *testing.T) {
	for _, headers := range [][]byte{nil, fragmentHeader(58, 0, 0), slices.Concat(optionHeader(44), fragmentHeader(58, 0, 0)),
		slices.Concat(fragmentHeader(60, 0, 0), optionHeader(58))} {
		for _, kind := range []uint8{wire.ICMPv6NeighbourSolicitation, wire.ICMPv6NeighbourAdvert} {
			p := newPair(t, config{ethernet: true, v6: true})
			s := p.open(p.b, 5000, p.addrA, 53)
			p.send(p.b, s, wire.Addr{}, 0, []byte("hello")) // asks for a's address
			question, _ := p.b.Output(p.now)
			question.Release()
			m := wire.Neighbour{Type: kind, Target: p.addrB, HW: hwA, HasHW: true}
			if kind == wire.ICMPv6NeighbourAdvert {
				m.Target, m.Override, m.Solicited = p.addrA, true, true
			}
			ip := p.fromA(wire.ProtoICMPv6)
			ip.TTL = 255
			b := m.Append(nil)
			put16(b[2:], wire.Checksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, wire.ProtoICMPv6, len(b)))))
			if headers != nil {
				ip.Proto = map[bool]uint8{true: nextDestination, false: nextFragment}[headers[0] == nextFragment]
			}
			d := p.inject(ip, slices.Concat(headers, b))
			out, _ := p.b.Output(p.now)
			if used := out != nil; used != (headers == nil) || used == (d == wire.BadNeighbour) {
				t.Errorf("type %d behind %x: %v", kind, headers, d)
			}
			for ; out != nil; out, _ = p.b.Output(p.now) {
				out.Release()
			}
			p.b.neighbours.remove(p.b.neighbours.list[0])
		}
	}
}
