package pulse

// Depth is how many figures a Series keeps.
const Depth = 60

// Series are the last figures of something, the newest last.
type Series []float32

// Add returns s with one more figure. The array is new when it has to move, as others
// may look at s still.
func (s Series) Add(x float64) Series {
	if len(s) < Depth {
		return append(s[:len(s):len(s)], float32(x))
	}
	return append(append(make(Series, 0, Depth), s[1:]...), float32(x))
}

// dots are the dots of a braille character, left and right, for columns of 0 to 4.
var dots = [2][5]rune{{0x00, 0x40, 0x44, 0x46, 0x47}, {0x00, 0x80, 0xa0, 0xb0, 0xb8}}

const blank = '\u2800' // braille without a dot

// Spark draws the last figures in so many columns of a terminal, two to each: the
// largest as four dots, and what is not 0 as one at least.
func (s Series) Spark(columns int) string {
	s = s[max(0, len(s)-2*columns):]
	top := float32(0)
	for _, x := range s {
		top = max(top, x)
	}
	out := make([]rune, columns)
	for i := range out {
		out[i] = blank
	}
	for i, x := range s {
		at := 2*columns - len(s) + i
		if x > 0 {
			out[at/2] |= dots[at%2][min(4, 1+int(3.999*x/top))]
		}
	}
	return string(out)
}
