package explore

// table holds the states that were seen: their fingerprints, and for each its number.
// It is a hash table with open addressing, since millions of them would take four times
// as much in a map.
type table struct {
	slots []slot
	n     int
}

type slot struct {
	print  uint64
	number uint32 // counted from 1; 0: free
}

// number returns the number of a fingerprint, and whether it is new.
func (t *table) number(print uint64) (n uint32, isNew bool) {
	if 4*(t.n+1) > 3*len(t.slots) {
		t.grow()
	}
	s := t.find(print)
	if s.number != 0 {
		return s.number, false
	}
	t.n++
	*s = slot{print, uint32(t.n)}
	return s.number, true
}

func (t *table) find(print uint64) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := print & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.number == 0 || s.print == print {
			return s
		}
	}
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, max(1<<12, 2*len(old)))
	for _, s := range old {
		if s.number != 0 {
			*t.find(s.print) = s
		}
	}
}
