package web

// message is one thing that viewers are told.
type message struct {
	name string // of the event
	data []byte
}

// ring keeps the last messages. Each has a number, from 0.
type ring struct {
	kept []message
	next uint64 // the number of the next one
	size int
}

func newRing(size int) ring { return ring{size: size} }

func (r *ring) add(m message) {
	if len(r.kept) < r.size {
		r.kept = append(r.kept, m)
	} else {
		r.kept[r.next%uint64(r.size)] = m
	}
	r.next++
}

// since returns the messages from a number on, and how many of them are no longer kept.
// What somebody asks for who knows of more than there is begins at the beginning.
func (r *ring) since(from uint64) (all []message, skipped uint64) {
	first := r.next - uint64(len(r.kept))
	if from > r.next {
		from = 0
	}
	if from < first {
		from, skipped = first, first-from
	}
	for ; from < r.next; from++ {
		all = append(all, r.kept[from%uint64(r.size)])
	}
	return all, skipped
}
