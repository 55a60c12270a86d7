package recovery

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// Check returns what is wrong with the ledger of a connection whose SND.UNA and
// SND.NXT are as given, nil when nothing is. It is for tests and audits.
func (l *Ledger) Check(una, nxt seq.Num) error {
	// The sums are kept as segments come and go, because Pipe is asked for each of them; here
	// they are counted again, by the runs alone.
	next, sum := una, Ledger{}
	for i, r := range l.Runs() {
		if r.Start != next || !r.Start.Less(r.End) {
			return fmt.Errorf("run %d [%d,%d) does not follow %d", i, r.Start.Diff(una), r.End.Diff(una), next.Diff(una))
		}
		if r.is(Sacked) && r.is(Lost) {
			return fmt.Errorf("run %d is held and lost", i)
		}
		next = r.End
		sum.out += r.size()
		if r.is(Sacked) {
			sum.sacked += r.size()
		}
		if r.is(Lost) {
			sum.lost += r.size()
		}
		if r.is(Sacked | Withdrawn) {
			sum.early += r.size()
		}
	}
	switch {
	case next != nxt:
		return fmt.Errorf("the ledger ends %d before SND.NXT", nxt.Diff(next))
	case sum.out != l.out || sum.sacked != l.sacked || sum.lost != l.lost || sum.early != l.early:
		return fmt.Errorf("%d out, %d held, %d lost, %d early: counted %d, %d, %d, %d", sum.out, sum.sacked, sum.lost, sum.early, l.out, l.sacked, l.lost, l.early)
	case l.left < 0 || l.out-l.sacked-l.lost-l.left != l.Pipe():
		return fmt.Errorf("%d in flight of %d out, %d held, %d lost, %d arrived", l.Pipe(), l.out, l.sacked, l.lost, l.left)
	case l.high.Less(una) || nxt.Less(l.high) || l.resentEnd.Less(una) || nxt.Less(l.resentEnd):
		return fmt.Errorf("the highest that arrived is %d, that was sent again %d, of %d", l.high.Diff(una), l.resentEnd.Diff(una), nxt.Diff(una))
	}
	return nil
}
