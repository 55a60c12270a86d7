package story

import (
	"math"
	"strconv"
	"time"
)

// axis turns values into places of a picture.
type axis struct {
	least, most float64
	from, to    float64 // where these are drawn
}

func (a *axis) at(v float64) float64 {
	return a.from + (v-a.least)/(a.most-a.least)*(a.to-a.from)
}

// axisTick is a round value and its name.
type axisTick struct {
	value float64
	name  string
}

// unitName is a unit of an axis, and how many of the axis's own it has.
type unitName struct {
	name string
	size float64
}

var (
	byteUnits = []unitName{{"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}}
	timeUnits = []unitName{{"ns", 1}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 24 * 3600e9}}
)

// ticks returns some ticks of an axis at round values, at most so many, in the largest
// unit that the axis has one of. Minutes and hours go by steps that a clock has.
func (a *axis) ticks(most int, units []unitName) (all []axisTick) {
	u := units[0]
	for _, larger := range units {
		if a.most-a.least >= larger.size {
			u = larger
		}
	}
	step := roundStep((a.most-a.least)/u.size/float64(most), u.name == "min" || u.name == "s")
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	for i := math.Ceil(a.least / u.size / step); i*step*u.size <= a.most*(1+1e-9); i++ {
		v := i * step
		all = append(all, axisTick{v * u.size, strconv.FormatFloat(v, 'f', digits, 64) + "\u00a0" + u.name})
	}
	return all
}

// roundStep returns the smallest round number that is no smaller than v: 1, 2 or 5 and
// noughts, or of a clock's sixty 15 and 30, too.
func roundStep(v float64, clock bool) float64 {
	if clock && v > 10 && v <= 30 {
		return map[bool]float64{true: 15, false: 30}[v <= 15]
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// timeAxisOf is one from 0 to a time, in nanoseconds.
func timeAxisOf(lasts time.Duration, from, to float64) axis {
	return axis{most: max(1.02*float64(lasts), 1000), from: from, to: to}
}
