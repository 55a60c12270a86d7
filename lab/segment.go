package lab

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// template is a segment as scenarios write it: "F. 1:1(0) ack 1 win 500 <mss
// 1460>". Numbers are counted from the first of each stream, the SYN's. What
// is left out is a default when it is sent, and anything when it is awaited.
type template struct {
	flags    wire.Flags
	seq      int64
	len      int
	ack      int64
	win, urg int
	options  wire.Options

	hasAck, hasWin, hasOptions bool
}

// template reads a segment from the words of a line.
func (l *lineReader) template() (t template, err error) {
	t.win = 65535
	w, err := l.next("flags, as tcpdump writes them")
	if err != nil {
		return t, err
	}
	if t.flags, err = parseFlags(w.text); err != nil {
		return t, l.at(w, "%v", err)
	}
	if w, err = l.next("a range of sequence numbers, as in 1:11(10)"); err != nil {
		return t, err
	}
	if err := t.parseRange(w.text); err != nil {
		return t, l.at(w, "%v", err)
	}
	for w, ok := l.peek(); ok; w, ok = l.peek() {
		if strings.HasPrefix(w.text, "<") {
			t.hasOptions = true
			if err := l.options(&t.options); err != nil {
				return t, err
			}
			continue
		}
		l.skip()
		switch w.text {
		case "ack":
			t.hasAck = true
			t.ack, err = l.number("a number after ack")
		case "win":
			t.hasWin = true
			t.win, err = l.int("a window")
		case "urg":
			t.urg, err = l.int("an urgent pointer")
		default:
			return t, l.at(w, "%q is not part of a segment", w.text)
		}
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

// parseFlags reads flags as tcpdump writes them: the letters stand in the order of the bits,
// from FIN on.
func parseFlags(s string) (f wire.Flags, err error) {
	for _, c := range s {
		i := strings.IndexRune("FSRP.UEWe", c)
		if i < 0 {
			return 0, fmt.Errorf("%q is not a flag", c)
		}
		f |= 1 << i
	}
	return f, nil
}

// parseRange reads first:end(length).
func (t *template) parseRange(s string) error {
	first, rest, ok1 := strings.Cut(s, ":")
	end, length, ok2 := strings.Cut(rest, "(")
	length, ok3 := strings.CutSuffix(length, ")")
	a, err1 := strconv.ParseInt(first, 10, 64)
	b, err2 := strconv.ParseInt(end, 10, 64)
	n, err3 := strconv.Atoi(length)
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || err3 != nil || n < 0 || n > 60000 {
		return fmt.Errorf("%q is not a range of sequence numbers", s)
	}
	// The length says again what the numbers say: whoever miscounts learns it here.
	if b-a != int64(n) {
		return fmt.Errorf("%q: the numbers are %d apart", s, b-a)
	}
	t.seq, t.len = a, n
	return nil
}

// options reads <mss 1460,sackOK,TS val 1 ecr 0,wscale 7,nop>.
func (l *lineReader) options(o *wire.Options) error {
	first, _ := l.peek()
	var words []string
	for {
		w, err := l.next("the > that ends the options")
		if err != nil {
			return err
		}
		words = append(words, w.text)
		if strings.HasSuffix(w.text, ">") {
			break
		}
	}
	text := strings.TrimSuffix(strings.TrimPrefix(strings.Join(words, " "), "<"), ">")
	for _, item := range strings.Split(text, ",") {
		if err := addOption(o, strings.Fields(item)); err != nil {
			return l.at(first, "%v", err)
		}
	}
	return nil
}

func addOption(o *wire.Options, words []string) error {
	number := func(i int) uint32 {
		if i >= len(words) {
			return 0
		}
		n, _ := strconv.ParseUint(words[i], 10, 32)
		return uint32(n)
	}
	if len(words) == 0 {
		return nil
	}
	switch words[0] {
	case "mss":
		o.Set, o.MSS = o.Set|wire.OptMSS, uint16(number(1))
	case "sackOK":
		o.Set |= wire.OptSACKPermitted
	case "wscale":
		o.Set, o.WindowScale = o.Set|wire.OptWindowScale, uint8(number(1))
	case "TS":
		o.Set, o.TSVal, o.TSEcr = o.Set|wire.OptTimestamps, number(2), number(4)
	case "uto":
		o.Set, o.UserTimeout = o.Set|wire.OptUserTimeout, wire.UserTimeoutOf(time.Duration(number(len(words)-1))*time.Second)
	case "FO":
		b, err := hex.DecodeString(strings.Join(words[1:], ""))
		c, ok := wire.MakeFastOpenCookie(b)
		if err != nil || !ok {
			return fmt.Errorf("FO has a cookie of 4 to 16 bytes in hexadecimal, an even number of them, or none: not %q", strings.Join(words[1:], " "))
		}
		o.SetFastOpen(c)
	case "nop", "eol":
	default:
		return fmt.Errorf("%q is not a TCP option known to scenarios", words[0])
	}
	return nil
}

// header returns the segment with its numbers as on the wire.
func (t *template) header(d direction, own, far seq.Num) wire.TCP {
	h := wire.TCP{SrcPort: d.srcPort, DstPort: d.dstPort, Seq: own + seq.Num(t.seq), Flags: t.flags,
		Window: uint16(t.win), Urgent: uint16(t.urg), Options: t.options}
	if t.flags.Has(wire.ACK) {
		h.Ack = far + seq.Num(t.ack)
	}
	return h
}

// matches reports whether a segment that arrived is the one awaited. What the script leaves
// out may be anything, so that it holds what it is about and nothing else.
func (t *template) matches(h *wire.TCP, n int, own, far seq.Num) bool {
	return t.flags == h.Flags && t.len == n && h.Seq == own+seq.Num(t.seq) &&
		(!t.hasAck || h.Ack == far+seq.Num(t.ack)) && (!t.hasWin || int(h.Window) == t.win)
}

// packet returns the IP packet with a segment.
func packet(d direction, h *wire.TCP, payload []byte) []byte {
	length := h.HeaderLen() + len(payload)
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: d.src, Dst: d.dst, DontFragment: true}
	if !d.src.Is4() {
		ip.Version, ip.DontFragment = 6, false
	}
	sum := wire.PseudoSum(d.src, d.dst, wire.ProtoTCP, length)
	h.Checksum = 0
	sum = wire.Sum(append(h.Append(nil), payload...), sum)
	h.Checksum = wire.Checksum(sum)
	return append(h.Append(ip.Append(nil, length)), payload...)
}

// describe prints a segment in the notation in which scenarios write it.
func describe(h *wire.TCP, n int, own, far uint32, brief bool) string {
	first := int64(int32(uint32(h.Seq) - own))
	length := int64(n)
	b := fmt.Appendf(nil, "%v %s:%s(%d)", h.Flags, counted(first), counted(first+length), length)
	if h.Flags.Has(wire.ACK) {
		b = fmt.Appendf(b, " ack %s", counted(int64(int32(uint32(h.Ack)-far))))
	}
	if h.Flags.Has(wire.URG) {
		b = fmt.Appendf(b, " urg %d", h.Urgent)
	}
	if brief {
		return string(b)
	}
	b = fmt.Appendf(b, " win %d", h.Window)
	if s := describeOptions(&h.Options, h.Flags.Has(wire.SYN), far); s != "" {
		b = fmt.Appendf(b, " <%s>", s)
	}
	return string(b)
}

// counted writes a number that is counted from its stream's first one. That of
// another stream, as of a connection which its host has forgotten, says nothing:
// it is another one with each seed.
func counted(n int64) string {
	const near = 8 << 20
	if n < -near || n > near {
		return "*"
	}
	return fmt.Sprint(n)
}

// describeOptions leaves out the values of timestamps, and timestamps where
// every segment has them.
func describeOptions(o *wire.Options, syn bool, far uint32) string {
	var s []string
	if o.Has(wire.OptMSS) {
		s = append(s, fmt.Sprintf("mss %d", o.MSS))
	}
	if o.Has(wire.OptSACKPermitted) {
		s = append(s, "sackOK")
	}
	if o.Has(wire.OptTimestamps) && syn {
		s = append(s, "TS")
	}
	if o.Has(wire.OptWindowScale) {
		s = append(s, fmt.Sprintf("wscale %d", o.WindowScale))
	}
	if o.Has(wire.OptUserTimeout) {
		s = append(s, o.UserTimeout.String())
	}
	if o.Has(wire.OptAccECN) {
		s = append(s, o.AccECNString())
	}
	if o.Has(wire.OptFastOpen) && o.FastOpen().Len() > 0 {
		s = append(s, "FO cookie") // as for the numbers: another one with each seed
	} else if o.Has(wire.OptFastOpen) {
		s = append(s, "FO")
	}
	if o.Has(wire.OptAuth) {
		s = append(s, "ao")
	}
	if o.Has(wire.OptSACK) {
		for _, k := range o.SACK[:min(int(o.SACKBlocks), len(o.SACK))] {
			s = append(s, fmt.Sprintf("sack %d:%d", uint32(k.Left)-far, uint32(k.Right)-far))
		}
	}
	return strings.Join(s, ",")
}

// arrived is a segment that reached a scripted host.
type arrived struct {
	header wire.TCP
	len    int
	tuple  wire.Tuple // named from our side
}

func (n *node) receiveScripted(id int, data []byte) {
	r := &n.world.record
	r.icmpArrived(n, id, data)
	var ip wire.IP
	if wire.ParseIP(data, &ip) != wire.None {
		return
	}
	p := parcel{data: data}
	p.parse(&ip)
	if p.tcp == nil {
		return
	}
	a := arrived{header: *p.tcp, len: p.len, tuple: p.tuple.Reverse()}
	n.inbox = append(n.inbox, a)
	if r.off {
		return
	}
	e := tcp.Event{Kind: tcp.SegmentReceived, Tuple: a.tuple, Segment: a.header, Len: a.len}
	e.IRS, e.ISS = r.bases(p.direction())
	r.add(trace.Event{Host: n.Name, Peer: r.name(ip.Src), Class: trace.Scripted, Packet: id, Event: e})
}
