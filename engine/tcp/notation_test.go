package tcp

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Segments in tests are written as packetdrill writes them:
//
//	F. 1:1(0) ack 1 win 100 urg 3 <mss 1460,sackOK,wscale 7,TS val 1 ecr 2,sack 1:2 5:6>
//
// Flags are tcpdump's letters, numbers are relative to the first ones of both
// directions and may be negative. Of win, urg and options only those that are
// written are compared. "[ce] P. 1:11(10) ack 1" has the field ECN of the IP header too.
type spelled struct {
	flags     wire.Flags
	seq, end  int64
	n         int
	ack       int64
	hasAck    bool
	win       int // -1: not written
	urg       int
	options   wire.Options
	hasOption bool
	ecn       wire.ECN
	hasECN    bool
}

var flagLetters = map[rune]wire.Flags{'F': wire.FIN, 'S': wire.SYN, 'R': wire.RST, 'P': wire.PSH,
	'.': wire.ACK, 'U': wire.URG, 'E': wire.ECE, 'W': wire.CWR, 'e': wire.AE}

var ecnWords = map[string]wire.ECN{"[-]": wire.NotECT, "[ect1]": wire.ECT1, "[ect0]": wire.ECT0, "[ce]": wire.CE}

// spell reads the notation; a mistake in it ends the test.
func spell(t testing.TB, text string) spelled {
	t.Helper()
	s := spelled{win: -1}
	head, options, hasOptions := strings.Cut(text, "<")
	words := strings.Fields(head)
	if s.ecn, s.hasECN = ecnWords[words[0]]; s.hasECN {
		words = words[1:]
	}
	if len(words) < 2 {
		t.Fatalf("%q: no segment", text)
	}
	if words[0] != "-" { // no flag at all
		for _, r := range words[0] {
			s.flags |= flagLetters[r]
		}
	}
	if _, err := fmt.Sscanf(words[1], "%d:%d(%d)", &s.seq, &s.end, &s.n); err != nil || s.end-s.seq != int64(s.n) {
		t.Fatalf("%q: bad numbers", text)
	}
	for i := 2; i+1 < len(words); i += 2 {
		n, err := strconv.ParseInt(words[i+1], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		s.take(t, words[i], n)
	}
	if hasOptions {
		s.hasOption = true
		s.takeOptions(t, strings.TrimSuffix(options, ">"))
	}
	return s
}

func (s *spelled) take(t testing.TB, word string, n int64) {
	t.Helper()
	switch word {
	case "ack":
		s.ack, s.hasAck = n, true
	case "win":
		s.win = int(n)
	case "urg":
		s.urg = int(n)
	default:
		t.Fatalf("unknown word %q", word)
	}
}

func (s *spelled) takeOptions(t testing.TB, text string) {
	t.Helper()
	o := &s.options
	for _, part := range strings.Split(text, ",") {
		w := strings.Fields(part)
		switch {
		case len(w) == 0:
		case w[0] == "mss":
			o.Set, o.MSS = o.Set|wire.OptMSS, uint16(number(t, w[1]))
		case w[0] == "sackOK":
			o.Set |= wire.OptSACKPermitted
		case w[0] == "wscale":
			o.Set, o.WindowScale = o.Set|wire.OptWindowScale, uint8(number(t, w[1]))
		case w[0] == "TS":
			o.Set |= wire.OptTimestamps
			o.TSVal, o.TSEcr = uint32(number(t, w[2])), uint32(number(t, w[4]))
		case w[0] == "uto":
			o.Set |= wire.OptUserTimeout
			if n := number(t, w[1]); n > 0 {
				o.UserTimeout = wire.UserTimeoutOf(time.Duration(n) * time.Second)
			}
		case w[0] == "FO":
			b, err := hex.DecodeString(strings.Join(w[1:], ""))
			c, ok := wire.MakeFastOpenCookie(b)
			if err != nil || !ok {
				t.Fatalf("no cookie: %q", part)
			}
			o.SetFastOpen(c)
		case w[0] == "ECN":
			s.takeCounters(w[1:])
		case w[0] == "sack":
			o.Set |= wire.OptSACK
			for _, b := range w[1:] {
				var left, right int64
				fmt.Sscanf(b, "%d:%d", &left, &right)
				o.SACK[o.SACKBlocks] = wire.SACKBlock{Left: seq.Num(left), Right: seq.Num(right)}
				o.SACKBlocks++
			}
		default:
			t.Fatalf("unknown option %q", part)
		}
	}
}

// takeCounters reads an AccECN option: "ECN e1b 1 ceb 0".
func (s *spelled) takeCounters(w []string) {
	o, at := &s.options, map[string]int{"e0b": 0, "ceb": 1, "e1b": 2}
	o.Set |= wire.OptAccECN
	if len(w) > 0 && w[0] == "e1b" {
		o.AccECN = wire.AccECN1
	}
	o.AccECN += wire.AccECN(len(w) / 2)
	for i := 0; i+1 < len(w); i += 2 {
		n, _ := strconv.ParseUint(w[i+1], 10, 32)
		o.Echo[at[w[i]]] = uint32(n)
	}
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// isns are the first numbers of both directions, named from the side that sends.
type isns struct{ own, peer seq.Num }

// header makes the header that s stands for.
func (s *spelled) header(n isns) wire.TCP {
	h := wire.TCP{Seq: n.own + seq.Num(s.seq), Flags: s.flags, Urgent: uint16(s.urg), Options: s.options}
	if s.hasAck {
		h.Ack = n.peer + seq.Num(s.ack)
	}
	if s.win >= 0 {
		h.Window = uint16(s.win)
	}
	for i := range h.Options.SACKBlocks {
		b := &h.Options.SACK[i]
		b.Left, b.Right = b.Left+n.peer, b.Right+n.peer
	}
	return h
}

// describe writes a segment in the notation, with all it has.
func describe(h *wire.TCP, length int, n isns) string {
	first := int64(h.Seq.Diff(n.own))
	s := fmt.Sprintf("%v %d:%d(%d)", h.Flags, first, first+int64(length), length)
	if h.Flags.Has(wire.ACK) {
		s += fmt.Sprintf(" ack %d", h.Ack.Diff(n.peer))
	}
	s += fmt.Sprintf(" win %d", h.Window)
	if h.Flags.Has(wire.URG) {
		s += fmt.Sprintf(" urg %d", h.Urgent)
	}
	if h.Options.Set == 0 {
		return s
	}
	o := h.Options
	o.Set &^= wire.OptSACK
	text := o.String()
	for i, b := range o.SACK[:o.SACKBlocks] {
		if i == 0 {
			text += ",sack"
		}
		text += fmt.Sprintf(" %d:%d", b.Left-n.peer, b.Right-n.peer)
	}
	return s + " <" + strings.TrimPrefix(text, ",") + ">"
}

// matches reports whether a segment is what s says, as far as s says it.
func (s *spelled) matches(h *wire.TCP, length int, n isns) bool {
	w := s.header(n)
	switch {
	case h.Flags != w.Flags, h.Seq != w.Seq, length != s.n:
		return false
	case h.Flags.Has(wire.ACK) && h.Ack != w.Ack:
		return false
	case !h.Flags.Has(wire.ACK) && h.Ack != 0: // W3: no ACK flag, no number
		return false
	case s.win >= 0 && h.Window != w.Window, h.Urgent != w.Urgent:
		return false
	}
	o := h.Options
	if !o.Has(wire.OptFastOpen) { // its cookie lies there
		clear(o.SACK[min(int(o.SACKBlocks), len(o.SACK)):])
	}
	return !s.hasOption || o == w.Options
}

// pattern is the byte that has the given relative number, in every stream of
// the tests: what arrives in a wrong place is seen.
func pattern(rel uint32) byte { return byte(rel ^ rel>>7 ^ rel>>13 ^ rel>>21) }

func patternBytes(rel int64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = pattern(uint32(rel) + uint32(i))
	}
	return b
}
