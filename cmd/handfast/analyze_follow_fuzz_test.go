package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/handfast-tcp/handfast/lab/capture"
)

// piece is what a capture has of a side's stream at a time.
type piece struct {
	side    int
	data    []byte
	missing int64
}

// piecesOf reads pieces: a byte that says whose, how long and whether something is
// missing before it, and the bytes.
func piecesOf(tape []byte) (all []piece) {
	for len(tape) > 0 {
		how, rest := tape[0], tape[1:]
		if how&2 != 0 {
			all = append(all, piece{side: int(how & 1), missing: 1 + int64(how>>2)})
		}
		n := min(int(how>>3), len(rest))
		if n > 0 {
			all = append(all, piece{side: int(how & 1), data: rest[:n]})
		}
		tape = rest[n:]
	}
	return all
}

// followed writes pieces as the command does.
func followed(t *testing.T, form string, all []piece) string {
	var out bytes.Buffer
	a := &analysis{follower: &follower{form: form, sides: "both", out: terminal{Writer: &out}}}
	for _, p := range all {
		a.carried(&capture.Conn{}, p.side, p.data, p.missing)
	}
	if err := a.follower.end(); a.failed != nil || err != nil {
		t.Fatal(a.failed, err)
	}
	return out.String()
}

// FuzzFollow has the command write any bytes in any pieces: raw they come out as they are,
// of hex they can be read back, and text is the same however it is cut, and nothing that a
// terminal obeys.
func FuzzFollow(f *testing.F) {
	f.Add([]byte("\x58h\xc3\x11\xa9llo\x1b[31m\r\n\x10\xe4\xb8\x09\xad"))
	f.Add([]byte("\x20yes\n\x12\xff\xfe\x09\xf0\x0a\x9f"))
	f.Fuzz(func(t *testing.T, tape []byte) {
		all := piecesOf(tape)
		if len(all) == 0 {
			return
		}
		var raw []byte
		for _, p := range all {
			raw = append(raw, p.data...)
		}
		if got := followed(t, "raw", all); got != string(raw) {
			t.Errorf("raw: %q, want %q", got, raw)
		}
		if got, at := readBack(t, followed(t, "hex", all)); !bytes.Equal(got, raw) {
			t.Errorf("hex: %q at %v, want %q", got, at, raw)
		}
		text := followed(t, "text", all)
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(text) {
			t.Errorf("text: %q", text)
		}
		for i := range all {
			all[i].side = capture.Client
		}
		if got, want := followed(t, "text", all), wholeText(all); got != want {
			t.Errorf("text of one side: %q, want %q", got, want)
		}
	})
}

// wholeText is what one side's pieces are as text, when what no gap parts is one piece.
func wholeText(all []piece) string {
	text, part := "--- client [::]:0, from byte 0 on\n", []byte(nil)
	for _, p := range append(all, piece{missing: -1}) {
		if part = append(part, p.data...); p.missing == 0 {
			continue
		}
		text, part = text+readable(part), nil
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if p.missing > 0 {
			text += fmt.Sprintf("[%d bytes are not in the capture]\n", p.missing)
		}
	}
	return text
}

// readBack reads the bytes of a hex dump, and where the lines say that they stand.
func readBack(t *testing.T, dump string) (data []byte, at []int64) {
	for line := range strings.Lines(dump) {
		if len(line) < 60 || line[60] != '|' {
			continue
		}
		where, err := strconv.ParseInt(line[:8], 16, 64)
		b, err2 := hex.DecodeString(strings.ReplaceAll(line[9:59], " ", ""))
		if err != nil || err2 != nil || line[len(line)-2] != '|' || len(b) != len(line)-63 {
			t.Errorf("%q: %v %v", line, err, err2)
		}
		data, at = append(data, b...), append(at, where)
	}
	return data, at
}
