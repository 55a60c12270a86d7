package answers

import (
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// describe writes a packet from a stack so that what two stacks may choose
// freely is left out, and the rest is relative to what p knows.
func describe(packet []byte, p *peer) string {
	var ip wire.IP
	if d := wire.ParseIP(packet, &ip); d != wire.None || ip.TotalLen != len(packet) {
		return fmt.Sprintf("no IP (%v): %x", d, packet)
	}
	b := packet[ip.HeaderLen:]
	text := ""
	if ip.Dst.Netip() != p.here.Addr() || ip.Src.Netip() != p.there.Addr() {
		text = fmt.Sprintf("%v > %v ", ip.Src, ip.Dst)
	}
	if ip.TTL != 64 {
		text += fmt.Sprintf("ttl %d ", ip.TTL)
	}
	// RFC 1122 §3.2.1.6 leaves an error's type of service to us. Linux gives those
	// of IPv4 the precedence that RFC 1812 §4.3.2.5 wants of routers.
	if ip.TOS != 0 && !(ip.TOS == 0xc0 && ip.Proto == protoICMP) {
		text += fmt.Sprintf("tos %#x ", ip.TOS)
	}
	switch {
	case ip.IsFragment():
		return text + fmt.Sprintf("fragment %d:%d more %v", ip.FragOffset, ip.FragOffset+len(b), ip.MoreFragments)
	case ip.Proto == protoTCP:
		return text + describeTCP(&ip, b, p)
	case ip.Proto == protoICMP, ip.Proto == protoICMPv6:
		return text + describeICMP(&ip, b, p)
	}
	return text + fmt.Sprintf("protocol %d, %d bytes", ip.Proto, len(b))
}

// isSummed verifies the checksum of a transport protocol.
func isSummed(ip *wire.IP, b []byte) bool {
	sum := uint64(0)
	if ip.Proto != protoICMP {
		sum = wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b))
	}
	return wire.Fold(wire.Sum(b, sum)) == 0xffff
}

func describeTCP(ip *wire.IP, b []byte, p *peer) string {
	var h wire.TCP
	n, d := wire.ParseTCP(b, &h)
	if d != wire.None || !isSummed(ip, b) {
		return fmt.Sprintf("bad TCP (%v): %x", d, b)
	}
	if !p.isOurs(&h) {
		return fmt.Sprintf("%d > %d %v seq %d ack %d", h.SrcPort, h.DstPort, h.Flags, h.Seq, h.Ack)
	}
	text := fmt.Sprintf("%v ", h.Flags&^wire.PSH)
	text += p.numbers(&h, len(b)-n)
	if !p.isStream(&h, b[n:]) {
		text += " of other bytes"
	}
	switch {
	case h.Flags.Has(wire.SYN|wire.ACK) && p.knowsISS && h.Seq != p.iss:
		text += fmt.Sprintf(" ack syn%+d", h.Ack.Diff(p.syn))
	case h.Flags.Has(wire.ACK):
		text += fmt.Sprintf(" ack %d", p.relative(h.Ack))
	case h.Ack != 0:
		text += fmt.Sprintf(" no ack %d", h.Ack)
	}
	if (h.Window == 0) != h.Flags.Has(wire.RST) {
		text += fmt.Sprintf(" win %d", h.Window)
	}
	if h.Flags.Has(wire.URG) {
		text += fmt.Sprintf(" urg %d", h.Urgent)
	}
	return text + describeOptions(&h.Options, p)
}

// numbers writes the numbers of a stack's segment.
func (p *peer) numbers(h *wire.TCP, n int) string {
	first := h.Seq.Diff(p.iss)
	switch {
	case h.Seq == 0 && h.Flags.Has(wire.RST|wire.ACK): // RFC 9293 §3.10.7.1
		return fmt.Sprintf("zero(%d)", n)
	case h.Flags.Has(wire.SYN) && !p.knowsISS:
		first = 0
	case h.Flags.Has(wire.SYN) && h.Seq != p.iss:
		return fmt.Sprintf("new(%d)", n)
	}
	return fmt.Sprintf("%d:%d(%d)", first, first+int32(n), n)
}

// isStream reports whether a segment's text is what the stack's program wrote there.
func (p *peer) isStream(h *wire.TCP, text []byte) bool {
	for i, b := range text {
		if b != pattern(uint32(h.Seq.Diff(p.iss))+uint32(i)) {
			return false
		}
	}
	return true
}

func describeOptions(o *wire.Options, p *peer) string {
	var all []string
	if o.Has(wire.OptMSS) {
		all = append(all, fmt.Sprintf("mss %d", o.MSS))
	}
	if o.Has(wire.OptSACKPermitted) {
		all = append(all, "sackOK")
	}
	if o.Has(wire.OptTimestamps) {
		all = append(all, fmt.Sprintf("TS ecr %d", int32(o.TSEcr-firstTimestamp)))
	}
	if o.Has(wire.OptWindowScale) {
		all = append(all, "wscale")
	}
	if o.Has(wire.OptSACK) {
		text := "sack"
		for _, b := range o.SACK[:o.SACKBlocks] {
			text += fmt.Sprintf(" %s:%s", p.place(b.Left), p.place(b.Right))
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return ""
	}
	return " <" + strings.Join(all, ",") + ">"
}

// place names a number of ours; the windows of two stacks are not the same.
func (p *peer) place(n seq.Num) string {
	for _, e := range p.edges {
		if d := n.Diff(e); -100 < d && d < 100 && p.relative(n) > 2000 {
			return fmt.Sprintf("edge%+d", d)
		}
	}
	return fmt.Sprint(p.relative(n))
}

func describeICMP(ip *wire.IP, b []byte, p *peer) string {
	if len(b) < 8 || !isSummed(ip, b) {
		return fmt.Sprintf("bad ICMP: %x", b)
	}
	name, rest := "ICMP", be.Uint32(b[4:])
	isError := b[0] == 3 || b[0] == 11 || b[0] == 12
	if ip.Version == 6 {
		name, isError = "ICMPv6", b[0] < 128
	}
	text := fmt.Sprintf("%s type %d code %d rest %#x", name, b[0], b[1], rest)
	if isError {
		return text + p.describeQuote(b[8:])
	}
	return text + fmt.Sprintf(" %d bytes %08x", len(b)-8, crc32.ChecksumIEEE(b[8:]))
}

// describeQuote says how much of which packet an ICMP error quotes.
func (p *peer) describeQuote(b []byte) string {
	for i, sent := range p.sent {
		if len(b) <= len(sent) && string(b) == string(sent[:len(b)]) {
			return fmt.Sprintf(" quotes %d of %d bytes of packet %d", len(b), len(sent), i)
		}
	}
	return fmt.Sprintf(" quotes %x", b)
}
