package drill

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// flagText writes flags as scripts do.
func flagText(f wire.Flags) string {
	if f == 0 {
		return "-"
	}
	return strings.ReplaceAll(f.String(), "e", "A")
}

// print writes a packet that has left as a script would.
func (p *player) print(data []byte) string {
	s, ok := parseSegment(data)
	if !ok {
		return printOther(data)
	}
	return p.printSegment(&s)
}

func (p *player) printSegment(s *segment) string {
	f := p.flowTo(s.tuple)
	own := f.own
	if !f.known && s.tcp.Flags.Has(wire.SYN) {
		own = s.tcp.Seq
	}
	b := &strings.Builder{}
	b.WriteString("> ")
	if e := s.ip.ECN(); e != 0 {
		fmt.Fprintf(b, "[%s] ", ecnNames[e])
	}
	first := s.tcp.Seq - own
	fmt.Fprintf(b, "%s %d:%d(%d)", flagText(s.tcp.Flags), first, first.Add(seq.Size(len(s.payload))), len(s.payload))
	if s.tcp.Flags.Has(wire.ACK) {
		fmt.Fprintf(b, " ack %d", s.tcp.Ack-f.from(s.tcp.Flags))
	}
	fmt.Fprintf(b, " win %d", s.tcp.Window)
	if s.tcp.Flags.Has(wire.URG) {
		fmt.Fprintf(b, " urg %d", s.tcp.Urgent)
	}
	printOptions(b, s.options, f.from(0))
	return b.String()
}

func printOther(data []byte) string {
	var ip wire.IP
	if wire.ParseIP(data, &ip) != wire.None {
		return fmt.Sprintf("%d bytes that are no packet", len(data))
	}
	if b := data[ip.HeaderLen:]; (ip.Proto == wire.ProtoICMP || ip.Proto == wire.ProtoICMPv6) && len(b) > 1 {
		return fmt.Sprintf("> icmp type %d code %d", b[0], b[1])
	}
	return fmt.Sprintf("a packet of protocol %d", ip.Proto)
}

// printExpected writes a packet of the script.
func (p *player) printExpected(k *script.Packet) string {
	if k.ICMP != nil || k.UDP {
		return p.script.Line(p.event.Pos.Line)
	}
	b := &strings.Builder{}
	b.WriteString("> ")
	if k.IP.ECN >= 0 {
		fmt.Fprintf(b, "[%s] ", ecnNames[k.IP.ECN])
	}
	if k.SrcPort != 0 {
		fmt.Fprintf(b, "%d > %d ", k.SrcPort, k.DstPort)
	}
	if k.AnySeq {
		fmt.Fprintf(b, "%s ...(%d)", flagText(k.Flags), k.Len)
	} else {
		fmt.Fprintf(b, "%s %d:%d(%d)", flagText(k.Flags), k.Seq, k.Seq.Add(seq.Size(k.Len)), k.Len)
	}
	if k.HasAck {
		fmt.Fprintf(b, " ack %d", k.Ack)
	}
	if k.Window >= 0 {
		fmt.Fprintf(b, " win %d", k.Window)
	}
	if k.Urgent > 0 {
		fmt.Fprintf(b, " urg %d", k.Urgent)
	}
	if k.AnyOptions {
		b.WriteString(" <...>")
	} else {
		printOptions(b, k.Options, 0)
	}
	return b.String()
}

// printOptions writes options; base is what SACK blocks are counted from.
func printOptions(b *strings.Builder, all []script.Option, base seq.Num) {
	if len(all) == 0 {
		return
	}
	var words []string
	for i := range all {
		words = append(words, optionText(&all[i], base))
	}
	fmt.Fprintf(b, " <%s>", strings.Join(words, ","))
}

func optionText(o *script.Option, base seq.Num) string {
	switch o.Kind {
	case script.EOL:
		return "eol"
	case script.NOP:
		return "nop"
	case script.SACKOK:
		return "sackOK"
	case script.MSS:
		if len(o.Data) == 2 {
			return fmt.Sprintf("mss %d", binary.BigEndian.Uint16(o.Data))
		}
	case script.WindowScale:
		if len(o.Data) == 1 {
			return fmt.Sprintf("wscale %d", o.Data[0])
		}
	case script.SACK:
		s := "sack"
		for _, k := range o.Blocks {
			s += fmt.Sprintf(" %d:%d", k[0]-base, k[1]-base)
		}
		return s
	case script.Timestamps:
		return stampText(o)
	case script.AccECN0, script.AccECN1:
		return countsText(o)
	}
	if o.Kind == script.Experiment && o.IsFastOpen() {
		if o.Any {
			return "FOEXP ..."
		}
		return strings.TrimSpace(fmt.Sprintf("FOEXP %x", o.Cookie()))
	}
	if o.Any {
		return fmt.Sprintf("%s ...", kindText(o.Kind))
	}
	return strings.TrimSpace(fmt.Sprintf("%s %x", kindText(o.Kind), o.Data))
}

// countsText writes the counters of AccECN, in the order in which they come.
func countsText(o *script.Option) string {
	names, s := countNames(o.Kind), "ECN"
	for i := 0; i+3 <= len(o.Data) && i < 9; i += 3 {
		s += fmt.Sprintf(" %s %d", names[i/3], int(o.Data[i])<<16|int(o.Data[i+1])<<8|int(o.Data[i+2]))
	}
	return s
}

// countNames are what the option of that kind counts, in their order.
func countNames(k script.OptionKind) []string {
	if k == script.AccECN1 {
		return []string{"e1b", "ceb", "e0b"}
	}
	return []string{"e0b", "ceb", "e1b"}
}

func stampText(o *script.Option) string {
	val, ecr := fmt.Sprint(o.Val), fmt.Sprint(o.Ecr)
	if o.AnyVal {
		val = "..."
	}
	if o.AnyEcr {
		ecr = "..."
	}
	return fmt.Sprintf("TS val %s ecr %s", val, ecr)
}

func kindText(k script.OptionKind) string {
	switch k {
	case script.FastOpen:
		return "FO"
	case script.MD5:
		return "md5"
	case script.AO:
		return "ao"
	case script.UserTimeout:
		return "uto"
	case script.Raw:
		return "raw"
	}
	return fmt.Sprintf("kind %d", int(k))
}
