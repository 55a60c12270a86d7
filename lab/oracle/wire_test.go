package oracle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// The first numbers of both streams: the numbers come round early.
const (
	ownISS  = 0xffffff00
	peerISS = 0xfffffff0
)

// script is a host whose packets are written by hand.
type script struct {
	testing.TB
	Wire
	now clock.Time
	v6  bool
}

// play has a line happen: "> F. 1 ack 1 win 500" is a segment that the host under
// test sends, "< …" one that reaches it. Numbers count from the SYN of each stream. Then
// come words with a number each: len, ack, win, urg, mss, ws, ts (and ecr), from and to
// (a SACK block), ttl, byte (what the text consists of), and sackok, accecn, df, break.
func (s *script) play(line string) error {
	words := strings.Fields(line)
	out := words[0] == ">"
	packet := s.packet(out, words[1:])
	s.now += clock.Time(time.Millisecond)
	if out {
		return s.Sent(s.now, packet)
	}
	s.Delivered(s.now, packet)
	return nil
}

func (s *script) packet(out bool, words []string) []byte {
	own, far := seq.Num(ownISS), seq.Num(peerISS)
	if !out {
		own, far = far, own
	}
	h := wire.TCP{SrcPort: 1000, DstPort: 80, Seq: own + seq.Num(s.number(words[1])), Window: 1000}
	for _, c := range words[0] {
		h.Flags |= 1 << strings.IndexRune("FSRP.UEWe", c)
	}
	ttl, fill, text, breaks := 64, -1, 0, ""
	for i := 2; i < len(words); i++ {
		n := 0
		if w := words[i]; w != "sackok" && w != "accecn" && w != "cut" {
			i++
			if w == "break" {
				breaks = words[i]
				continue
			}
			n = s.number(words[i])
		}
		switch o := &h.Options; words[i-1] {
		case "ack":
			h.Ack = far + seq.Num(n)
		case "rawseq":
			h.Seq = seq.Num(n)
		case "win":
			h.Window = uint16(n)
		case "urg":
			h.Urgent = uint16(n)
		case "len":
			text = n
		case "byte":
			fill = n
		case "ttl":
			ttl = n
		case "mss":
			o.Set, o.MSS = o.Set|wire.OptMSS, uint16(n)
		case "ws":
			o.Set, o.WindowScale = o.Set|wire.OptWindowScale, uint8(n)
		case "ts":
			o.Set, o.TSVal = o.Set|wire.OptTimestamps, uint32(n)
		case "ecr":
			o.TSEcr = uint32(n)
		case "fo":
			c, _ := wire.MakeFastOpenCookie(make([]byte, n))
			o.SetFastOpen(c)
		case "from":
			o.Set |= wire.OptSACK
			o.SACK[o.SACKBlocks].Left = far + seq.Num(n)
		case "to":
			o.SACK[o.SACKBlocks].Right = far + seq.Num(n)
			o.SACKBlocks++
		default:
			if words[i] == "sackok" {
				o.Set |= wire.OptSACKPermitted
			} else {
				s.Fatalf("%q", words[i-1:i+1])
			}
		}
	}
	payload := make([]byte, text)
	for i := range payload {
		payload[i] = byte(uint32(h.Seq)) + byte(i)
		if fill >= 0 {
			payload[i] = byte(fill)
		}
	}
	return s.raw(out, &h, payload, ttl, breaks)
}

