package story

import "strings"

// Reel is a run as a program steps through it: a picture in parts, and what there is to see
// from moment to moment. A Page is made of it, and so is the playground.
type Reel struct {
	// Picture is an SVG element without colours, which are in Theme.CSS. What belongs to a
	// step stands in groups whose data-i is Frame.Step; other groups have in data-y how far
	// down they are; class "clip" is the clip of the lanes, class "faint" what is below it.
	Picture string  `json:"picture"`
	Frames  []Frame `json:"frames"`
	Ends    []End   `json:"ends"`
	// Limit is how many half-open connections are kept at most; 0: nobody floods.
	Limit int `json:"limit,omitempty"`
	// Legend says what the flags mean, in lines.
	Legend []string `json:"legend"`
	// Family is what Families gives.
	Family map[string]string `json:"family"`
}

// End is an end whose states are told.
type End struct {
	Name string `json:"name"`
	Lane int    `json:"lane"`
}

// Reel returns the run in parts.
func (r *PageRun) Reel(l Lang) Reel { return r.reel(l, "run") }

// reel draws the run; the names of the picture's elements begin with id. Its sentences are in
// the frames, not below the picture.
func (r *PageRun) reel(l Lang, id string) Reel {
	bare := make([]Step, len(r.Steps))
	for i := range r.Steps {
		bare[i] = r.Steps[i]
		bare[i].Why = ""
	}
	d := Picture{Lanes: r.Lanes, Lang: l, parts: id}.draw(bare)
	flags, stamps := flagItems(r.Steps, l, false) // its other signs have their key in the picture
	out := Reel{Picture: d.frame(d.width, d.height, r.Title, r.Summary, ""), Frames: d.frames(r.Steps),
		Legend: wrapItems(append(flags, stamps...), 200), Family: Families()}
	for i := range d.Lanes {
		if !d.Lanes[i].Plain {
			out.Ends = append(out.Ends, End{d.nameOf(Lane(i)), i})
		}
	}
	for i := range r.Steps {
		out.Limit = max(out.Limit, r.Steps[i].Limit)
	}
	return out
}

// reelCSS is how a picture in parts shows the past and the present.
const reelCSS = `.chip{display:inline-block;border-radius:.3rem;padding:0 .5rem;font-size:.85rem;font-weight:600;margin-right:.2rem}
.later{opacity:.13} .flying .wire{stroke-dasharray:2 5} .here .wire{stroke-width:3} .here text{font-weight:600} .faint{opacity:.13}
`

// reelColours are the colours of pictures and of chips.
func (p *palette) reelColours() string {
	var b strings.Builder
	b.WriteString(p.css())
	for _, f := range []string{"closed", "listen", "opening", "open", "active", "passive", "wait"} {
		h := p.families()[f]
		b.WriteString(".chip-" + f + "{background:" + h.area + ";color:" + h.ink + "}\n")
	}
	return b.String()
}

// CSS is the style sheet of pictures that have no colours of their own: of a Reel, and
// of a Diagram whose theme is Bare. Auto and Bare are light.
func (t Theme) CSS() string {
	switch t {
	case Dark:
		return fixedCSS + reelCSS + dark.reelColours()
	case Print:
		return fixedCSS + reelCSS + printed.reelColours() + printCSS
	}
	return fixedCSS + reelCSS + light.reelColours()
}
