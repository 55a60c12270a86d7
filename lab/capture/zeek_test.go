package capture_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// crafted is a segment of a capture that was made by hand, a millisecond after the one before.
// The client's numbers begin at 100 and the server's at 500.
type crafted struct {
	from     int
	flags    string // as tcpdump has them
	seq, ack seq.Num
	text     int
	shut     bool // its window is 0
}

func (p *crafted) packet() []byte {
	ip := wire.IP{Version: 4, TTL: 64, Proto: wire.ProtoTCP, Src: addr4(1 + p.from), Dst: addr4(2 - p.from)}
	h := wire.TCP{SrcPort: uint16(1000 - 920*p.from), DstPort: uint16(80 + 920*p.from), Seq: p.seq, Ack: p.ack, Window: 65535}
	for letter, f := range map[string]wire.Flags{"S": wire.SYN, "F": wire.FIN, "R": wire.RST, ".": wire.ACK} {
		if strings.Contains(p.flags, letter) {
			h.Flags |= f
		}
	}
	if p.shut {
		h.Window = 0
	}
	return append(wire.AppendSegment(nil, &ip, &h, p.text, 0, false), make([]byte, p.text)...)
}

// with is what a capture shows after the handshake.
func with(more ...crafted) []crafted {
	return append([]crafted{{flags: "S", seq: 100}, {from: 1, flags: "S.", seq: 500, ack: 101}, {flags: ".", seq: 101, ack: 501}}, more...)
}

// times repeats a segment.
func times(n int, p crafted) []crafted { return slices.Repeat([]crafted{p}, n) }

var (
	bothFINs  = []crafted{{flags: "F.", seq: 101, ack: 501}, {from: 1, flags: "F.", seq: 501, ack: 102}, {flags: ".", seq: 102, ack: 502}}
	clientRST = crafted{flags: "R", seq: 101}
	serverRST = crafted{from: 1, flags: "R", seq: 501}
)

