package story

import (
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Theme is the colours of a picture.
type Theme uint8

// The themes.
const (
	Auto  Theme = iota // light or dark as the reader's screen prefers
	Light              // ink on paper
	Dark
	Print // black on white; states are told apart without colours
	Bare  // none of its own: the page that holds it has Theme.CSS
)

// hue is a pair of colours that go together: of an area, and of the writing on it.
type hue struct{ area, ink string }

// palette is all colours of a picture. Areas are pale and inks are deep (in
// the dark the other way round): every ink has a contrast of at least 4.5 to 1
// with its own area and with the paper, as a test computes.
type palette struct {
	paper, ink, soft, hair                               string // background, text, minor text, fine lines
	closed, listen, opening, open, active, passive, wait hue
	syn, fin, rst, data, lost                            string
}

var light = palette{
	paper: "#fffefb", ink: "#23262d", soft: "#646a75", hair: "#c9ccd2",
	closed: hue{"#f3f3f1", "#646a75"}, listen: hue{"#e3eaf2", "#33506e"},
	opening: hue{"#fbe9c3", "#734d00"}, open: hue{"#d3ecd9", "#17552f"},
	active: hue{"#e8def5", "#553285"}, passive: hue{"#f9dde6", "#8a2450"}, wait: hue{"#d8ecf2", "#14566b"},
	syn: "#8f5f00", fin: "#6b3fa6", rst: "#b3261e", data: "#1d5fa8", lost: "#b3261e",
}

var dark = palette{
	paper: "#16181d", ink: "#e3e5e9", soft: "#989fab", hair: "#434852",
	closed: hue{"#22252b", "#989fab"}, listen: hue{"#243244", "#a9c6e6"},
	opening: hue{"#42350f", "#f2cd74"}, open: hue{"#173d26", "#93dba9"},
	active: hue{"#372853", "#cdb5f4"}, passive: hue{"#4b2034", "#f4aac6"}, wait: hue{"#12394a", "#8ed3e8"},
	syn: "#e6b450", fin: "#c0a2f2", rst: "#ff8a80", data: "#7fb4f0", lost: "#ff8a80",
}

// printed is for paper: greys for areas, which come out of any printer, and
// black writing. Kinds of arrow are told apart by their words, and by the
// strokes that printCSS adds.
var printed = palette{
	paper: "#ffffff", ink: "#000000", soft: "#444444", hair: "#999999",
	closed: hue{"#ffffff", "#444444"}, listen: hue{"#f4f4f4", "#000000"},
	opening: hue{"#e4e4e4", "#000000"}, open: hue{"#c4c4c4", "#000000"},
	active: hue{"#ececec", "#000000"}, passive: hue{"#ececec", "#000000"}, wait: hue{"#f7f7f7", "#000000"},
	syn: "#000000", fin: "#000000", rst: "#000000", data: "#000000", lost: "#000000",
}

// printCSS tells by strokes what colours tell elsewhere.
const printCSS = `.l-syn,.l-fin,.l-rst{stroke-width:1.9}
.opening{stroke-dasharray:5 3;stroke-opacity:1}
.active{stroke-dasharray:8 3;stroke-opacity:1}
.passive{stroke-dasharray:8 3 2 3;stroke-opacity:1}
.wait{stroke-dasharray:2 3;stroke-opacity:1}
.open,.listen{stroke-opacity:1}
`

// Families returns the names of the colours that states have, by the states' names: a chip
// of class "chip-" and the name has them.
func Families() map[string]string {
	all := map[string]string{}
	for s := range tcp.State(tcp.NumStates) {
		all[s.String()] = family(s)
	}
	return all
}

// family is the name of the colours that a state has.
func family(s tcp.State) string {
	switch s {
	case tcp.Closed:
		return "closed"
	case tcp.Listen:
		return "listen"
	case tcp.SynSent, tcp.SynReceived:
		return "opening"
	case tcp.Established:
		return "open"
	case tcp.CloseWait, tcp.LastAck:
		return "passive"
	case tcp.TimeWait:
		return "wait"
	}
	return "active"
}

func (p *palette) families() map[string]hue {
	return map[string]hue{"closed": p.closed, "listen": p.listen, "opening": p.opening, "open": p.open,
		"active": p.active, "passive": p.passive, "wait": p.wait}
}

const (
	sansFonts = `"Source Sans 3","Inter","Segoe UI","Helvetica Neue",Arial,"Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif`
	monoFonts = `"JetBrains Mono","SF Mono",Menlo,Consolas,"DejaVu Sans Mono","Noto Sans Mono",monospace`
)

// fixedCSS is what both themes share.
const fixedCSS = `text{font-family:` + sansFonts + `}
.mono{font-family:` + monoFonts + `}
.strong{font-weight:600}
.note{font-style:italic}
.wire,.edge,.lit,.mark,.cut{fill:none;stroke-linecap:round;stroke-linejoin:round}
.wire{stroke-width:1.3}
.again{stroke-dasharray:7 4}
.hollow{stroke-width:1.3;stroke-linejoin:round}
.bundle{opacity:.13}
.ghost{stroke-dasharray:1.5 4;opacity:.55}
.mark{stroke-width:1.4}
.edge{stroke-width:1.2}
.lit{stroke-width:3}
.second{stroke-dasharray:8 5}
.dashed{stroke-dasharray:3 3}
.frame{fill:none;stroke-dasharray:2 4}
`

// css returns the rules that give the classes their colours.
func (p *palette) css() string {
	var b strings.Builder
	rule := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	rule(".paper{fill:%s} text,.ink{fill:%s} .soft{fill:%s} .hair,.cut{stroke:%s} .edge{stroke:%s} .spot{fill:%s}",
		p.paper, p.ink, p.soft, p.hair, p.soft, p.soft)
	rule(".frame{stroke:%s} text.inverse{fill:%s} .hollow{fill:%s}", p.soft, p.paper, p.paper)
	rule(".halo{stroke:%s;stroke-width:4;paint-order:stroke;stroke-linejoin:round} .cut{fill:%s} .mark{stroke:%s;fill:%s}",
		p.paper, p.paper, p.ink, p.paper)
	for _, name := range []string{"closed", "listen", "opening", "open", "active", "passive", "wait"} {
		h := p.families()[name]
		rule(".%s{fill:%s;stroke:%s;stroke-opacity:.35} .on-%s{fill:%s}", name, h.area, h.ink, name, h.ink)
	}
	for _, c := range []struct{ name, color string }{
		{"syn", p.syn}, {"fin", p.fin}, {"rst", p.rst}, {"data", p.data}, {"ack", p.soft}, {"bad", p.lost}, {"one", p.data}, {"two", p.rst}} {
		rule(".l-%s{stroke:%s} .t-%s{fill:%s}", c.name, c.color, c.name, c.color)
	}
	return b.String()
}

// style returns the style element of a picture. In the CSS of both at once
// the light colours come first, for programs that know no media query.
func (t Theme) style() string {
	colours := light.css()
	switch t {
	case Dark:
		colours = dark.css()
	case Print:
		colours = printed.css() + printCSS
	case Bare:
		return ""
	case Auto:
		colours += "@media (prefers-color-scheme:dark){\n" + dark.css() + "}\n"
	}
	return "<style>\n" + fixedCSS + colours + "</style>"
}

// picture returns the whole SVG document.
func (c *canvas) picture(width, height float64, t Theme, title, description string) string {
	return c.frame(width, height, title, description, t.style())
}

// frame returns the SVG element with what has been drawn.
func (c *canvas) frame(width, height float64, title, description, style string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img">
<title>%s</title>
<desc>%s</desc>
%s
<rect class="paper" width="100%%" height="100%%"/>
%s</svg>
`, num(width), num(height), num(width), num(height), xmlEscaper.Replace(title), xmlEscaper.Replace(description), style, c.body.String())
}
