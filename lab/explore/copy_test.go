package explore

import (
	"reflect"
	"testing"
)

type node struct {
	name  string
	n     int
	next  *node
	inner part
	at    *part
	list  []part
	byKey map[int]*node
	any   any
	arr   [2]*node
}

type part struct {
	v int
	p *int
}

// A copy has the same shape as what it was made of, cycles and pointers into the
// middle included, and shares nothing that can be written.
func TestCopy(t *testing.T) {
	seven := 7
	a := &node{name: "a", n: 1, inner: part{v: 2, p: &seven}, list: []part{{v: 3, p: &seven}}}
	b := &node{name: "b", next: a, any: a}
	a.next, a.at, a.byKey, a.arr = b, &a.inner, map[int]*node{5: b}, [2]*node{nil, b}
	a.any = 42

	c := newCopier()
	d, _ := copyOf(c, a, nil)
	if !reflect.DeepEqual(a, d) {
		t.Fatalf("%+v, want %+v", d, a)
	}
	switch {
	case d == a, d.next == b, d.next.next != d, d.at != &d.inner, d.byKey[5] != d.next, d.arr[1] != d.next, d.next.any != any(d), d.inner.p == &seven, d.list[0].p != d.inner.p:
		t.Fatalf("the copy has another shape: %+v", d)
	}
	*d.inner.p, d.list[0].v, d.byKey[6] = 8, 9, nil
	if seven != 7 || a.list[0].v != 3 || len(a.byKey) != 1 {
		t.Error("the copy and what it was made of share memory")
	}
}

// What cannot be copied is refused.
func TestCopyRefuses(t *testing.T) {
	refused := func(name string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		f()
	}
	c := newCopier()
	refused("channel", func() { copyOf(c, &struct{ c chan int }{make(chan int)}, nil) })
	refused("pointer into a value that comes later", func() {
		v := &struct {
			p *int
			q *part
		}{q: &part{}}
		v.p = &v.q.v
		copyOf(c, v, nil)
	})
}
