package oracle

import (
	"errors"
	"math/bits"
	"testing"
)

// views are connections in all states whose windows have room, are shut, or are narrow.
func views(yield func(View) bool) {
	for state := range State(numStates) {
		for i := range uint(1 << 7) {
			if n := bits.OnesCount(i); n > 3 || testing.Short() && n > 2 {
				continue
			}
			bit := func(n int) bool { return i>>n&1 != 0 }
			v := View{State: state, ISS: 1000, Una: 2000, Next: 2500, MaxWindow: 700, IRS: 0xffffff00, RcvNext: 0xfffffff0,
				Window: 100, TSRecent: 50, Timestamps: bit(0), Passive: bit(1), EarlyFin: bit(2), Orphan: bit(3),
				FinSent: bit(4) && state >= FinWait1}
			if bit(5) {
				v.Window = 0
			}
			if state == SynSent || state == SynReceived || state == FinWait1 && bit(6) {
				v.Una, v.Next, v.RcvNext, v.FinSent, v.EarlyFin = v.ISS, v.ISS+1, v.IRS+1, false, false
			} else if bit(6) || state == FinWait2 || state == TimeWait {
				v.Una = v.Next // nothing is out
			}
			if !yield(v) {
				return
			}
		}
	}
}

// segments are segments with numbers at the edges of a view.
func segments(v *View, yield func(Segment) bool) {
	stamps := uint32(2) // none, older, the same, newer
	if v.Timestamps {
		stamps = 4
	}
	for flags := range uint16(33) { // FIN to ACK
		if flags == 32 { // flags of ECN matter in a SYN
			flags = flagSYN | flagCWR
		}
		for _, seq := range []uint32{v.IRS, v.RcvNext - 700, v.RcvNext - 5, v.RcvNext - 1, v.RcvNext, v.RcvNext + 50,
			v.RcvNext + v.Window - 1, v.RcvNext + v.Window, v.RcvNext + 1<<31} {
			for _, ack := range []uint32{v.Una - 5000, v.Una - 1, v.Una, v.Una + 1, v.Next, v.Next + 1} {
				for _, n := range []int{0, 1, 5, 6, 100, 200} {
					for stamp := range stamps {
						if !yield(Segment{Seq: seq, Ack: ack, Flags: flags, Len: n, Stamped: stamp > 0, Stamp: 48 + stamp}) {
							return
						}
					}
				}
			}
		}
	}
}

// sample is a segment that a row is for.
type sample struct {
	view    View
	segment Segment
	met     bool
}

// samples returns one for each row and state.
func samples(t *testing.T) (met [maxRows][numStates]sample) {
	if len(rows) > maxRows {
		t.Fatalf("%d rows, there is room for %d", len(rows), maxRows)
	}
	for v := range views {
		segments(&v, func(s Segment) bool {
			c := classify(&v, &s)
			for i := range rows {
				if rows[i].states>>v.State&1 != 0 && rows[i].matches(&c) {
					if k := &met[i][v.State]; !k.met {
						*k = sample{v, s, true}
					}
					return true
				}
			}
			t.Errorf("no row for %v in %+v", &s, v)
			return !t.Failed()
		})
	}
	return met
}

// Every segment in every state has a row, and every row has segments: Reachable counts
// nothing else. And each row says something: of all that may follow it refuses a part.
func TestEverySegmentHasARow(t *testing.T) {
	met := samples(t)
	for i := range rows {
		for s := range State(numStates) {
			k := &met[i][s]
			if rows[i].states>>s&1 == 0 {
				continue
			}
			if !k.met {
				t.Errorf("%q in %v is no row of any segment", rows[i].name, s)
				continue
			}
			allowed, refused := k.follow(t)
			if allowed == 0 || refused == 0 {
				t.Errorf("%q in %v allows %d outcomes and refuses %d", rows[i].name, s, allowed, refused)
			}
		}
	}
}

// follow tries all states and single replies after a segment, and counts them.
func (k *sample) follow(t *testing.T) (allowed, refused int) {
	s := &k.segment
	for after := range State(numStates) {
		for _, p := range []Segment{{}, {Flags: flagACK}, {Flags: flagACK, Len: 5}, {Flags: flagSYN | flagACK}, {Flags: flagRST, Seq: s.Ack},
			{Flags: flagRST | flagACK, Ack: s.Seq + s.size()}, {Flags: flagRST | flagACK, Seq: 77}} {
			step := Step{Before: k.view, After: k.view, Segment: *s}
			step.After.State = after
			if p.has(flagACK) && !p.has(flagRST) {
				p.Ack = k.view.RcvNext
			}
			if p.Flags != 0 {
				step.Replies = []Segment{p}
			}
			var f *Fault
			switch err := new(Relation).Check(&step); {
			case err == nil:
				allowed++
			case errors.As(err, &f) && f.Source != "":
				refused++
			default:
				t.Fatal(err)
			}
		}
	}
	return allowed, refused
}

