package buf

import "sync"

// Slices of views come in two sizes, which all queues share: an idle queue
// holds none.
const (
	fewViews  = 4
	manyViews = 1024
)

var (
	fewPool  = sync.Pool{New: func() any { return new([fewViews]View) }}
	manyPool = sync.Pool{New: func() any { return new([manyViews]View) }}
)

// AppendView is append for the views of a queue, which FreeViews gives back.
func AppendView(vs []View, v View) []View {
	switch {
	case vs == nil:
		vs = fewPool.Get().(*[fewViews]View)[:0]
	case len(vs) == fewViews && cap(vs) == fewViews:
		many := manyPool.Get().(*[manyViews]View)[:len(vs)]
		copy(many, vs)
		FreeViews(vs)
		vs = many
	}
	return append(vs, v)
}

// FreeViews gives back the slice of an empty queue. It must not be used again.
func FreeViews(vs []View) {
	switch cap(vs) {
	case fewViews:
		few := (*[fewViews]View)(vs[:fewViews])
		*few = [fewViews]View{}
		fewPool.Put(few)
	case manyViews:
		manyPool.Put((*[manyViews]View)(vs[:manyViews]))
	}
}
