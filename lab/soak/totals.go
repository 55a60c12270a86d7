package soak

import "time"

// Totals is what many lives came to.
type Totals struct {
	Lives, Conns, Polite, Failures int
	Related                        int // lives that were played twice: see Relation
	Packets, Bytes                 int64
	Life                           time.Duration
	Coverage                       Coverage
}

// Add adds a life.
func (t *Totals) Add(r *Report) {
	t.Lives++
	t.Conns, t.Polite, t.Failures = t.Conns+r.Conns, t.Polite+r.Polite, t.Failures+r.Failures
	t.Packets, t.Bytes = t.Packets+int64(r.Packets), t.Bytes+int64(r.Bytes)
	t.Life += r.Life
	if r.Relation != "" {
		t.Related++
	}
	t.Coverage.Add(r.Coverage)
}
