package drill

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// stampings is what a socket tells by SO_TIMESTAMPING: when the last byte of each write left, and
// when it was acknowledged. There is no queue below the host, so it is handed on (SCHED) and sent
// (SND) at the same instant.
type stampings struct {
	asked  int64 // flags, 0: nothing
	from   int   // how much had been written when they were set: keys count from there
	left   int   // so much has left, the last of it at an instant
	leftAt clock.Time
	writes []stampedWrite
	queue  []stamping
}

// ask takes the flags that a program sets.
func (t *stampings) ask(f *flow, flags int64) {
	if t.asked = flags; f != nil {
		t.from = len(f.wrote)
	}
}

// stampedWrite is a write of which something is still to be told.
type stampedWrite struct {
	end  int // counted in bytes of the stream
	sent bool
}

// stamping is one thing that is told.
type stamping struct {
	what string // a constant
	at   clock.Time
	key  int
}

// stamped notes a write, which may have left already.
func (s *socket) stamped(bytes int64) {
	if t := &s.stamping; t.asked != 0 && bytes > 0 {
		t.writes = append(t.writes, stampedWrite{end: len(s.flow.wrote)})
		t.tellLeft()
	}
}

// tellLeft tells of the writes that have left and are not told of.
func (t *stampings) tellLeft() {
	for i := range t.writes {
		if w := &t.writes[i]; !w.sent && w.end <= t.left {
			w.sent = true
			t.tell("SOF_TIMESTAMPING_TX_SCHED", "SCM_TSTAMP_SCHED", t.leftAt, w.end)
			t.tell("SOF_TIMESTAMPING_TX_SOFTWARE", "SCM_TSTAMP_SND", t.leftAt, w.end)
		}
	}
}

// tell queues one thing if the program has asked for it.
func (t *stampings) tell(flag, what string, at clock.Time, end int) {
	if t.asked&constant(flag) != 0 {
		t.queue = append(t.queue, stamping{what, at, end - 1 - t.from})
	}
}

// stampLeaving looks at a segment that leaves.
func (p *player) stampLeaving(data []byte) {
	x, ok := parseSegment(data)
	if !ok || len(x.payload) == 0 {
		return
	}
	for _, s := range p.sockets {
		if s.flow == nil || s.stamping.asked == 0 || s.flow.tuple != x.tuple {
			continue
		}
		t, i := &s.stamping, p.host.TCP().Look(s.flow.tuple)
		if end := int(int32(x.tcp.Seq.Add(seq.Size(len(x.payload))) - seq.Num(i.ISS) - 1)); end > t.left {
			t.left, t.leftAt = end, p.now
			t.tellLeft()
		}
	}
}

// stampAcked looks at what has been acknowledged.
func (p *player) stampAcked() {
	for _, s := range p.sockets {
		if t := &s.stamping; len(t.writes) > 0 && s.flow != nil {
			i := p.host.TCP().Look(s.flow.tuple)
			for len(t.writes) > 0 && int(int32(i.SndUna-i.ISS-1)) >= t.writes[0].end {
				t.tell("SOF_TIMESTAMPING_TX_ACK", "SCM_TSTAMP_ACK", p.now, t.writes[0].end)
				t.writes = t.writes[1:]
			}
		}
	}
}

// stampQueue is recvmsg with MSG_ERRQUEUE where timestamps wait: one of them.
func (p *player) stampQueue(s *socket, c *script.Call) outcome {
	first := s.stamping.queue[0]
	s.stamping.queue = s.stamping.queue[1:]
	v := c.Args[1].Field("msg_control")
	if v == nil {
		return ok(0)
	}
	p.compareErrors(v, map[string]int64{
		"ee_errno": constant("ENOMSG"), "ee_origin": constant("SO_EE_ORIGIN_TIMESTAMPING"), "ee_type": 0, "ee_code": 0,
		"ee_info": constant(first.what), "ee_data": int64(first.key),
	})
	for i := range v.Items {
		data := v.Items[i].Field("cmsg_data")
		if data == nil || data.Field("scm_sec") == nil || data.Field("scm_nsec") == nil {
			continue
		}
		want := start + clock.Time(data.Field("scm_sec").Number*1e9+data.Field("scm_nsec").Number)
		if off := first.at.Sub(want).Abs(); off > p.tolerance {
			p.failWith(&Failure{Problem: script.Say("the time of %s is another (tolerance %v)", first.what, p.tolerance), Expected: p.span(want, want), Got: p.span(first.at, first.at)})
		}
	}
	return ok(0)
}
