package story

import (
	"math"
	"strconv"
	"testing"
)

// Whoever sees badly can read the pictures: WCAG asks for 4.5 to 1.
func TestContrast(t *testing.T) {
	for name, p := range map[string]*palette{"light": &light, "dark": &dark, "print": &printed} {
		check := func(what, ink, area string) {
			if c := contrast(t, ink, area); c < 4.5 {
				t.Errorf("%s: %s, %s on %s: %.2f to 1", name, what, ink, area, c)
			}
		}
		for family, h := range p.families() {
			check(family, h.ink, h.area)
			check(family+" on paper", h.ink, p.paper)
		}
		for _, ink := range []string{p.ink, p.soft, p.syn, p.fin, p.rst, p.data, p.lost} {
			check("text", ink, p.paper)
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is that of sRGB, as WCAG 2 defines it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	v, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift int) float64 {
		c := float64(v>>shift&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
