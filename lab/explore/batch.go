package explore

import (
	"slices"

	"github.com/handfast-tcp/handfast/lab/oracle"
)

// batch is what has come to an end together: what that has to send is not taken meanwhile.
// While it is open, nothing else happens.
type batch struct {
	open bool
	at   int // the end
	// print stands for the fingerprint. What waits to be sent is in none, but follows from
	// the world in which the batch began, and from what came since.
	print uint64
	steps []oracle.Step // its segments, but for the last one
}

// mayHold reports whether what comes behind a packet may be in one batch with it, as far
// as that is known before it has arrived.
func (w *world) mayHold(r *Rung, k *packet) bool {
	n := 0
	for i := range w.wire {
		if w.wire[i].to == k.to {
			n++
		}
	}
	return n > 1 || !r.Prompt && w.ends[k.to].at < len(r.Scripts[k.to])
}

// goesOn returns what may be the next of a batch at an end: a packet, or a call of the
// program. One that is prompt has called before the batch, and calls again behind it.
func (w *world) goesOn(r *Rung, i int) act {
	for at := range w.wire {
		if w.wire[at].to == i {
			return act{kind: deliver, at: uint8(at)}
		}
	}
	if _, ready := w.pending(r, i); ready && !r.Prompt {
		return act{kind: call, at: uint8(i)}
	}
	return act{}
}

// choicesInBatch adds all that can be the next of an open batch.
func (w *world) choicesInBatch(r *Rung, add func(act)) {
	passed := 0
	for i := range w.wire {
		if w.wire[i].to != w.batch.at {
			continue
		}
		if passed++; passed <= r.Reorder {
			w.arrivals(r, uint8(i), add)
		}
	}
	if _, ready := w.pending(r, w.batch.at); ready && !r.Prompt {
		add(act{kind: call, at: uint8(w.batch.at)})
	}
}

// holdsBack opens the batch of a, a packet for an end which has just arrived there, if
// something can follow.
func (w *world) holdsBack(r *Rung, a act, to int) {
	if (a.kind == together || a.kind == twice) && w.goesOn(r, to).kind != nothing {
		w.left.Together--
		w.batch.open, w.batch.at = true, to
	}
}

// judge holds a segment that has arrived against RFC 9293. Which segment of a batch caused
// what is not known: each answer must be one that some of them may have.
func (w *world) judge(x *explorer, k *oracle.Step) error {
	b := &w.batch
	if b.open || len(b.steps) > 0 {
		k.Unheard, k.Replies = true, nil
	}
	if err := x.report.Relation.Check(k); err != nil {
		return err
	}
	all := append(slices.Clip(b.steps), *k)
	if b.open {
		b.steps = all
		return nil
	}
	w.batch = batch{}
	if len(all) == 1 {
		return nil
	}
	return oracle.CheckBatch(all, x.replies)
}
