package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// freight is two ends that carry gigabytes in virtual time: what is sent are
// views of one block, in super-segments, and nothing is copied.
type freight struct {
	*testing.T
	now   clock.Time
	path  Path
	ends  [2]*Endpoint
	conns [2]*Entry
	block *buf.Block
	lose  int // so many of the next segments with text are lost
}

func newFreight(t *testing.T, cfg Config) *freight {
	cfg.SendBuffer, cfg.ReceiveBuffer, cfg.QuickAcks = 1<<26, 1<<24, -1
	f := &freight{T: t, now: clock.Time(time.Hour), path: Path{MTU: 1500, MaxGSO: 65535}, block: buf.Get(buf.LargeSize)}
	for i := range f.ends {
		c := cfg
		c.Secret[0] = byte(i + 1)
		f.ends[i] = NewEndpoint(&c)
	}
	l, err := f.ends[1].Listen(wire.Addr{}, 80, 1, "listener")
	if err != nil {
		t.Fatal(err)
	}
	f.conns[0], err = f.ends[0].Connect(f.now, f.path, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 4000, RemotePort: 80}, "client")
	if err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.conns[1] = f.ends[1].Accept(l)
	return f
}

// trip lets half a round trip pass and brings what end from sends to the other.
func (f *freight) trip(from int) (segments int) {
	var all []Output
	for {
		all = append(all, Output{})
		out := &all[len(all)-1]
		if !f.ends[from].Output(f.now, out) {
			break
		}
	}
	f.now = f.now.Add(500 * time.Microsecond)
	for i := range all[:len(all)-1] {
		out := &all[i]
		segments += out.Count()
		if f.lose > 0 && out.Len > 0 {
			f.lose--
			if f.loseFirst(out); out.Len == 0 {
				continue
			}
		}
		t := out.Tuple.Reverse()
		f.ends[1-from].Receive(f.now, f.path, &t, &out.Segment)
	}
	for i := range all {
		for _, v := range all[i].Views {
			v.Release()
		}
	}
	return segments
}

// loseFirst takes the first segment out of those that out stands for.
func (f *freight) loseFirst(out *Output) {
	n := min(out.Len, int(f.conns[0].path.mss))
	out.Seq, out.Len = out.Seq.Add(seq.Size(n)), out.Len-n
	views := out.Views[:0]
	for _, v := range out.Views {
		cut := min(n, v.Len())
		if n -= cut; cut == v.Len() {
			v.Release()
			continue
		}
		views = append(views, v.Slice(cut, v.Len()))
	}
	out.Views = views
}

// settle carries all that is sent without waiting for a timer.
func (f *freight) settle() {
	for range 100000 {
		if f.trip(0)+f.trip(1) == 0 {
			return
		}
	}
	f.Fatal("the ends do not come to rest")
}

// write queues n bytes.
func (f *freight) write(from, n int) {
	for n > 0 {
		part := min(n, f.block.Cap())
		f.ends[from].Send(f.now, f.conns[from], buf.MakeView(f.block, 0, part).Retain())
		n -= part
	}
}

func (f *freight) read(to int) (n int) {
	for _, v := range f.ends[to].Take(f.now, f.conns[to], 1<<30, nil) {
		n += v.Len()
		v.Release()
	}
	return n
}

// carry moves n bytes from one end to the other, as fast as the windows let it.
func (f *freight) carry(from int, n int64) {
	f.Helper()
	for sent, got := int64(0), int64(0); got < n; {
		if room := min(int64(f.conns[from].SendSpace()), n-sent); room > 0 {
			f.write(from, int(room))
			sent += room
		}
		moved := f.trip(from)
		got += int64(f.read(1 - from))
		moved += f.trip(1 - from)
		if moved == 0 && f.advance() == clock.Never {
			f.Fatalf("%d of %d bytes arrived, and nothing more will happen", got, n)
		}
	}
	f.settle()
}

