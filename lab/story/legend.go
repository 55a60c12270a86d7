package story

import (
	"strings"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Wrap breaks text into lines of at most so many columns; a Chinese character
// takes two.
func Wrap(text string, width int) []string { return fit(text, float64(width), columns) }

// Columns returns how many columns a text takes on a terminal.
func Columns(text string) int { return int(columns(text)) }

// flagMeanings says what each letter of a segment's flags stands for.
var flagMeanings = []struct {
	flag   wire.Flags
	letter string
	sentence
}{
	{wire.SYN, "S", sentence{"SYN, opens", "SYN，打开连接"}},
	{wire.FIN, "F", sentence{"FIN, closes", "FIN，关闭连接"}},
	{wire.RST, "R", sentence{"RST, resets", "RST，复位连接"}},
	{wire.PSH, "P", sentence{"PSH, the program's write ends here: hand it on at once", "PSH，程序的一次写入到此为止：请立即交付"}},
	{wire.URG, "U", sentence{"URG, urgent data", "URG，紧急数据"}},
	{wire.ACK, ".", sentence{"ACK", "ACK，确认"}},
}

var (
	lostMark   = sentence{"lost: never arrives", "丢失：永不到达"}
	unusedMark = sentence{"arrived, not taken", "到达，但未被采用"}
	timerMark  = sentence{"a timer fires", "定时器触发"}
	tsMark     = sentence{"ts: timestamps, 12 bytes of every segment", "ts：时间戳，占每个报文段 12 字节"}
	aoMark     = sentence{"ao: signed, by the key of that number (TCP-AO)", "ao：已签名，后面是密钥的编号"}
)

// Legend says what the signs of a ladder mean, those that occur in it, in lines
// of at most so many columns.
func Legend(steps []Step, l Lang, plain bool, width int) []string {
	g := &unicode
	if plain {
		g = &ascii
	}
	var ends [Unused + 1]bool
	timer := false
	for i := range steps {
		s := &steps[i]
		timer = timer || s.Kind == Mark
		ends[s.End] = ends[s.End] || s.Kind == Arrow
	}
	items, options := flagItems(steps, l, true)
	for _, m := range []struct {
		shown bool
		sign  string
		sentence
	}{{ends[Lost], g.lost, lostMark}, {ends[Unused], g.hollow[1], unusedMark}, {timer, g.timer, timerMark}} {
		if m.shown {
			items = append(items, m.sign+" "+m.sentence[l])
		}
	}
	return wrapItems(append(items, options...), width)
}

// flagItems says what the flags of arrows stand for, each behind its letter where
// the arrows have letters, and what the options ts and ao are.
func flagItems(steps []Step, l Lang, letters bool) (items, options []string) {
	var flags wire.Flags
	var stamped, signed bool
	for i := range steps {
		if s := &steps[i]; s.Kind == Arrow {
			flags |= s.Flags
			fields := strings.Join(s.Fields, " ")
			stamped = stamped || strings.Contains(fields, " ts")
			signed = signed || strings.Contains(fields, " ao ") || strings.Contains(fields, "<ao ")
		}
	}
	if stamped {
		options = append(options, tsMark[l])
	}
	if signed {
		options = append(options, aoMark[l])
	}
	for _, m := range flagMeanings {
		switch {
		case !flags.Has(m.flag):
		case letters:
			items = append(items, m.letter+" "+m.sentence[l])
		default:
			items = append(items, m.sentence[l])
		}
	}
	return items, options
}

// wrapItems puts items on lines, and breaks only between them if that can be.
func wrapItems(items []string, width int) (lines []string) {
	for _, it := range items {
		if last := len(lines) - 1; last >= 0 && Columns(lines[last])+3+Columns(it) <= width {
			lines[last] += "   " + it
			continue
		}
		lines = append(lines, Wrap(it, width)...)
	}
	return lines
}
