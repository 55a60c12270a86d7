package capture

// list holds connections in the order of their last segments.
type list struct{ oldest, newest *Conn }

// renew makes c the newest of the list, out of whichever it was in.
func (l *list) renew(c *Conn) {
	if c.in == l && l.newest == c {
		return
	}
	c.in.remove(c)
	c.in, c.older = l, l.newest
	if l.newest != nil {
		l.newest.newer = c
	} else {
		l.oldest = c
	}
	l.newest = c
}

func (l *list) remove(c *Conn) {
	if l == nil {
		return
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		l.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		l.newest = c.older
	}
	c.in, c.older, c.newer = nil, nil, nil
}