// Zeek's rules, one by one, as its source has them (packet_analysis/protocol/tcp/TCPSessionAdapter.cc, TCP_Endpoint.cc,
// TCP_Reassembler.cc, base/protocols/conn/main.zeek): the history, conn_state, and where they are given the fields
// duration, orig_bytes, resp_bytes and missed_bytes.
var zeekRules = []struct {
	rule           string
	packets        []crafted
	history, state string
	fields         string
}{
	{"a whole connection; the last ACK is not part of the duration", with(bothFINs...), "ShAFf", "SF", "0.004000 0 0 0"},
	{"a SYN alone", []crafted{{flags: "S", seq: 100}}, "S", "S0", "- - - 0"},
	{"a SYN again", times(3, crafted{flags: "S", seq: 100}), "S", "S0", "0.002000 0 0 0"},
	{"open", with(), "ShA", "S1", "0.002000 0 0 0"},
	{"SYN-ACKs again, with another number too", []crafted{{flags: "S", seq: 100}, {from: 1, flags: "S.", seq: 500, ack: 101}, {from: 1, flags: "S.", seq: 500, ack: 101}, {from: 1, flags: "S.", seq: 900, ack: 101}}, "Sh", "S1", ""},
	{"both open: the SYN-ACKs have the numbers of the SYNs", []crafted{{flags: "S", seq: 100}, {from: 1, flags: "S", seq: 500}, {flags: "S.", seq: 100, ack: 501}, {from: 1, flags: "S.", seq: 500, ack: 101}}, "Ss", "S1", ""},
	{"the SYN-ACK comes first", []crafted{{from: 1, flags: "S.", seq: 500, ack: 101}, {flags: "S", seq: 100}, {flags: ".", seq: 101, ack: 501}}, "^hSA", "OTH", ""},
	{"the SYN-ACK comes first, and both FINs", append([]crafted{{from: 1, flags: "S.", seq: 500, ack: 101}, {flags: "S", seq: 100}}, bothFINs...), "^hSFfA", "SF", ""},
	{"no SYN was captured", []crafted{{from: 1, flags: "S.", seq: 500, ack: 101}, {flags: ".", seq: 101, ack: 501}}, "^hA", "S1", ""},
	{"the SYN is acknowledged before it is answered", []crafted{{flags: "S", seq: 100}, {from: 1, flags: ".", seq: 500, ack: 101}, {from: 1, flags: "S.", seq: 500, ack: 101}}, "Sah", "S1", ""},
	{"no SYN-ACK was captured", []crafted{{flags: "S", seq: 100}, {flags: ".", seq: 101, ack: 501}, {from: 1, flags: ".", seq: 501, ack: 111, text: 5}}, "SAd", "OTH", ""},

	{"text and ACKs come once", with(slices.Concat(times(2, crafted{from: 1, flags: ".", seq: 501, ack: 101}), []crafted{{flags: ".", seq: 101, ack: 501, text: 5}, {flags: ".", seq: 106, ack: 501, text: 5}})...), "ShAaD", "S1", "0.006000 10 0 0"},
	{"a FIN with text is no D", with(crafted{flags: "F.", seq: 101, ack: 501, text: 5}), "ShAF", "S2", "0.003000 5 0 0"},
	{"a FIN again without the text that it had", with(crafted{flags: "F.", seq: 101, ack: 501, text: 5}, crafted{flags: "F.", seq: 106, ack: 501}), "ShAF", "S2", ""},
	{"a FIN with another number", with(crafted{flags: "F.", seq: 101, ack: 501}, crafted{flags: "F.", seq: 103, ack: 501}), "ShAFF", "S2", ""},
	{"RSTs with two numbers", with(clientRST, clientRST, crafted{flags: "R", seq: 103}), "ShARR", "RSTO", ""},
	{"neither flag nor text", with(crafted{from: 1, flags: "", seq: 501}), "ShA", "S1", ""},
	{"text without an ACK", with(crafted{from: 1, flags: "", seq: 501, text: 5}), "ShAd", "S1", ""},

	{"SYN and FIN", []crafted{{flags: "SF", seq: 100}}, "Q", "SH", ""},
	{"SYN and RST", []crafted{{flags: "SR", seq: 100}}, "Q", "OTH", ""},
	{"FIN and RST", with(crafted{flags: "FR", seq: 101}, crafted{flags: "FR", seq: 101}), "ShAI", "RSTO", ""},
	{"all flags", []crafted{{flags: "SFR", seq: 100}}, "I", "OTH", ""},

	{"text again", with(slices.Concat(times(2, crafted{flags: ".", seq: 101, ack: 501, text: 5}))...), "ShADT", "S1", "0.004000 5 0 0"},
	{"text again, ten times", with(times(11, crafted{flags: ".", seq: 101, ack: 501, text: 5})...), "ShADTT", "S1", ""},
	{"text again, a hundred times", with(times(101, crafted{flags: ".", seq: 101, ack: 501, text: 5})...), "ShADTTT", "S1", ""},
	{"text that was overtaken", with(crafted{flags: ".", seq: 106, ack: 501, text: 5}, crafted{flags: ".", seq: 101, ack: 501, text: 5}), "ShADT", "S1", ""},
	{"text again with more behind it", with(crafted{flags: ".", seq: 101, ack: 501, text: 5}, crafted{flags: ".", seq: 101, ack: 501, text: 9}), "ShAD", "S1", ""},
	{"a keep-alive with a byte", with(crafted{from: 1, flags: ".", seq: 501, ack: 101}, crafted{flags: ".", seq: 100, ack: 501, text: 1}), "ShAaDT", "S1", ""},
	{"a keep-alive without", with(crafted{from: 1, flags: ".", seq: 501, ack: 101}, crafted{flags: ".", seq: 100, ack: 501}), "ShAa", "S1", ""},
	{"a SYN with text counts as text again", []crafted{{flags: "S", seq: 100, text: 5}}, "ST", "S0", ""},
	{"a RST with text, too", with(crafted{from: 1, flags: "R", seq: 501, text: 5}), "ShArt", "RSTR", ""},
	{"but not one whose number is a megabyte off", with(crafted{from: 1, flags: "R", seq: 1<<32 + 501 - 2<<20, text: 5}), "ShAr", "RSTR", ""},
	{"a FIN far ahead: the capture lacks the text before it", with(crafted{flags: "F.", seq: 101 + 3<<30, ack: 501, text: 5}), "ShAF", "S2", ""},
	{"text behind a RST does not", with(crafted{flags: ".", seq: 101, ack: 501, text: 5}, crafted{flags: "R", seq: 106}, crafted{flags: ".", seq: 101, ack: 501, text: 5}), "ShADR", "RSTO", ""},

	{"a window that is shut", with(crafted{from: 1, flags: ".", seq: 501, ack: 101, shut: true}), "ShAaw", "S1", ""},
	{"ten of them", with(times(10, crafted{from: 1, flags: ".", seq: 501, ack: 101, shut: true})...), "ShAaww", "S1", ""},
	{"a SYN's", []crafted{{flags: "S", seq: 100, shut: true}}, "SW", "S0", ""},
	{"a RST's does not count", with(crafted{from: 1, flags: "R.", seq: 501, ack: 101, shut: true}), "ShAr", "RSTR", ""},
	{"nor one after the peer's FIN", with(crafted{flags: "F.", seq: 101, ack: 501}, crafted{from: 1, flags: ".", seq: 501, ack: 102, shut: true}), "ShAFa", "S2", ""},
	{"nor one after the own RST", with(clientRST, crafted{flags: ".", seq: 101, ack: 501, shut: true}), "ShAR", "RSTO", ""},

	{"a gap", with(crafted{flags: ".", seq: 151, ack: 501, text: 5}, crafted{from: 1, flags: ".", seq: 501, ack: 156}), "ShADaG", "S1", "0.004000 55 0 50"},
	{"two gaps by one ACK", with(crafted{flags: ".", seq: 151, ack: 501, text: 5}, crafted{flags: ".", seq: 176, ack: 501, text: 5}, crafted{from: 1, flags: ".", seq: 501, ack: 181}), "ShADaG", "S1", "0.005000 80 0 70"},
	{"the end is missing", with(crafted{flags: ".", seq: 101, ack: 501, text: 5}, crafted{from: 1, flags: ".", seq: 501, ack: 206}), "ShADaG", "S1", "0.004000 105 0 100"},
	{"a gap in what the server sent, before the FINs", with(crafted{from: 1, flags: "F.", seq: 521, ack: 101}, crafted{flags: "F.", seq: 101, ack: 522}), "ShAfFg", "SF", "0.004000 0 20 20"},
	{"a gap that a RST tells of", with(crafted{flags: ".", seq: 151, ack: 501, text: 5}, crafted{from: 1, flags: "R.", seq: 501, ack: 156}), "ShADr", "RSTR", ""},
	{"a gap of a connection from the middle", []crafted{{flags: ".", seq: 101, ack: 501, text: 5}, {from: 1, flags: ".", seq: 501, ack: 106}, {flags: ".", seq: 156, ack: 501, text: 5}, {from: 1, flags: ".", seq: 501, ack: 161}}, "Da", "OTH", "0.003000 60 0 0"},

	{"from the middle", []crafted{{flags: ".", seq: 101, ack: 501}, {from: 1, flags: ".", seq: 501, ack: 101}}, "Aa", "OTH", ""},
	{"from the middle, the server first", []crafted{{from: 1, flags: ".", seq: 501, ack: 101, text: 5}, {flags: ".", seq: 101, ack: 506}}, "^dA", "OTH", ""},
	{"from the middle, the client closes", []crafted{{from: 1, flags: ".", seq: 501, ack: 101}, {flags: "F.", seq: 101, ack: 501}}, "^aF", "SH", ""},
	{"from the middle, the server closes", []crafted{{flags: ".", seq: 101, ack: 501}, {from: 1, flags: "F.", seq: 501, ack: 101}}, "Af", "SHR", ""},
	{"from the middle, the client resets", []crafted{{from: 1, flags: ".", seq: 501, ack: 101}, clientRST}, "^aR", "OTH", ""},
	{"from the middle, the server resets", []crafted{{flags: ".", seq: 101, ack: 501}, serverRST}, "Ar", "RSTRH", ""},
	{"from the middle, both close", bothFINs, "FfA", "SF", ""},
	{"the client's side alone", []crafted{{flags: "S", seq: 100}, {flags: ".", seq: 101, ack: 501}, {flags: ".", seq: 101, ack: 501, text: 9}, {flags: "F.", seq: 110, ack: 801}}, "SADF", "SH", "0.003000 9 0 0"},
	{"the server's side alone", []crafted{{from: 1, flags: "S.", seq: 500, ack: 101}, {from: 1, flags: ".", seq: 501, ack: 111, text: 9}, {from: 1, flags: "F.", seq: 510, ack: 111}}, "^hdf", "SHR", "0.002000 0 9 0"},

	{"a RST that somebody else has sent, a SYN-ACK, and a RST with the number behind it", []crafted{{flags: "S", seq: 100}, {from: 1, flags: "R.", ack: 101}, {from: 1, flags: "S.", seq: 500, ack: 101}, serverRST}, "Srh", "REJ", ""},
	{"refused", []crafted{{flags: "S", seq: 100}, {from: 1, flags: "R.", ack: 101}}, "Sr", "REJ", ""},
	{"both reset before any text", with(clientRST, serverRST), "ShARr", "REJ", ""},
	{"both reset behind some", with(crafted{flags: ".", seq: 101, ack: 501, text: 5}, clientRST, serverRST), "ShADRr", "RSTR", ""},
	{"the client gives its SYN up", []crafted{{flags: "S", seq: 100}, clientRST}, "SR", "RSTOS0", ""},
	{"behind an ACK nobody knows", []crafted{{flags: "S", seq: 100}, {flags: ".", seq: 101, ack: 501}, clientRST}, "SAR", "OTH", ""},
	{"the client's RST answers a SYN-ACK alone", []crafted{{from: 1, flags: "S.", seq: 500, ack: 101}, clientRST}, "^hR", "RSTO", ""},
	{"the server's RST follows its SYN-ACK, without a SYN", []crafted{{from: 1, flags: "S.", seq: 500, ack: 101}, serverRST}, "^hr", "RSTRH", ""},
	{"the client has closed", with(crafted{flags: "F.", seq: 101, ack: 501}), "ShAF", "S2", ""},
	{"the server has closed", with(crafted{from: 1, flags: "F.", seq: 501, ack: 101}), "ShAf", "S3", ""},
	{"a RST after both FINs", with(append(slices.Clone(bothFINs), clientRST)...), "ShAFfR", "SF", "0.004000 0 0 0"},
	{"a FIN, a RST, and the other FIN", with(crafted{flags: "F.", seq: 101, ack: 501}, clientRST, crafted{from: 1, flags: "F.", seq: 501, ack: 102}), "ShAFRf", "SF", ""},
	{"the same, and a gap that no longer counts", with(crafted{from: 1, flags: "F.", seq: 521, ack: 101}, crafted{from: 1, flags: "R", seq: 522}, crafted{flags: "F.", seq: 101, ack: 522}), "ShAfrF", "SF", "0.005000 0 20 0"},
	{"a RST, a FIN, and the other FIN", with(clientRST, crafted{flags: "F.", seq: 101, ack: 501}, crafted{from: 1, flags: "F.", seq: 501, ack: 102}), "ShARFf", "RSTO", ""},
	{"a FIN and the peer's RST", with(crafted{flags: "F.", seq: 101, ack: 501}, serverRST), "ShAFr", "RSTR", ""},
	{"a FIN and the own RST", with(crafted{flags: "F.", seq: 101, ack: 501}, clientRST), "ShAFR", "RSTO", ""},
	{"the duration waits for what is missing before a FIN", with(crafted{from: 1, flags: "F.", seq: 511, ack: 101}, crafted{flags: "F.", seq: 101, ack: 501}, crafted{from: 1, flags: ".", seq: 501, ack: 102, text: 10}, crafted{flags: ".", seq: 102, ack: 512}), "ShAfFdt", "SF", "0.005000 0 10 0"},
}

func TestZeek(t *testing.T) {
	for _, c := range zeekRules {
		var got []string
		tr := capture.NewTracker(capture.Options{Ended: func(k *capture.Conn) {
			var line bytes.Buffer
			if err := k.WriteZeek(&line); err != nil {
				t.Fatal(err)
			}
			f := strings.Split(line.String(), "\t")
			got = append(got, k.History(), k.State(), strings.Join([]string{f[8], f[9], f[10], f[14]}, " "))
		}})
		for i := range c.packets {
			b := c.packets[i].packet()
			tr.Packet(&capture.Packet{Number: i + 1, Time: clock.Time(time.Second) + clock.Time(i)*clock.Time(time.Millisecond), Link: capture.LinkRaw, Data: b, Size: len(b)})
		}
		tr.Finish()
		want := []string{c.history, c.state, c.fields}
		if c.fields == "" && len(got) > 2 {
			want[2] = got[2]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s, want %s", c.rule, fmt.Sprint(got), fmt.Sprint(want))
		}
	}
}