// advance goes to the next deadline and lets what is due happen.
func (f *freight) advance() clock.Time {
	at := min(f.ends[0].Deadline(), f.ends[1].Deadline())
	if at != clock.Never {
		f.now = max(f.now, at)
		f.ends[0].Advance(f.now)
		f.ends[1].Advance(f.now)
	}
	return at
}

// quiet waits until no ACK is delayed any more.
func (f *freight) quiet() {
	f.settle()
	f.now = f.now.Add(50 * time.Millisecond)
	f.ends[0].Advance(f.now)
	f.ends[1].Advance(f.now)
	f.settle()
}

// TestGigabytes carries more through a connection than there are sequence
// numbers, twice, each way. Whatever number was noted long ago (the end of the
// last recovery, of urgent data, of what was pushed; the last window update, the
// last ACK, the measured segment) must not make a difference: less than half of
// the space behind it would seem to be ahead. A short test carries more than
// there are numbers once.
func TestGigabytes(t *testing.T) {
	for name, cfg := range map[string]Config{"timestamps": {}, "none": {NoTimestamps: true, NoSACK: true}} {
		t.Run(name, func(t *testing.T) {
			f := newFreight(t, cfg)
			rounds := 10
			if testing.Short() {
				rounds = 5
			}
			for _, from := range []int{0, 1} {
				f.checkAll(from) // each number is noted once, and then lags
				for range rounds {
					f.carry(from, 1<<30+12345)
					f.checkLag()
					f.checkAll(from)
				}
			}
			if testing.Short() {
				return
			}
			for _, from := range []int{0, 1} { // each check alone, 3 GiB after the last
				for _, check := range []func(*freight, int){(*freight).checkFastRetransmit, (*freight).checkUrgent,
					(*freight).checkPush, (*freight).checkWindow, (*freight).checkDelayedAck} {
					f.carry(from, 3<<30)
					f.quiet()
					check(f, from)
				}
			}
		})
	}
}

func (f *freight) checkAll(from int) {
	f.Helper()
	f.quiet()
	f.checkUrgent(from)
	f.checkPush(from)
	f.checkWindow(from)
	f.checkDelayedAck(from)
	f.checkFastRetransmit(from)
}

// checkLag: no number that still means something lies far away.
func (f *freight) checkLag() {
	f.Helper()
	for i, en := range f.conns {
		c := &en.Conn
		far := func(what string, n, from seq.Num, means bool) {
			if d := n.Diff(from); means && (d < -1<<28 || d > 1<<28) {
				f.Fatalf("end %d: %s lies %d away", i, what, d)
			}
		}
		far("loss.point", c.loss.point, c.snd.una, c.loss.phase != noLoss)
		far("loss.tail", c.loss.tail, c.snd.una, c.loss.probed != notProbed)
		far("snd.up", c.snd.up, c.snd.una, c.is(urgentSent))
		far("snd.wl1", c.snd.wl1, c.rcv.nxt, true)
		far("snd.wl2", c.snd.wl2, c.snd.una, true)
		far("out.start", c.out.start, c.snd.una, true)
		far("rcv.up", c.rcv.up, c.rcv.nxt, c.is(urgentSeen))
		far("rcv.push", c.rcv.push, c.rcv.nxt, true)
		far("rcv.acked", c.rcv.acked, c.rcv.nxt, true)
		far("rcv.edge", c.rcv.edge, c.rcv.nxt, true)
		far("rcv.read", c.rcv.read, c.rcv.nxt, int(c.rcv.limit) < c.cfg.ReceiveBuffer)
	}
}

// checkFastRetransmit loses a segment, which duplicate ACKs bring back.
func (f *freight) checkFastRetransmit(from int) {
	f.Helper()
	before := f.conns[from].Info(f.now)
	f.lose = 1
	f.write(from, 200000)
	f.settle()
	after := f.conns[from].Info(f.now)
	if got := f.read(1 - from); got != 200000 || after.TotalRetrans != before.TotalRetrans+1 {
		f.Fatalf("after %d bytes: three duplicate ACKs bring nothing back: %d bytes arrived, %d segments sent again",
			before.BytesSent, got, after.TotalRetrans-before.TotalRetrans)
	}
}

