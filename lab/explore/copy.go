package explore

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// A copier copies a value with all that it points at, unexported fields too: two copies
// of an endpoint then go on by themselves. It follows the types, so a field that the
// engine gets tomorrow is copied without a line here. For each type it makes a plan
// once, of the places where pointers are; all other bytes move together.
//
// What it shares: strings, functions, and the bytes of the blocks in shared, which
// nobody writes to. A pointer into the middle of a value stays one, as long as the value
// itself was met before; anything else, and a channel, is a fault of the caller and
// panics.
type copier struct {
	plans  map[reflect.Type]*copyPlan
	shared []*buf.Block
	done   []copied // of the copy under way
}

// copied is a piece of memory, and its copy.
type copied struct {
	from, end uintptr
	to        unsafe.Pointer
	plan      *copyPlan // whose spare it can be; nil: nobody's
}

// copyPlan says what must be done after the bytes of a value were moved.
type copyPlan struct {
	typ      reflect.Type
	size     uintptr
	pointers []pointerAt
	others   []otherAt
	// spare are values that are no longer used. Most copies are of states that were seen
	// before, and gone a moment later.
	spare    []unsafe.Pointer
	external bool // pools outside get hold of such values: see recycle
	value    any  // nil of a pointer to typ: see at
}

// pointerAt is where a pointer is, and what it points at; or so many in a row, as in
// arrays, which are mostly nil.
type pointerAt struct {
	at   uintptr
	n    int
	elem *copyPlan
}

func (f *pointerAt) end() uintptr { return f.at + uintptr(f.n)*unsafe.Sizeof(f.at) }

// otherAt is where a slice, a map or an interface is.
type otherAt struct {
	at  uintptr
	fix fixer
}

type fixer func(c *copier, to, from unsafe.Pointer)

func newCopier(shared ...*buf.Block) *copier {
	return &copier{plans: map[reflect.Type]*copyPlan{}, shared: shared}
}

// copyOf returns a copy of *p, and appends to made what recycle needs.
func copyOf[T any](c *copier, p *T, made []copied) (*T, []copied) {
	c.done = c.done[:0]
	q := (*T)(c.target(c.plan(reflect.TypeFor[T]()), unsafe.Pointer(p)))
	return q, append(made, c.done...)
}

// recycle takes back a copy that nobody uses any more.
func (c *copier) recycle(made []copied) {
	for i := range made {
		if pl := made[i].plan; pl != nil {
			pl.spare = append(pl.spare, made[i].to)
		}
	}
}

// target returns where the copy of what p points at is, and makes it if there is none.
func (c *copier) target(pl *copyPlan, p unsafe.Pointer) unsafe.Pointer {
	at := uintptr(p)
	if to, ok := c.find(at, pl.size); ok {
		return to
	}
	if pl.size == 0 {
		return p
	}
	to := pl.get()
	owner := pl
	if pl.external {
		owner = nil
	}
	c.done = append(c.done, copied{at, at + pl.size, to, owner})
	pl.move(to, p)
	pl.fix(c, to, p)
	return to
}

func (pl *copyPlan) get() unsafe.Pointer {
	if n := len(pl.spare); n > 0 {
		p := pl.spare[n-1]
		pl.spare = pl.spare[:n-1]
		return p
	}
	return reflect.New(pl.typ).UnsafePointer()
}

func (pl *copyPlan) flat() bool { return pl.pointers == nil && pl.others == nil }

// move moves the bytes of a value.
func (pl *copyPlan) move(to, from unsafe.Pointer) {
	if pl.flat() {
		copy(unsafe.Slice((*byte)(to), pl.size), unsafe.Slice((*byte)(from), pl.size))
		return
	}
	// By reflect, which tells the garbage collector of the pointers.
	pl.at(to).Set(pl.at(from))
}

// at returns the value at p. reflect.NewAt does the same, but asks a table of all types
// each time. The second word of every interface is the pointer.
func (pl *copyPlan) at(p unsafe.Pointer) reflect.Value {
	v := pl.value
	*(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(&v), unsafe.Sizeof(uintptr(0)))) = p
	return reflect.ValueOf(v).Elem()
}

// fix has a copy point at copies.
func (pl *copyPlan) fix(c *copier, to, from unsafe.Pointer) {
	for i := range pl.pointers {
		f := &pl.pointers[i]
		for j, p := range unsafe.Slice((*unsafe.Pointer)(unsafe.Add(from, f.at)), f.n) {
			if p != nil {
				*(*unsafe.Pointer)(unsafe.Add(to, f.at+uintptr(j)*unsafe.Sizeof(p))) = c.target(f.elem, p)
			}
		}
	}
	for i := range pl.others {
		f := &pl.others[i]
		f.fix(c, unsafe.Add(to, f.at), unsafe.Add(from, f.at))
	}
}

