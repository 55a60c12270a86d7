package tcp

// ring is a queue, with a limit if that is not 0: a power of two, at least 8. It is an
// array that is used again, so that a queue which fills and empties for every packet
// allocates nothing.
type ring[T any] struct {
	items []T
	head  int
	n     int
	limit int
}

func (r *ring[T]) len() int { return r.n }

// push appends v; false when the queue is full.
func (r *ring[T]) push(v T) bool {
	p := r.extend()
	if p != nil {
		*p = v
	}
	return p != nil
}

// extend appends an item, whatever it held before, and returns it; nil when the
// queue is full.
func (r *ring[T]) extend() *T {
	if r.n == len(r.items) && !r.grow() {
		return nil
	}
	r.n++
	return &r.items[(r.head+r.n-1)&(len(r.items)-1)]
}

// front returns the first item; nil when there is none.
func (r *ring[T]) front() *T {
	if r.n == 0 {
		return nil
	}
	return &r.items[r.head]
}

// drop takes the first item out.
func (r *ring[T]) drop() {
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.n--
	// What a flood has made long gives its memory back. A short one keeps it, or it
	// would be made again for every burst.
	if r.n == 0 && len(r.items) > 1024 {
		r.items, r.head = nil, 0
	}
}

// grow makes room for more, and returns false when there are as many as may be.
func (r *ring[T]) grow() bool {
	if r.limit > 0 && r.n >= r.limit {
		return false
	}
	items := make([]T, max(8, 2*len(r.items)))
	for i := range r.n {
		items[i] = r.items[(r.head+i)%len(r.items)]
	}
	r.items, r.head = items, 0
	return true
}

// pop takes the first item out and returns it.
func (r *ring[T]) pop() (v T, ok bool) {
	p := r.front()
	if p == nil {
		return v, false
	}
	v, *p = *p, v // nothing stays behind that would keep memory
	r.drop()
	return v, true
}

// tooLong reports whether most of the queue may be items that do not count any
// more, when live is how many can count: it is time to sweep.
func (r *ring[T]) tooLong(live int) bool { return r.n >= 2*live+64 }

// sweep drops the items that do not count.
func (r *ring[T]) sweep(counts func(*T) bool) {
	for range r.n {
		if v, _ := r.pop(); counts(&v) {
			r.push(v)
		}
	}
}

// entryQueue is a queue of entries, linked through themselves: it can hold all there
// are without asking for memory, and cannot be full.
type entryQueue struct{ first, last *Entry }

func (q *entryQueue) push(en *Entry) {
	if q.first == nil {
		q.first = en
	} else {
		q.last.next = en
	}
	q.last = en
}

func (q *entryQueue) pop() {
	en := q.first
	q.first, en.next = en.next, nil
	if q.first == nil {
		q.last = nil
	}
}

// rotate moves the first to the end.
func (q *entryQueue) rotate() {
	en := q.first
	q.pop()
	q.push(en)
}