func (s *script) number(w string) int {
	n, err := strconv.Atoi(w)
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// raw makes the packet, and breaks it.
func (s *script) raw(out bool, h *wire.TCP, text []byte, ttl int, breaks string) []byte {
	a, b := wire.AddrFrom4(10<<24|1), wire.AddrFrom4(10<<24|2)
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: uint8(ttl), DontFragment: breaks != "df"}
	if s.v6 {
		ip.Version, ip.DontFragment = 6, false
		a, b = wire.AddrFrom16([16]byte{0xfd, 15: 1}), wire.AddrFrom16([16]byte{0xfd, 15: 2})
	}
	if !out {
		a, b = b, a
		h.SrcPort, h.DstPort = h.DstPort, h.SrcPort
	}
	ip.Src, ip.Dst = a, b
	segment := append(h.Append(nil), text...)
	switch breaks {
	case "offset":
		segment[12] = 4 << 4
	case "reserved":
		segment[12] |= 4
	case "kind":
		segment[20] = 77
	case "length":
		segment[21] = 1
	case "padding":
		segment[len(segment)-1] = 9
	}
	sum := wire.Checksum(wire.Sum(segment, wire.PseudoSum(a, b, ip.Proto, len(segment))))
	segment[16], segment[17] = byte(sum>>8), byte(sum)
	p := append(ip.Append(nil, len(segment)), segment...)
	switch breaks {
	case "sum":
		p[len(p)-1] ^= 1
	case "ipsum":
		p[10] ^= 1
	case "tail":
		p = append(p, 0)
	case "short":
		p = p[:len(p)-1]
	case "version":
		p[0] = 0x55
	}
	return p
}

// opened are the lines of a handshake, in which the host under test asks.
var opened = []string{
	"> S 0 win 1000 mss 1460 ws 2 sackok",
	"< S. 0 ack 1 win 1000 mss 600 ws 0 sackok",
	"> . 1 ack 1 win 250",
}

// stamped is the same with timestamps.
var stamped = []string{
	"> S 0 mss 1460 sackok ts 100",
	"< S. 0 ack 1 win 1000 mss 600 sackok ts 50 ecr 100",
	"> . 1 ack 1 ts 101 ecr 50",
}

// served is a connection that the peer has opened and closed.
var served = []string{
	"< S 0 mss 600 ts 50",
	"> S. 0 ack 1 mss 1460 ts 100 ecr 50",
	"< . 1 ack 1 ts 50 ecr 100",
	"< F. 1 ack 1 ts 50 ecr 100",
	"> . 1 ack 2 ts 890 ecr 50",
}

func then(before []string, more ...string) []string {
	return append(before[:len(before):len(before)], more...)
}

