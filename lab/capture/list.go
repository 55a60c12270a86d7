package capture

import "github.com/handfast-tcp/handfast/engine/wire"

// entry is a connection in the table and in a list: a whole one, or of which only a SYN
// has come.
type entry struct {
	hash uint64 // of key
	next *entry // in its bucket
	key  wire.Tuple
	conn *Conn // nil: lone has it
	lone *lone

	in           *list
	older, newer *entry
}

// list holds connections in the order of their last segments.
type list struct{ oldest, newest *entry }

// renew makes e the newest of the list, out of whichever it was in.
func (l *list) renew(e *entry) {
	if e.in == l && l.newest == e {
		return
	}
	e.in.remove(e)
	e.in, e.older = l, l.newest
	if l.newest != nil {
		l.newest.newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
}

func (l *list) remove(e *entry) {
	if l == nil {
		return
	}
	l.join(e.older, e.newer)
	e.in, e.older, e.newer = nil, nil, nil
}

// replace has e take the place of another one.
func (l *list) replace(old, e *entry) {
	e.in, e.older, e.newer = l, old.older, old.newer
	l.join(e.older, e)
	l.join(e, e.newer)
	old.in, old.older, old.newer = nil, nil, nil
}

// join makes two neighbours; nil is the list's end.
func (l *list) join(older, newer *entry) {
	if older != nil {
		older.newer = newer
	} else {
		l.oldest = newer
	}
	if newer != nil {
		newer.older = older
	} else {
		l.newest = older
	}
}