// find returns where the copy of so many bytes is, if they were copied.
func (c *copier) find(at, size uintptr) (unsafe.Pointer, bool) {
	for i := range c.done {
		if d := &c.done[i]; d.from < at+size && at < d.end {
			if at < d.from || at+size > d.end {
				panic("explore: a pointer into a value was met before the value")
			}
			return unsafe.Add(d.to, at-d.from), true
		}
	}
	return nil, false
}

func (c *copier) plan(t reflect.Type) *copyPlan {
	pl := c.plans[t]
	if pl == nil {
		pl = &copyPlan{typ: t, size: t.Size(), external: t == reflect.TypeFor[buf.Block](),
			value: reflect.Zero(reflect.PointerTo(t)).Interface()}
		c.plans[t] = pl // before what it points at: types may contain themselves
		c.survey(pl, t, 0)
	}
	return pl
}

// survey adds to a plan what a value of type t at some place needs.
func (c *copier) survey(pl *copyPlan, t reflect.Type, at uintptr) {
	switch t.Kind() {
	case reflect.Chan, reflect.UnsafePointer:
		panic(fmt.Sprintf("explore: cannot copy a %v", t))
	case reflect.Pointer:
		elem := c.plan(t.Elem())
		if n := len(pl.pointers); n > 0 && pl.pointers[n-1].elem == elem && pl.pointers[n-1].end() == at {
			pl.pointers[n-1].n++
			return
		}
		pl.pointers = append(pl.pointers, pointerAt{at, 1, elem})
	case reflect.Slice:
		pl.others = append(pl.others, otherAt{at, c.fixSlice(t)})
	case reflect.Map:
		pl.others = append(pl.others, otherAt{at, c.fixMap(t)})
	case reflect.Interface:
		pl.others = append(pl.others, otherAt{at, fixInterface(t)})
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			c.survey(pl, f.Type, at+f.Offset)
		}
	case reflect.Array:
		for i := range uintptr(t.Len()) {
			if c.survey(pl, t.Elem(), at+i*t.Elem().Size()); pl.flat() {
				break // there is nothing in the others either
			}
		}
	}
}

// sliceHeader is a slice as it lies in memory.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

func (c *copier) fixSlice(t reflect.Type) fixer {
	elem := c.plan(t.Elem())
	return func(c *copier, to, from unsafe.Pointer) {
		s := (*sliceHeader)(from)
		size := elem.size * uintptr(s.cap)
		if s.cap == 0 || c.isShared(s.data) {
			return
		}
		first := uintptr(s.data)
		if within, ok := c.find(first, size); ok { // of an array in a value that was met
			*(*unsafe.Pointer)(to) = within
			return
		}
		data := reflect.MakeSlice(t, s.cap, s.cap).UnsafePointer()
		c.done = append(c.done, copied{first, first + size, data, nil}) // no spare: pools outside get hold of some
		*(*unsafe.Pointer)(to) = data
		if elem.flat() {
			copy(unsafe.Slice((*byte)(data), size), unsafe.Slice((*byte)(s.data), size))
			return
		}
		for i := range uintptr(s.cap) {
			elem.move(unsafe.Add(data, i*elem.size), unsafe.Add(s.data, i*elem.size))
			elem.fix(c, unsafe.Add(data, i*elem.size), unsafe.Add(s.data, i*elem.size))
		}
	}
}

// isShared reports whether a slice begins where the bytes that all copies share do.
func (c *copier) isShared(first unsafe.Pointer) bool {
	for _, b := range c.shared {
		if first == unsafe.Pointer(unsafe.SliceData(b.Bytes())) {
			return true
		}
	}
	return false
}

func (c *copier) fixMap(t reflect.Type) fixer {
	if !c.plan(t.Key()).flat() {
		panic(fmt.Sprintf("explore: cannot copy a %v: its keys have pointers", t))
	}
	elem := c.plan(t.Elem())
	return func(c *copier, to, from unsafe.Pointer) {
		m := reflect.NewAt(t, from).Elem()
		if m.IsNil() {
			return
		}
		all := reflect.MakeMapWithSize(t, m.Len())
		for it := m.MapRange(); it.Next(); {
			old, v := reflect.New(t.Elem()), reflect.New(t.Elem())
			old.Elem().Set(it.Value())
			v.Elem().Set(it.Value())
			elem.fix(c, v.UnsafePointer(), old.UnsafePointer())
			all.SetMapIndex(it.Key(), v.Elem())
		}
		reflect.NewAt(t, to).Elem().Set(all)
	}
}

// fixInterface copies what an interface points at. A value that is no pointer lies in
// memory that nobody writes to, and is shared.
func fixInterface(t reflect.Type) fixer {
	return func(c *copier, to, from unsafe.Pointer) {
		v := reflect.NewAt(t, from).Elem().Elem()
		if !v.IsValid() || v.Kind() != reflect.Pointer || v.IsNil() {
			return
		}
		// The second word of every interface is the pointer.
		data := unsafe.Add(to, unsafe.Sizeof(uintptr(0)))
		*(*unsafe.Pointer)(data) = c.target(c.plan(v.Type().Elem()), v.UnsafePointer())
	}
}
