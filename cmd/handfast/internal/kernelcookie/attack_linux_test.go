package kernelcookie

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/keyring"
)

// shortBacklog is a listener's of which half is soon full.
const shortBacklog = 16

// newFlooded arms the programs for an IPv4 listener with a short backlog, and returns a client
// before it.
func newFlooded(t *testing.T, hold time.Duration) (*side, *Armed, *wired) {
	t.Helper()
	s := newSide(t, false)
	raw, err := s.servers[0].(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), shortBacklog) })
	if err != nil {
		t.Fatal(err)
	}
	return s, s.arm(t, Options{Hold: hold}), &wired{link: s.device, client: stage.OurAddrs[0].Addr(), server: s.listen[0], port: 5000}
}

// next makes a handshake's beginning from another port.
func (w *wired) next(t *testing.T) (syn, synAck wire.TCP) {
	t.Helper()
	w.port++
	syn = mixture{1460, 7, true, true, false}.syn(uint32(w.port) << 12)
	w.send(t, syn)
	return syn, w.answer(t)
}

// reset takes a handshake out of the kernel's queue again.
func (w *wired) reset(t *testing.T, syn wire.TCP, port uint16) {
	t.Helper()
	w.port, port = port, w.port
	w.send(t, wire.TCP{Seq: syn.Seq + 1, Flags: wire.RST})
	w.port = port
}

func counted(t *testing.T, a *Armed) Counters {
	t.Helper()
	c, err := a.Counters()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Without an attack the kernel answers as ever, and what is no cookie gets its RST. When half of
// the listener's backlog waits cookies are sent, of which the queue hears nothing; handshakes that
// the kernel has begun end as they would have, those of cookies, too, and a false ACK gets no answer.
func TestAttackBeginsAtHalfTheBacklog(t *testing.T) {
	s, a, w := newFlooded(t, 0)
	w.port = 4999
	forged := wire.TCP{Seq: 1, Ack: 2, Flags: wire.ACK}
	w.send(t, forged)
	if h := w.answer(t); h.Flags != wire.RST {
		t.Fatalf("%v, to a false ACK without an attack", &h)
	}
	var begun [2]wire.TCP
	for i := range shortBacklog / 2 {
		syn, synAck := w.next(t)
		if i == 0 {
			begun = [2]wire.TCP{syn, synAck}
		}
	}
	if on, attacks, err := a.Attack(); err != nil || on || attacks != 0 || counted(t, a).Left != shortBacklog/2 {
		t.Fatalf("%v, %d attacks, %v, %+v", on, attacks, err, counted(t, a))
	}
	syn, synAck := w.next(t)
	for range 2 * shortBacklog {
		w.next(t)
	}
	if on, attacks, err := a.Attack(); err != nil || !on || attacks != 1 {
		t.Errorf("%v, %d attacks, %v", on, attacks, err)
	}
	w.port++
	w.send(t, forged) // an answer would be what the next one sees
	w.port = 5000
	w.acknowledge(t, begun[0], begun[1])
	kernelSaid(t, s.servers[0])
	w.port += shortBacklog / 2
	w.acknowledge(t, syn, synAck)
	if got := kernelSaid(t, s.servers[0]); !got.timestamps || !got.sack || got.shift != 7 {
		t.Errorf("%+v", got)
	}
	want := Counters{SYNs: shortBacklog*5/2 + 1, Left: shortBacklog / 2, Sent: shortBacklog*2 + 1, Received: 1, Failed: 1}
	if got := counted(t, a); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// An attack that begins again soon lasts longer. When it is over, and the queue is not full, SYNs
// are the kernel's again.
func TestAttackEnds(t *testing.T) {
	const hold = 20 * time.Millisecond
	_, a, w := newFlooded(t, hold)
	var waiting []wire.TCP
	first := w.port + 1
	for range shortBacklog / 2 {
		syn, _ := w.next(t)
		waiting = append(waiting, syn)
	}
	until := time.Now().Add(patience)
	for longer := false; !longer; {
		w.next(t)
		st, err := a.state()
		if longer = st.Hold > uint64(hold) && st.Attacks > 1; err != nil || time.Now().After(until) {
			t.Fatalf("%+v, %v", st, err)
		}
	}
	for i, syn := range waiting {
		w.reset(t, syn, first+uint16(i))
	}
	for left := counted(t, a).Left; counted(t, a).Left == left; {
		syn, _ := w.next(t)
		w.reset(t, syn, w.port)
		if time.Now().After(until) {
			t.Fatalf("%+v: it does not end", counted(t, a))
		}
	}
}

// A cookie is believed in the epoch in which it was made, in the next one, and on a host whose clock
// is one behind; and later no more.
func TestEpochsTurn(t *testing.T) {
	s := newSide(t, false)
	a := s.arm(t, Options{Always: true, Shared: true})
	now := time.Now()
	at := func(epochs int) {
		t.Helper()
		keys, err := s.ring.Keys(now.Add(time.Duration(epochs) * keyring.Epoch))
		if err == nil {
			err = a.SetKeys(keys)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for family, to := range s.listen {
		w := &wired{s.device, stage.OurAddrs[family].Addr(), to, 6000, ""}
		for _, turn := range []struct {
			made, back int
			good       bool
		}{{0, 0, true}, {0, 1, true}, {2, 1, true}, {0, 2, false}, {3, 1, false}, {0, 4, false}} {
			at(turn.made)
			before := counted(t, a)
			syn, synAck := w.next(t)
			at(turn.back)
			w.acknowledge(t, syn, synAck)
			if turn.good {
				kernelSaid(t, s.servers[family])
				w.answer(t) // its RST
			}
			after := counted(t, a)
			if good := after.Received > before.Received; good != turn.good || after.Failed-before.Failed != uint64(one(!good)) {
				t.Errorf("%v %+v: %+v, before %+v", to, turn, after, before)
			}
		}
	}
}