// checkUrgent marks 100 bytes urgent, with 50 behind them that are not.
func (f *freight) checkUrgent(from int) {
	f.Helper()
	f.write(from, 100)
	f.ends[from].MarkUrgent(f.now, f.conns[from])
	f.quiet()
	f.write(from, 50)
	f.quiet()
	to := f.conns[1-from]
	if got := to.Urgent(); got != 100 {
		f.Fatalf("%d urgent bytes ahead, want 100", got)
	}
	if f.read(1 - from); to.Urgent() != 0 || f.conns[from].is(urgentSent) {
		f.Fatalf("urgent data remains: %d bytes, still sent as such: %v", to.Urgent(), f.conns[from].is(urgentSent))
	}
}

// checkPush sends 1000 bytes with PSH, and then such a number that the last full
// segment has none yet.
func (f *freight) checkPush(from int) {
	f.Helper()
	f.write(from, 1000)
	f.settle()
	if got := f.conns[1-from].Pushed(); got != 1000 {
		f.Fatalf("%d bytes are pushed, want 1000", got)
	}
	f.read(1 - from)
}

// checkWindow fills the peer's buffer; when that is read, the window opens.
func (f *freight) checkWindow(from int) {
	f.Helper()
	c, to := f.conns[from], f.conns[1-from]
	size := int(to.rcv.limit)
	f.write(from, size+100000)
	f.quiet()
	if c.snd.wnd > seq.Size(2*c.path.mss) {
		f.Fatalf("the buffer is full, and the window %d", c.snd.wnd)
	}
	got := f.read(1 - from)
	f.settle()
	if c.snd.wnd < seq.Size(size/4) && got < size+100000 {
		f.Fatalf("all was read, and the window is %d of %d", c.snd.wnd, size)
	}
	for got < size+100000 {
		f.quiet()
		if n := f.read(1 - from); n > 0 {
			got += n
		} else if f.advance() == clock.Never {
			f.Fatalf("%d of %d bytes arrived", got, size+100000)
		}
	}
	f.quiet()
}

// checkDelayedAck sends one small segment, whose ACK waits.
func (f *freight) checkDelayedAck(from int) {
	f.Helper()
	f.write(from, 10)
	f.settle()
	c := f.conns[from]
	if c.snd.una == c.snd.nxt || !f.conns[1-from].timers.armed(TimerDelayedAck) {
		f.Fatal("the ACK of one small segment was not delayed")
	}
	if f.quiet(); c.snd.una != c.snd.nxt {
		f.Fatal("the delayed ACK did not come")
	}
	f.read(1 - from)
}

// TestFirstNumberComesRound: where the stream comes to the number of our SYN
// again, which takes 4 GiB, nothing takes that for a handshake.
func TestFirstNumberComesRound(t *testing.T) {
	f := newFreight(t, Config{})
	for _, from := range []int{0, 1} {
		c := f.conns[from]
		f.carry(from, int64(uint32(c.snd.iss-c.snd.nxt)))
		f.quiet()
		if c.snd.una != c.snd.iss || c.snd.nxt != c.snd.iss {
			t.Fatalf("SND.UNA is %d after ISS, SND.NXT %d", c.snd.una-c.snd.iss, c.snd.nxt-c.snd.iss)
		}
		before := c.Info(f.now)
		f.write(from, 10)
		f.lose = 1 // the timer's turn, at this very number
		f.trip(from)
		for range 3 {
			f.advance()
			f.quiet()
		}
		after := c.Info(f.now)
		if got := f.read(1 - from); got != 10 || c.State() != Established || after.TotalRetrans != before.TotalRetrans+1 {
			t.Errorf("%v: %d bytes arrived, %d sent again", c.State(), got, after.TotalRetrans-before.TotalRetrans)
		}
		f.carry(from, 1<<20)
	}
}