// Each rule is broken once, by the last line, and a line that keeps it passes.
var wireRules = []struct {
	rule, name string
	before     []string
	wrong      string
	right      string
}{
	{"W1", "TCP checksum", nil, "> S 0 mss 1460 break sum", "> S 0 mss 1460"},
	{"W1", "IP checksum", nil, "> S 0 mss 1460 break ipsum", "> S 0 mss 1460"},
	{"W1", "IP version", nil, "> S 0 mss 1460 break version", "> S 0 mss 1460"},
	{"W1", "more bytes than the header says", nil, "> S 0 mss 1460 break tail", "> S 0 mss 1460"},
	{"W1", "fewer", nil, "> S 0 mss 1460 break short", "> S 0 mss 1460"},
	{"W1", "data offset", nil, "> S 0 break offset", "> S 0"},
	{"W1", "reserved bits", nil, "> S 0 break reserved", "> S 0"},
	{"W1", "urgent pointer", opened, "> . 1 ack 1 win 251 urg 5", "> .U 1 ack 1 win 251 urg 5"},
	{"W1", "SYN and FIN", nil, "> SF 0", "> S 0"},
	{"W2", "an option that nobody knows", nil, "> S 0 mss 1460 break kind", "> S 0 mss 1460"},
	{"W2", "the length of an option", nil, "> S 0 mss 1460 break length", "> S 0 mss 1460"},
	{"W2", "MSS later on", opened, "> . 1 ack 1 win 251 mss 1460", "> . 1 ack 1 win 251"},
	{"W2", "SACK permitted later on", opened, "> . 1 ack 1 win 251 sackok", "> . 1 ack 1 win 251"},
	{"W2", "SYN-ACK agrees to a scale", []string{"< S 0 mss 1460"}, "> S. 0 ack 1 mss 1460 ws 2", "> S. 0 ack 1 mss 1460"},
	{"W2", "SYN-ACK agrees to timestamps", []string{"< S 0 mss 1460 sackok"}, "> S. 0 ack 1 mss 1460 ts 5", "> S. 0 ack 1 mss 1460 sackok"},
	{"W2", "SYN-ACK with a cookie nobody asked for", []string{"< S 0 mss 1460"}, "> S. 0 ack 1 mss 1460 fo 8", "> S. 0 ack 1 mss 1460"},
	{"W2", "a cookie later on", opened, "> . 1 ack 1 win 251 fo 8", "> . 1 ack 1 win 251"},
	{"R5", "SYN-ACK of text that never came", []string{"< S 0 len 5 mss 1460 fo 8"}, "> S. 0 ack 7 mss 1460", "> S. 0 ack 6 mss 1460 fo 8"},
	{"S4", "other text than on the SYN", []string{"> S 0 len 5 mss 1460 fo 8", "< S. 0 ack 1 win 500 mss 1460"}, "> P. 1 ack 1 len 5 byte 7", "> P. 1 ack 1 win 500"},
	{"W2", "the SYN again, with other options", []string{"> S 0 mss 1460 sackok"}, "> S 0 mss 1460", "> S 0 mss 1460 sackok"},
	{"W2", "no timestamp", stamped, "> P. 1 ack 1 len 5", "> P. 1 ack 1 len 5 ts 102 ecr 50"},
	{"W2", "a timestamp that was not agreed to", opened, "> P. 1 ack 1 win 250 len 5 ts 102 ecr 50", "> P. 1 ack 1 win 250 len 5"},
	{"W2", "SACK that was not permitted", then([]string{"> S 0 mss 1460", "< S. 0 ack 1 sackok", "> . 1 ack 1"}, "< . 11 ack 1 len 10"),
		"> . 1 ack 1 from 11 to 21", "> . 1 ack 1"},
	{"W3", "no ACK", opened, "> P 1 len 5", "> P. 1 ack 1 win 250 len 5"},
	{"W3", "an ACK number without ACK", nil, "> S 0 ack 7", "> S 0"},
	{"W4", "may be cut up", nil, "> S 0 break df", "> S 0"},
	{"W4", "TTL", opened, "> P. 1 ack 1 win 250 len 5 ttl 63", "> P. 1 ack 1 win 250 len 5"},
	{"M2", "a segment without a SYN", nil, "> . 1 ack 1", "> S 0"},
	{"S2", "a number that does not come next", opened, "> P. 5 ack 1 win 250 len 5", "> P. 1 ack 1 win 250 len 5"},
	{"S4", "another byte", then(opened, "> P. 1 ack 1 win 250 len 100"), "> . 50 ack 1 win 250 len 5 byte 7", "> . 50 ack 1 win 250 len 5"},
	{"S5", "beyond the window", then(opened, "> . 1 ack 1 win 250 len 500"), "> . 501 ack 1 win 250 len 502", "> . 501 ack 1 win 250 len 500"},
	{"S5", "a probe of two octets", then(opened, "< . 1 ack 1 win 0", "> . 1 ack 1 win 250 len 500", "> . 501 ack 1 win 250 len 500"),
		"> . 1001 ack 1 win 250 len 2", "> . 1001 ack 1 win 250 len 1"},
	{"S5", "a window is not scaled in a SYN", []string{"> S 0 ws 2", "< S. 0 ack 1 win 100 mss 600 ws 4", "> . 1 ack 1 win 250"},
		"> . 1 ack 1 win 250 len 200", "> . 1 ack 1 win 250 len 100"},
	{"S5", "a FIN beyond the window", then(opened, "> . 1 ack 1 win 250 len 500", "> . 501 ack 1 win 250 len 500", "> . 1001 ack 1 win 250 len 1"),
		"> F. 1002 ack 1 win 250", "> . 1001 ack 1 win 250 len 1"},
	{"S7", "the peer's MSS", opened, "> . 1 ack 1 win 250 len 601", "> . 1 ack 1 win 250 len 600"},
	{"S7", "options count", stamped, "> . 1 ack 1 len 589 ts 102 ecr 50", "> . 1 ack 1 len 588 ts 102 ecr 50"},
	{"S7", "no MSS", []string{"> S 0", "< S. 0 ack 1"}, "> . 1 ack 1 len 537", "> . 1 ack 1 len 536"},
	{"S8", "text behind the FIN", then(opened, "> F. 1 ack 1 win 250"), "> . 1 ack 1 win 250 len 5", "> F. 1 ack 1 win 250"},
	{"S8", "another FIN", then(opened, "> F. 1 ack 1 win 250"), "> F. 2 ack 1 win 250", "> . 2 ack 1 win 251"},
	{"S8", "a FIN before the text's end", then(opened, "> . 1 ack 1 win 250 len 5"), "> F. 1 ack 1 win 250 len 3", "> F. 1 ack 1 win 250 len 5"},
	{"R3", "the window shrinks", opened, "> . 1 ack 1 win 248", "> . 1 ack 1 win 250 len 5"},
	{"R3", "the edge moves left", then(opened, "< . 1 ack 1 len 100"), "> . 1 ack 101 win 224", "> . 1 ack 101 win 225"},
	{"R5", "an ACK of what did not come", then(opened, "< . 1 ack 1 len 10"), "> . 1 ack 12 win 250", "> . 1 ack 11 win 250"},
	{"R5", "an ACK across a gap", then(opened, "< . 1 ack 1 len 10", "< . 15 ack 1 len 10"), "> . 1 ack 25 win 250", "> . 1 ack 11 win 250 from 15 to 25"},
	{"R5", "an ACK of a FIN that did not come", then(opened, "< . 1 ack 1 len 10"), "> . 1 ack 12 win 250", "> . 1 ack 11 win 250"},
	{"R5", "an ACK of what came broken", then(opened, "< . 1 ack 1 len 10 break sum"), "> . 1 ack 11 win 250", "> P. 1 ack 1 win 250 len 1"},
	{"R5", "the ACK goes back", then(opened, "< . 1 ack 1 len 10", "> . 1 ack 11 win 250"), "> . 1 ack 5 win 252", "> . 1 ack 11 win 251"},
	{"R5", "a SYN-ACK of nothing", []string{"< S 5"}, "> S. 0 ack 1", "> S. 0 ack 6"},
	{"R6", "a block that did not come", then(opened, "< . 11 ack 1 len 10"), "> . 1 ack 1 win 250 from 11 to 22", "> . 1 ack 1 win 250 from 11 to 21"},
	{"R6", "a block across a gap", then(opened, "< . 11 ack 1 len 10", "< . 31 ack 1 len 10"), "> . 1 ack 1 win 250 from 11 to 41", "> . 1 ack 1 win 250 from 31 to 41 from 11 to 21"},
	{"R6", "a block that is acknowledged", then(opened, "< . 1 ack 1 len 10", "< . 21 ack 1 len 10"), "> . 1 ack 11 win 250 from 21 to 31 from 1 to 11", "> . 1 ack 11 win 250 from 1 to 11 from 21 to 31"},
	{"R6", "a block turned round", then(opened, "< . 11 ack 1 len 10"), "> . 1 ack 1 win 250 from 21 to 11", "> . 1 ack 1 win 250 from 11 to 21"},
	{"R6", "blocks overlap", then(opened, "< . 11 ack 1 len 20"), "> . 1 ack 1 win 250 from 11 to 25 from 21 to 31", "> . 1 ack 1 win 250 from 15 to 20 from 11 to 31"},
	{"R6", "a block beyond the window", then(opened, "< . 991 ack 1 len 20"), "> . 1 ack 1 win 250 from 991 to 1011", "> . 1 ack 1 win 250 from 991 to 1001"},
	{"R10", "our clock goes back", then(stamped, "> P. 1 ack 1 len 5 ts 900 ecr 50"), "> P. 6 ack 1 len 5 ts 800 ecr 50", "> P. 6 ack 1 len 5 ts 900 ecr 50"},
	{"R10", "a SYN-ACK again, before all is over", then(served, "> . 1 ack 2 win 1000 ts 900 ecr 50 len 5", "< S 0 mss 600 ts 50"), "> S. 0 ack 1 mss 1460 ts 800 ecr 50", "> S. 0 ack 1 mss 1460 ts 901 ecr 50"},
	{"R5", "a SYN again, when all is over", then(served, "> F. 1 ack 2 win 1000 ts 900 ecr 50", "< . 2 ack 2 ts 50 ecr 900", "< S 0 mss 600 ts 50"), "> S. 0 ack 3 ts 800 ecr 50", "> S. 0 ack 1 ts 800 ecr 50"},
	{"R5", "a SYN again, after a RST", then(served, "< R. 2 ack 1", "< S 0 mss 600 ts 50"), "> S. 0 ack 3 ts 800 ecr 50", "> S. 0 ack 1 ts 800 ecr 50"},
	{"R5", "the ACK of the handshake again, after a RST", then(served, "< R. 2 ack 1", "< P. 1 ack 1 ts 50 ecr 100 len 1"), "> . 1 ack 3 win 1000 ts 101 ecr 50", "> . 1 ack 1 win 1000 ts 101 ecr 50"},
	{"R10", "a SYN-ACK again, after a RST that ended nothing", then(served, "< R. 7 ack 1", "< S 0 mss 600 ts 50"), "> S. 0 ack 1 mss 1460 ts 800 ecr 50", "> S. 0 ack 1 mss 1460 ts 901 ecr 50"},
	{"R10", "an echo of what did not come", stamped, "> P. 1 ack 1 len 5 ts 102 ecr 51", "> P. 1 ack 1 len 5 ts 102 ecr 50"},
	{"R10", "the echo goes back", then(stamped, "< . 1 ack 1 len 10 ts 60 ecr 101", "> . 1 ack 11 win 990 ts 103 ecr 60"), "> P. 1 ack 11 win 990 len 5 ts 103 ecr 55", "> P. 1 ack 11 win 990 len 5 ts 103 ecr 60"},
	{"E1", "a RST is answered", []string{"< R. 5 ack 7"}, "> R 7", "> S 0"},
	{"E3", "the number of a RST", []string{"< . 5 ack 7"}, "> R 8", "> R 7"},
	{"E3", "a RST to what has no ACK", []string{"< P 5 len 10"}, "> R. 0 rawseq 0 ack 14", "> R. 0 rawseq 0 ack 15"},
	{"E3", "a RST of nothing", nil, "> R 7", "> S 0"},
	{"E3", "two RSTs for one segment", []string{"< . 5 ack 7", "> R 7"}, "> R 7", "> S 0"},
	{"E3", "a RST beyond what was sent", opened, "> R. 5 ack 1", "> R. 1 ack 1"},
	{"E5", "the same again", then(opened, "< . 1 ack 1 win 1000", "> . 1 ack 1 win 250"), "> . 1 ack 1 win 250", "> . 0 ack 1 win 250"},
}

