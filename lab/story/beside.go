package story

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Side is one of several runs that are shown beside each other.
type Side struct {
	Picture
	Steps []Step
}

// Comparison draws several pictures beside each other, and below them what is
// different.
type Comparison struct {
	Title       string
	Sides       []Side
	Differences []Difference
	Theme       Theme
}

// Write draws the comparison as one SVG picture. Its errors are the writer's.
func (c Comparison) Write(w io.Writer) error {
	all, width, height := c.draw()
	_, err := io.WriteString(w, all.picture(width, height, c.Theme, c.Title, differencesText(c.Differences)))
	return err
}

func (c *Comparison) draw() (all *canvas, width, height float64) {
	all = &canvas{}
	for i := range c.Sides {
		d := c.Sides[i].Picture.draw(c.Sides[i].Steps)
		all.add(`<g transform="translate(%s 0)">`, num(width))
		all.body.WriteString(d.body.String())
		all.add("</g>")
		for _, b := range d.boxes {
			for j := range b.quad {
				b.quad[j].x += width
			}
			all.boxes = append(all.boxes, b)
		}
		width, height = width+d.width, max(height, d.height)
	}
	return all, width, math.Ceil(all.table(c.Differences, height, width) + margin)
}

// table writes rows of names and values below y, and returns how far down it goes.
func (c *canvas) table(rows []Difference, y, width float64) float64 {
	const nameWidth, size, line = 250.0, 13.0, 19.0
	for _, r := range rows {
		column := (width - 2*margin - nameWidth) / float64(len(r.Values))
		c.line("hair", point{margin, y + 2}, point{width - margin, y + 2})
		lines := 1
		for i, text := range append([]string{r.Name}, r.Values...) {
			x, room := margin, nameWidth-10
			if i > 0 {
				x, room = margin+nameWidth+column*float64(i-1), column-10
			}
			wrapped := fit(text, room, sans(size))
			for j, l := range wrapped {
				c.text([]string{"soft", ""}[min(i, 1)], point{x, y + line*float64(j+1)}, atStart, size, l)
			}
			lines = max(lines, len(wrapped))
		}
		y += line*float64(lines) + 6
	}
	return y
}

// differencesText says what is different in a line.
func differencesText(rows []Difference) string {
	var all []string
	for _, r := range rows {
		all = append(all, r.Name+": "+strings.Join(r.Values, " / "))
	}
	return strings.Join(all, "; ")
}

// DifferencesTable writes differences as text, a line or more each, in at most so
// many columns; titles stand above the values, or before them where there is no
// room for columns.
func DifferencesTable(titles []string, rows []Difference, width int) string {
	name := 0
	for _, r := range rows {
		name = max(name, int(columns(r.Name)))
	}
	room := (width - name - 2*len(titles)) / len(titles)
	var b strings.Builder
	if room < leastValue {
		differencesList(&b, titles, rows, width)
		return b.String()
	}
	for _, r := range append([]Difference{{"", titles}}, rows...) {
		cells := [][]string{{r.Name}}
		most := 1
		for _, v := range r.Values {
			lines := Wrap(v, room)
			cells, most = append(cells, lines), max(most, len(lines))
		}
		for i := range most {
			var l line
			for j, c := range cells {
				l.put(min(j, 1)*(name+2)+max(j-1, 0)*(room+2), at(c, i), plain)
			}
			b.Write(l.appendTo(nil, false))
		}
	}
	return b.String()
}

// leastValue is how many columns a value has at least in a table.
const leastValue = 12

// differencesList writes differences one below the other.
func differencesList(b *strings.Builder, titles []string, rows []Difference, width int) {
	for _, r := range rows {
		fmt.Fprintln(b, strings.Join(Wrap(r.Name, width), "\n"))
		for i, v := range r.Values {
			fmt.Fprintf(b, "  %s\n", strings.Join(Wrap(titles[i]+": "+v, width-4), "\n    "))
		}
	}
}

// Beside sets two texts beside each other, line by line with gap between them, when
// all fit in so many columns. Colours take none.
func Beside(left, gap, right string, width int) (text string, ok bool) {
	l, r := strings.Split(strings.TrimRight(left, "\n"), "\n"), strings.Split(strings.TrimRight(right, "\n"), "\n")
	widest := func(lines []string) (n int) {
		for _, s := range lines {
			n = max(n, int(columns(withoutColour(s))))
		}
		return n
	}
	first := widest(l)
	if first+int(columns(gap))+widest(r) > width {
		return "", false
	}
	var b strings.Builder
	for i := range max(len(l), len(r)) {
		a := at(l, i)
		pad := strings.Repeat(" ", first-int(columns(withoutColour(a))))
		fmt.Fprintln(&b, strings.TrimRight(a+pad+gap+at(r, i), " "))
	}
	return b.String(), true
}

// withoutColour leaves out what sets colours.
func withoutColour(s string) string {
	for {
		before, rest, found := strings.Cut(s, "\x1b[")
		if !found {
			return s
		}
		_, after, _ := strings.Cut(rest, "m")
		s = before + after
	}
}
