package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/capture"
)

var (
	followForms = []string{"text", "hex", "raw"}
	followSides = []string{"both", sideNames[0], sideNames[1]}

	followTurn    = [2]say.Text{{"\n--- client %s, from byte %s on\n", "\n--- 客户端 %s，从第 %s 字节起\n"}, {"\n--- server %s, from byte %s on\n", "\n--- 服务器 %s，从第 %s 字节起\n"}}
	followMissing = say.Text{"[%s bytes are not in the capture]\n", "[抓包中缺少 %s 字节]\n"}
	followNothing = say.Text{"connection %d carried nothing\n", "第 %d 条连接没有传输数据\n"}
)

// count is how many of some conditions hold.
func count(all ...bool) (n int) {
	for _, holds := range all {
		if holds {
			n++
		}
	}
	return n
}

// follower writes what a connection carries, as it comes: nothing of it is kept.
type follower struct {
	form, sides string
	out         terminal
	turn        int // whose bytes were written last, from 1; 0: nobody's
	sent        [2]int64
	line        bool // the last byte ended a line
	// The beginning of a character whose rest comes in the next segment.
	part [2][]byte
}

// carried takes what a connection carries.
func (a *analysis) carried(c *capture.Conn, from int, data []byte, missing int64) {
	f := a.follower
	if f.sides != followSides[0] && f.sides != sideNames[from] || a.failed != nil {
		return
	}
	a.failed = f.write(c, from, data, missing)
	f.sent[from] += int64(len(data)) + missing
}

func (f *follower) write(c *capture.Conn, from int, data []byte, missing int64) error {
	if f.form == "raw" {
		_, err := f.out.Write(data)
		return err
	}
	var b bytes.Buffer
	if f.turn != from+1 {
		if f.turn > 0 && !f.line {
			b.WriteByte('\n')
		}
		side := c.Tuple
		if from == capture.Server {
			side = side.Reverse()
		}
		fmt.Fprintf(&b, strings.TrimPrefix(followTurn[from][f.out.lang], map[bool]string{true: "\n"}[f.turn == 0]), hostPort(side.Local.String(), side.LocalPort), formatCount(uint64(f.sent[from])))
		f.turn, f.line = from+1, true
	}
	switch {
	case missing > 0:
		f.rest(&b, from)
		if !f.line {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, followMissing[f.out.lang], formatCount(uint64(missing)))
		f.line = true
	case f.form == "hex":
		dump(&b, data, f.sent[from])
		f.line = true
	default:
		data = append(f.part[from], data...)
		whole := len(data) - cutRune(data)
		f.part[from] = bytes.Clone(data[whole:])
		f.text(&b, data[:whole])
	}
	_, err := f.out.Write(b.Bytes())
	return err
}

// text adds bytes as text.
func (f *follower) text(b *bytes.Buffer, data []byte) {
	if text := readable(data); text != "" {
		b.WriteString(text)
		f.line = strings.HasSuffix(text, "\n")
	}
}

// rest adds the beginning of a side's character of which no more comes.
func (f *follower) rest(b *bytes.Buffer, from int) {
	f.text(b, f.part[from])
	f.part[from] = nil
}

// end writes what is left of characters, and ends the last line.
func (f *follower) end() error {
	var b bytes.Buffer
	for side := range f.part {
		f.rest(&b, side)
	}
	if f.form != "raw" && !f.line {
		b.WriteByte('\n')
	}
	_, err := f.out.Write(b.Bytes())
	return err
}

// cutRune is how many bytes at the end are the beginning of a character.
func cutRune(data []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(data); n++ {
		if tail := data[len(data)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// readable is text as it is, and a point for every byte that a terminal may obey or that
// is no text.
func readable(data []byte) string {
	var b strings.Builder
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1, r != '\n' && r != '\t' && r != '\r' && !unicode.IsPrint(r):
			b.WriteByte('.')
		case r != '\r': // of a line's end
			b.WriteRune(r)
		}
		data = data[n:]
	}
	return b.String()
}

// dump writes bytes as hexdump -C does, counted from the stream's beginning.
func dump(w io.Writer, data []byte, at int64) {
	const width = 16
	for len(data) > 0 {
		n := min(width, len(data))
		digits := hex.EncodeToString(data[:n])
		fmt.Fprintf(w, "%08x ", at)
		for i := range width {
			if i%8 == 0 {
				fmt.Fprint(w, " ")
			}
			if i < n {
				fmt.Fprintf(w, "%s ", digits[2*i:2*i+2])
			} else {
				fmt.Fprint(w, "   ")
			}
		}
		fmt.Fprintf(w, " |%s|\n", strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '.'
			}
			return r
		}, latin(data[:n])))
		data, at = data[n:], at+int64(n)
	}
}

// latin makes a rune of each byte.
func latin(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// follow ends what was written while the capture was read.
func (a *analysis) follow() error {
	if _, err := a.one(a.followed); err != nil {
		return err
	}
	if a.follower.sent == [2]int64{} {
		a.stderr.printf(followNothing, a.followed)
		return nil
	}
	return a.follower.end()
}