func TestWireRules(t *testing.T) {
	for _, k := range wireRules {
		for _, v6 := range []bool{false, true} {
			if v6 && (strings.Contains(k.wrong, "break df") || strings.Contains(k.wrong, "break ipsum") || k.name == "no MSS") {
				continue // there is no such field
			}
			t.Run(strings.ReplaceAll(fmt.Sprintf("%s/%s/v6=%v", k.rule, k.name, v6), " ", "_"), func(t *testing.T) {
				play := func(last string) error {
					s := &script{TB: t, v6: v6}
					for _, line := range k.before {
						if err := s.play(line); err != nil {
							t.Fatalf("%s: %v", line, err)
						}
					}
					return s.play(last)
				}
				var f *Fault
				if err := play(k.wrong); !errors.As(err, &f) || f.Rule != k.rule && !(k.rule == "E1" && f.Rule == "E3") || f.Source == "" {
					t.Errorf("%s: %v, want %s", k.wrong, err, k.rule)
				}
				if err := play(k.right); err != nil {
					t.Errorf("%s: %v", k.right, err)
				}
			})
		}
	}
}

// A TTL that a program sets is that of all that follows.
func TestTTLSet(t *testing.T) {
	s := &script{TB: t}
	for _, line := range then(opened, "> P. 1 ack 1 win 250 len 5") {
		if err := s.play(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	s.TTLSet()
	if err := s.play("> P. 6 ack 1 win 250 len 5 ttl 9"); err != nil {
		t.Error(err)
	}
	var f *Fault
	if err := s.play("> P. 11 ack 1 win 250 len 5"); !errors.As(err, &f) || f.Rule != "W4" {
		t.Errorf("%v, want W4", err)
	}
}