// Text that waits for its time leaves when that has come, whatever arrives then. Without a
// pace nothing but an ACK lets it leave, and an answer that is due it does not replace.
func TestPacedText(t *testing.T) {
	for _, paced := range []bool{false, true} {
		v := View{State: Established, ISS: 100, Una: 200, Next: 300, MaxWindow: 1000, IRS: 500, RcvNext: 600, Window: 1000,
			Timestamps: true, TSRecent: 700, Paced: paced}
		old := Segment{Seq: 600, Ack: 200, Flags: flagACK, Stamped: true, Stamp: 60}
		step := Step{Before: v, After: v, Segment: old, Replies: []Segment{{Seq: 300, Ack: 600, Flags: flagACK, Len: 10}}}
		step.After.Next += 10
		if err := new(Relation).Check(&step); (err == nil) != paced {
			t.Errorf("paced %v: text beside an old timestamp: %v", paced, err)
		}
		step.Segment.Len, step.Replies = 5, nil
		if err := new(Relation).Check(&step); err == nil {
			t.Errorf("paced %v: text with an old timestamp needs no answer", paced)
		}
	}
}

// Text that a retransmission has overtaken may be taken, or dropped and answered; what is older is
// dropped.
func TestOvertakenText(t *testing.T) {
	for _, k := range []struct {
		stamp uint32
		taken bool
		ok    bool
	}{{690, true, true}, {690, false, true}, {636, true, true}, {635, true, false}, {635, false, true}} {
		v := View{State: Established, ISS: 100, Una: 200, Next: 200, MaxWindow: 1000, IRS: 500, RcvNext: 600, Window: 1000, Timestamps: true, TSRecent: 700}
		step := Step{Before: v, After: v, Segment: Segment{Seq: 600, Ack: 200, Flags: flagACK, Len: 5, Stamped: true, Stamp: k.stamp}}
		if step.After.RcvNext = 600; k.taken {
			step.After.RcvNext = 605
		}
		step.Replies = []Segment{{Seq: 200, Ack: step.After.RcvNext, Flags: flagACK}}
		if err := new(Relation).Check(&step); (err == nil) != k.ok {
			t.Errorf("%+v: %v", k, err)
		}
	}
}

// The ACK of a FIN may wait where the host says so, and nowhere else.
func TestDelayedAckOfFin(t *testing.T) {
	for _, delays := range []bool{false, true} {
		v := View{State: Established, ISS: 100, Una: 200, Next: 200, MaxWindow: 1000, IRS: 500, RcvNext: 600, Window: 1000}
		step := Step{Before: v, After: v, Segment: Segment{Seq: 600, Ack: 200, Flags: flagFIN | flagACK}, Delays: delays}
		step.After.State, step.After.RcvNext = CloseWait, 601
		if err := new(Relation).Check(&step); (err == nil) != delays {
			t.Errorf("delays %v: %v", delays, err)
		}
		// What the network has marked may be told at once, of what came before the FIN.
		early := step
		early.Replies = []Segment{{Seq: 200, Ack: 600, Flags: flagACK}}
		if err := new(Relation).Check(&early); (err == nil) != delays {
			t.Errorf("delays %v, what came before is acknowledged: %v", delays, err)
		}
		step.Before.State, step.After.State = FinWait2, TimeWait
		if err := new(Relation).Check(&step); err == nil {
			t.Errorf("delays %v: nothing answers the last FIN", delays)
		}
	}
}

// What a segment says may move SND.UNA and RCV.NXT, and nothing else.
func TestNumbersThatNothingMoves(t *testing.T) {
	v := View{State: Established, ISS: 100, Una: 200, Next: 300, MaxWindow: 1000, IRS: 500, RcvNext: 600, Window: 1000}
	for _, k := range []struct {
		name    string
		segment Segment
		una     uint32
		rcv     uint32
		reply   uint32
		rule    string
	}{
		{"as it should be", Segment{Seq: 600, Ack: 250, Flags: flagACK, Len: 10}, 250, 610, 610, ""},
		{"another ACK", Segment{Seq: 600, Ack: 250, Flags: flagACK, Len: 10}, 251, 610, 610, "S3"},
		{"an ACK outside", Segment{Seq: 6000, Ack: 250, Flags: flagACK, Len: 10}, 250, 600, 600, "S3"},
		{"back", Segment{Seq: 600, Ack: 150, Flags: flagACK, Len: 10}, 150, 610, 610, "S3"},
		{"text ahead", Segment{Seq: 601, Ack: 200, Flags: flagACK, Len: 10}, 200, 610, 610, "R2"},
		{"without text", Segment{Seq: 600, Ack: 200, Flags: flagACK}, 200, 610, 0, "R2"},
		{"more than the window", Segment{Seq: 600, Ack: 200, Flags: flagACK, Len: 5000}, 200, 5600, 5600, "R2"},
		{"an ACK of less", Segment{Seq: 610, Ack: 200, Flags: flagACK, Len: 10}, 200, 600, 590, "R5"},
	} {
		s := Step{Before: v, After: v, Segment: k.segment}
		if k.reply > 0 {
			s.Replies = []Segment{{Seq: 300, Ack: k.reply, Flags: flagACK}}
		}
		s.After.Una, s.After.RcvNext = k.una, k.rcv
		var f *Fault
		if err := new(Relation).Check(&s); k.rule == "" && err != nil || k.rule != "" && (!errors.As(err, &f) || f.Rule != k.rule) {
			t.Errorf("%s: %v, want %q", k.name, err, k.rule)
		}
	}
}
