package buf

import "sync"

// ManyViews is the capacity of the slices of AppendView that are shared.
const ManyViews = 1024

// fewViews is up to what capacity a slice of views is the owner's own.
const fewViews = 64

var manyViews = sync.Pool{New: func() any { return new([ManyViews]View) }}

// AppendView is append for a queue of views that is long only while data
// flows: a slice that grows past a few views is a shared one.
func AppendView(vs []View, v View) []View {
	if len(vs) == cap(vs) && cap(vs) >= fewViews && cap(vs) < ManyViews {
		grown := manyViews.Get().(*[ManyViews]View)[:len(vs)]
		copy(grown, vs)
		vs = grown
	}
	return append(vs, v)
}

// ResetViews returns an empty slice for an empty queue, and gives back memory
// that an idle one does not need.
func ResetViews(vs []View) []View {
	switch c := cap(vs); {
	case c == ManyViews:
		manyViews.Put((*[ManyViews]View)(vs[:ManyViews]))
		return nil
	case c > fewViews:
		return nil
	}
	return vs[:0]
}
