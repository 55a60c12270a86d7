package tcp

// ring is a queue, with a limit if that is not 0.
type ring[T any] struct {
	items []T
	head  int
	n     int
	limit int
}

func (r *ring[T]) len() int { return r.n }

// push appends v; false when the queue is full.
func (r *ring[T]) push(v T) bool {
	if r.limit > 0 && r.n >= r.limit {
		return false
	}
	if r.n == len(r.items) {
		r.grow()
	}
	r.items[(r.head+r.n)%len(r.items)] = v
	r.n++
	return true
}

func (r *ring[T]) grow() {
	items := make([]T, max(8, 2*len(r.items)))
	for i := range r.n {
		items[i] = r.items[(r.head+i)%len(r.items)]
	}
	r.items, r.head = items, 0
}

// pop takes the first item out.
func (r *ring[T]) pop() (v T, ok bool) {
	if r.n == 0 {
		return v, false
	}
	var zero T
	v, r.items[r.head] = r.items[r.head], zero
	r.head = (r.head + 1) % len(r.items)
	r.n--
	if r.n == 0 && len(r.items) > 1024 {
		r.items, r.head = nil, 0
	}
	return v, true
}

// entryQueue is a queue of entries, linked through themselves.
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
