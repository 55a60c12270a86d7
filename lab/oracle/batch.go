package oracle

import "slices"

// CheckBatch returns what is wrong with the answers to segments of one connection that came
// together. Which of them caused which is not known, nor does each have one of its own; but
// each answer must be one that RFC 9293 §3.10.7 lets some of them have, and acknowledge what
// had come at some time.
func CheckBatch(steps []Step, replies []Segment) error {
	for i := range replies {
		if p := &replies[i]; p.has(flagACK) && !p.has(flagRST) && !slices.ContainsFunc(steps, func(k Step) bool { return k.hadCome(p.Ack) }) {
			return fault("R5", "RFC 9293 §3.10.7.4", "a reply to %d segments that came together acknowledges %d: %v", len(steps), p.Ack, p)
		}
		if !slices.ContainsFunc(steps, func(k Step) bool { return k.mayHave(replies[i]) }) {
			last := &steps[len(steps)-1]
			return fault("O2", "RFC 9293 §3.10.7", "none of %d segments that came together, the last %v in %v, may be answered by %v",
				len(steps), &last.Segment, last.Before.State, &replies[i])
		}
	}
	return nil
}

// hadCome reports whether RCV.NXT was ack before a step or behind it, or is not known.
func (k Step) hadCome(ack uint32) bool {
	return k.After.State < SynReceived || ack == k.Before.RcvNext || ack == k.After.RcvNext
}

// mayHave reports whether some outcome of the row that a step belongs to has a reply p.
func (k Step) mayHave(p Segment) bool {
	k.Replies = []Segment{p}
	c := classify(&k.Before, &k.Segment)
	got := c.replies(&k)
	if got&^c.answers(&k) == 0 {
		return true
	}
	if c.facts&overtaken == 0 {
		return false
	}
	c.facts &^= stale | overtaken // see Check
	return got&^c.answers(&k) == 0
}

// answers returns all that a segment may be answered with, whatever becomes of the connection.
func (c *class) answers(k *Step) (all reply) {
	if k.Before.Paced {
		all |= aText
	}
	if c.ack == ackOld { // see judge
		all |= challenged[0].may
	}
	for i := range rows {
		if row := &rows[i]; row.states&(1<<k.Before.State) != 0 && row.matches(c) {
			for _, o := range row.outcomes {
				all |= o.must | o.may
			}
			return all
		}
	}
	return all
}
