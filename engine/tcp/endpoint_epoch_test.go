package tcp

import (
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// wraps are the instants at which a time that is kept in fewer bits goes round:
// nanoseconds, microseconds, the clock of ISNs, milliseconds, a challengeTime and
// a shortTime.
var wraps = []clock.Time{1 << 32, 1 << 32 * 1e3, 1 << 32 * 4e3, 1 << 32 * 1e6, challengeUnit * clock.Time(neverChallenged), challengeUnit << 16, 1 << 48}

// No instant means anything by itself: what happens at time 0, or around a wrap,
// is what happens at any other time.
func TestAnyEpoch(t *testing.T) {
	want := playAt(t, clock.Time(time.Hour))
	starts := []clock.Time{0, 1, 999_999}
	for _, w := range wraps {
		starts = append(starts, w)
		for _, before := range []time.Duration{1, 150 * time.Millisecond, 2 * time.Second, 30 * time.Second, 3 * time.Minute, 7 * time.Minute} {
			if s := w.Add(-before); s >= 0 {
				starts = append(starts, s)
			}
		}
	}
	for _, s := range starts {
		got := playAt(t, s)
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Errorf("from %d ns on, step %d is\n\t%s, after one hour\n\t%s", s, i, at(got, i), at(want, i))
				break
			}
		}
	}
}

func at(log []string, i int) string {
	if i < len(log) {
		return log[i]
	}
	return "nothing"
}

// playAt plays connections with all that goes by time, from an instant on, and
// returns what came out, when.
func playAt(t *testing.T, start clock.Time) []string {
	h := serving(t, Config{UserTimeout: 3 * time.Minute}, 10)
	h.now, h.start = start, start
	p := &epochPeer{testPeer: h.from(1000, 0)}
	en := p.opens()
	p.sends(en)
	p.ends(en)
	for i, play := range []func(*Entry){p.isSilent, p.isIdle, p.isNeverSentTo} {
		p.testPeer = h.from(uint16(2000+i), 0)
		play(p.opens())
	}
	h.note("%d left", h.e.Len())
	return slices.Clone(h.log)
}

// epochPeer notes all that comes, with its time.
type epochPeer struct{ *testPeer }

// thrice has a segment arrive twice within the limit of challenge ACKs, and a third
// time after it.
func (p *epochPeer) thrice(text string) {
	for _, wait := range []time.Duration{100 * time.Millisecond, 600 * time.Millisecond, 0} {
		p.says(text)
		p.run(wait)
	}
}

func (p *epochPeer) says(text string) {
	p.arrive(text)
	p.hear()
}

func (p *epochPeer) hear() {
	var out Output
	for p.e.Output(p.now, &out) {
		for _, v := range out.Views {
			v.Release()
		}
		if out.Flags.Has(wire.SYN) {
			p.own = out.Seq
		}
		if out.Options.Has(wire.OptTimestamps) {
			p.tsVal = out.Options.TSVal
		}
		p.note("> %v %d:%d ack %d win %d, again %v", out.Flags, out.Seq-p.own, out.Len, out.Ack-p.peer, out.Window, out.again)
	}
}

// run lets d pass.
func (p *epochPeer) run(d time.Duration) {
	limit := p.now.Add(d)
	for p.e.Deadline() <= limit {
		p.now = max(p.now, p.e.Deadline())
		p.e.Advance(p.now)
		p.hear()
	}
	p.now = limit
	p.e.Advance(p.now)
	p.hear()
}

func (p *epochPeer) info(en *Entry) {
	i := en.Info(p.now)
	p.note("%v %v expires %v, sent %v, heard %v, RTT %v, RTO %v", en.State(), en.Failure(), i.Expires, i.LastDataSent, i.LastAckRecv, i.RTT, i.RTO)
}

func (p *epochPeer) opens() *Entry {
	p.says("S 0:0(0) <mss 1460, TS val 1 ecr 0>")
	p.thrice("R 9:9(0)")
	p.says(". 1:1(0) ack 1 <TS val 2 ecr 0>")
	en := p.e.Accept(p.listener)
	if en == nil {
		p.fail("not accepted")
	}
	p.info(en)
	return en
}

// sends writes what is lost, then into a shut window.
func (p *epochPeer) sends(en *Entry) {
	p.e.SendCopy(p.now, en, make([]byte, 100))
	p.hear()
	p.run(5 * time.Second)
	p.info(en)
	p.says(". 1:1(0) ack 101 win 0 <TS val 3 ecr 0>")
	p.e.SendCopy(p.now, en, make([]byte, 100))
	p.hear()
	p.run(time.Minute)
	p.info(en)
	p.says(". 1:1(0) ack 101 win 9000 <TS val 4 ecr 0>")
	p.says(". 1:1(0) ack 201 win 9000 <TS val 5 ecr 0>")
	p.thrice("R 9:9(0)")
	p.thrice(". 1:1(0) ack 99999")
}

func (p *epochPeer) ends(en *Entry) {
	p.e.Close(p.now, en)
	p.hear()
	p.says("F. 1:1(0) ack 202 <TS val 6 ecr 0>")
	p.run(time.Second)
	p.thrice("S 1:1(0)")
	p.run(2 * msl)
}

// isSilent acknowledges nothing until the user timeout is over.
func (p *epochPeer) isSilent(en *Entry) {
	p.e.SendCopy(p.now, en, make([]byte, 100))
	p.hear()
	p.run(4 * time.Minute)
	p.info(en)
	p.e.Close(p.now, en)
	p.hear()
}

// isIdle answers no keep-alive probe.
func (p *epochPeer) isIdle(en *Entry) {
	p.e.SetKeepAlive(p.now, en, KeepAlive{Idle: time.Minute, Interval: time.Second, Count: 3})
	p.hear()
	p.run(2 * time.Minute)
	p.info(en)
	p.e.Close(p.now, en)
	p.hear()
}

// isNeverSentTo shuts its window before anything is sent.
func (p *epochPeer) isNeverSentTo(en *Entry) {
	p.says(". 1:1(0) ack 1 win 0 <TS val 3 ecr 0>")
	p.e.SendCopy(p.now, en, make([]byte, 100))
	p.hear()
	p.e.Close(p.now, en)
	p.hear()
	p.run(4 * time.Minute)
	p.note("%v %v", en.State(), en.Failure())
}
