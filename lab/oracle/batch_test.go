package oracle

import (
	"strings"
	"testing"
)

// What may answer a segment alone may answer it in a batch; what nothing allows there does
// not, and another segment of the batch that may have it makes it right.
func TestAnswersToBatches(t *testing.T) {
	met := samples(t)
	refusing, right := 0, Step{Before: View{State: Closed}, Segment: Segment{Flags: flagACK, Ack: 5}}
	for i := range rows {
		for state := range State(numStates) {
			k := &met[i][state]
			if !k.met {
				continue
			}
			s := &k.segment
			for _, p := range []Segment{{Flags: flagACK, Ack: k.view.RcvNext}, {Flags: flagACK, Len: 5, Ack: k.view.RcvNext}, {Flags: flagSYN | flagACK, Ack: k.view.RcvNext},
				{Flags: flagRST, Seq: s.Ack}, {Flags: flagRST | flagACK, Ack: s.Seq + s.size()}, {Flags: flagRST | flagACK, Seq: 77}} {
				alone := false
				for after := range State(numStates) {
					step := Step{Before: k.view, After: k.view, Segment: *s, Replies: []Segment{p}}
					step.After.State = after
					alone = alone || new(Relation).Check(&step) == nil
				}
				batch := []Step{{Before: k.view, After: k.view, Segment: *s}}
				if err := CheckBatch(batch, []Segment{p}); alone && err != nil {
					t.Errorf("%q in %v: alone it may have %v, and in a batch not: %v", rows[i].name, state, &p, err)
				} else if err != nil {
					refusing++
				}
			}
			batch := []Step{right, {Before: k.view, Segment: *s}}
			if err := CheckBatch(batch, []Segment{{Flags: flagRST, Seq: 5}}); err != nil {
				t.Errorf("%q in %v: the RST belongs to the segment before: %v", rows[i].name, state, err)
			}
		}
	}
	if refusing < 200 {
		t.Errorf("only %d answers are refused", refusing)
	}
}

// A SYN behind a RST opens another connection, and is not refused.
func TestSynBehindReset(t *testing.T) {
	batch := []Step{
		{Before: View{State: Established, ISS: 10, Una: 11, Next: 11, IRS: 20, RcvNext: 21, Window: 100, Passive: true}, After: View{State: Listen},
			Segment: Segment{Seq: 21, Ack: 11, Flags: flagRST | flagACK}, Unheard: true},
		{Before: View{State: Listen}, After: View{State: SynReceived, ISS: 50, Una: 50, Next: 51, IRS: 40, RcvNext: 41}, Segment: Segment{Seq: 40, Flags: flagSYN}, Unheard: true},
	}
	for i := range batch {
		if err := new(Relation).Check(&batch[i]); err != nil {
			t.Error(err)
		}
	}
	if err := CheckBatch(batch, []Segment{{Seq: 50, Ack: 41, Flags: flagSYN | flagACK}}); err != nil {
		t.Error(err)
	}
	for _, ack := range []uint32{21, 40, 42} {
		batch := batch[1:]
		if err := CheckBatch(batch, []Segment{{Seq: 50, Ack: ack, Flags: flagSYN | flagACK}}); err == nil || !strings.Contains(err.Error(), "acknowledges") {
			t.Errorf("%v, and %d is acknowledged", err, ack)
		}
	}
	if err := CheckBatch(batch, []Segment{{Ack: 41, Flags: flagRST | flagACK}}); err == nil || !strings.Contains(err.Error(), "may be answered by") {
		t.Errorf("%v, and the SYN is refused", err)
	}
}
