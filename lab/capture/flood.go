package capture

import (
	"math/bits"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

const (
	// maxFloods bounds how many floods are told of a capture. What comes after them belongs
	// to the last.
	maxFloods = 256
	// maxAsked bounds how many SYNs wait for what answers them. Of more the oldest is taken
	// for one that nothing answers.
	maxAsked = 1 << 15
	// patience is how long a SYN waits: what answers later answers a repeated one.
	patience = 250 * time.Millisecond
	// lookBack is how many ticks before it was told a flood may have begun: the detector
	// names one within two seconds.
	lookBack = 24
)

// Flood is a SYN flood in a capture.
type Flood struct {
	From, To   clock.Time
	Port       uint16 // that most SYNs are for; 0: none stands out
	SYNs       int    // of these ports, others' too
	Rate       float64
	Sources    float64 // different ones, about
	Unanswered float64 // share of the handshakes, 0 to 1
	// Verdict is the detector's when it had seen the most of it.
	Verdict detect.Verdict

	followed, failed float64
}

// watch looks for floods: the detector of our hosts, told of what a capture shows and by
// the capture's clock. A capture does not show who listens: who answers a SYN by a RST
// does not.
type watch struct {
	detector detect.Detector
	now      clock.Time
	tick     clock.Time // when the present one began
	syns     [lookBack]int
	at       int // of the present tick in syns
	floods   []Flood

	asked []asked // a ring, by their times
	first int
	count int
	gone  uint64 // how many have left the ring
}

// asked is a SYN that waits for an answer.
type asked struct {
	time   clock.Time
	flow   uint64
	source wire.Addr
	place  uint64 // of whom it is asked: a hash of address and port
	port   uint16
	told   bool // the detector knows what became of it
}

// handshake is a connection's, for the watch.
type handshake struct {
	shake shake
	flow  uint64 // its name
	asked uint64 // its last SYN's number in the ring, counted from the first one of all
}

// shake is how far a handshake has come as the watch is told it.
type shake uint8

const (
	unasked shake = iota
	asking
	over
)

func newWatch() *watch {
	w := &watch{asked: make([]asked, 64)}
	w.detector.Init(0x9e3779b97f4a7c15) // who makes a capture does not know who reads it: the seed need not be secret
	return w
}

// see takes a segment of a connection before the connection does. Its tuple has the
// client as Local.
func (w *watch) see(h *handshake, tuple *wire.Tuple, from int, answered bool, s *segment) {
	w.advance(s.time)
	f := s.tcp.Flags
	syn, ack, rst := f.Has(wire.SYN), f.Has(wire.ACK), f.Has(wire.RST)
	switch {
	case syn && !ack && from == Client && !rst:
		if a := w.waiting(h); a != nil { // it is repeated
			w.silent(a)
		}
		w.ask(h, tuple, s)
	case h.shake != asking:
	case from == Client && rst:
		w.tell(h)
		w.detector.Reset(h.flow)
		h.shake = over
	case from == Client && ack:
		w.tell(h)
		w.detector.Answered(h.flow)
		w.detector.Completed(h.flow, tuple.Local)
		h.shake = over
	case syn && ack:
		w.tell(h)
		w.detector.SynAck(answered)
	case rst:
		if a := w.waiting(h); a != nil {
			a.told = true
			w.detector.Closed(tuple.Local, tuple.RemotePort)
			h.shake = over
		}
	}
}

// flowOf names a handshake, and the place where it is asked for.
func flowOf(t *wire.Tuple, isn seq.Num) (flow, place uint64) {
	place = fold(uint64(t.RemotePort), t.Remote)
	return fold(place^(uint64(isn)<<32|uint64(t.LocalPort)), t.Local), place
}

// fold mixes an address into a hash.
func fold(h uint64, a wire.Addr) uint64 {
	hi, lo := a.Words()
	for _, v := range [2]uint64{hi, lo} {
		x, y := bits.Mul64(h^v^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
		h = x ^ y
	}
	return h
}

// ask notes a SYN.
func (w *watch) ask(h *handshake, tuple *wire.Tuple, s *segment) {
	w.syns[w.at]++
	if w.count == len(w.asked) {
		if w.count == maxAsked {
			w.shift()
		} else {
			w.grow()
		}
	}
	flow, place := flowOf(tuple, s.tcp.Seq)
	*h = handshake{asking, flow, w.gone + uint64(w.count)}
	*w.place(w.count) = asked{time: s.time, flow: flow, source: tuple.Local, place: place, port: tuple.RemotePort}
	w.count++
}

// place is where the ring has the SYN that came so many after its oldest one. Its length
// is a power of two.
func (w *watch) place(n int) *asked { return &w.asked[(w.first+n)&(len(w.asked)-1)] }

// waiting is a handshake's SYN if the detector has not been told what became of it.
func (w *watch) waiting(h *handshake) *asked {
	if h.shake != asking || h.asked < w.gone {
		return nil
	}
	if a := w.place(int(h.asked - w.gone)); !a.told {
		return a
	}
	return nil
}

// grow doubles the ring.
func (w *watch) grow() {
	all := make([]asked, 0, 2*len(w.asked))
	all = append(append(all, w.asked[w.first:]...), w.asked[:w.first]...)
	w.asked, w.first = all[:cap(all)], 0
}

// shift takes the oldest SYN out of the ring: when it still waits, nothing has answered it.
func (w *watch) shift() {
	if a := w.place(0); !a.told {
		w.silent(a)
	}
	w.first = (w.first + 1) & (len(w.asked) - 1)
	w.count--
	w.gone++
}

// silent tells the detector of a SYN that nothing has answered.
func (w *watch) silent(a *asked) {
	w.detector.Silent(a.flow, a.source, a.port, a.place)
	a.told = true
}

// tell tells the detector of a handshake's SYN that was answered, once.
func (w *watch) tell(h *handshake) {
	if a := w.waiting(h); a != nil {
		w.detector.Syn(a.flow, a.source, a.port)
		a.told = true
	}
}

// advance ends the ticks that are over.
func (w *watch) advance(now clock.Time) {
	if now <= w.now {
		return // a capture of several interfaces may go back a little
	}
	w.now = now
	for w.count > 0 && now.Sub(w.asked[w.first].time) >= patience {
		w.shift()
	}
	if !w.detector.Due(now) {
		return
	}
	was := w.detector.Level()
	w.detector.Advance(now, detect.Defence{})
	w.look(was)
	w.at = (w.at + 1) % lookBack
	w.syns[w.at], w.tick = 0, now
}

// look notes what a tick has told.
func (w *watch) look(was detect.Level) {
	if w.detector.Level() != detect.Flood {
		return
	}
	if was != detect.Flood && len(w.floods) < maxFloods {
		w.begin()
	}
	f, v := &w.floods[len(w.floods)-1], w.detector.Verdict()
	n := &v.Numbers
	f.SYNs += w.syns[w.at]
	f.followed += float64(n.Followed)
	f.failed += float64(n.Followed) * n.Unanswered()
	if n.SynRate > f.Rate || f.Rate == 0 {
		f.Rate, f.Port = n.SynRate, v.Port
	}
	if n.Sources >= f.Sources {
		f.Sources, f.Verdict = n.Sources, v
	}
	if float64(w.syns[w.at]) >= f.Rate*detect.Tick.Seconds()/10 {
		f.To = w.now
	}
	if f.followed > 0 {
		f.Unanswered = f.failed / f.followed
	}
}

// begin notes a flood that has just got its name: its SYNs came before that.
func (w *watch) begin() {
	most := 0
	for _, n := range w.syns {
		most = max(most, n)
	}
	f := Flood{From: w.tick, To: w.now}
	for i := 1; i < lookBack; i++ {
		n := w.syns[(w.at+lookBack-i)%lookBack]
		if n < most/10 || n == 0 {
			break
		}
		f.SYNs += n
		f.From = w.tick.Add(-time.Duration(i) * detect.Tick)
	}
	w.floods = append(w.floods, f)
}

// Floods are the SYN floods of what has come so far, in the order in which they began.
func (t *Tracker) Floods() []Flood { return t.watch.floods }
