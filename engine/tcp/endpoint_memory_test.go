package tcp

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// attackers are peers of one host, each of which makes it hold as much as it can.
type attackers struct {
	*testHost
	peers   []*testPeer
	entries []*Entry
	next    []seq.Num // of the next text of each
}

func newAttackers(t *testing.T, cfg Config, n int) *attackers {
	a := &attackers{testHost: serving(t, cfg, n), next: make([]seq.Num, n)}
	for i := range n {
		p := a.from(uint16(1000+i), seq.Num(i)<<24)
		a.peers = append(a.peers, p)
		a.entries = append(a.entries, p.handshake("S 0:0(0) <mss 1460,wscale 9,sackOK>", ". 1:1(0) ack 1 win 10"))
		a.next[i] = 1
	}
	a.e.SetTrace(nil)
	return a
}

// text has peer i send n bytes, after it has left out so many.
func (a *attackers) text(i, gap, n int) {
	a.next[i] += seq.Num(gap)
	tiny(a.peers[i], a.next[i], n)
	a.next[i] += seq.Num(n)
}

// Whatever peers do, the buffers of all connections hold no more than the budget, and
// a segment and a write for each connection. When the program has let go of them it
// holds nothing.
func TestBufferMemoryIsBounded(t *testing.T) {
	const budget, conns, rounds, write = 100_000, 20, 400, 8 << 10
	for name, act := range map[string]func(a *attackers, i int){
		"nobody reads":      func(a *attackers, i int) { a.text(i, 0, 1400) },
		"small pieces":      func(a *attackers, i int) { a.text(i, 2, 2) },
		"all but the first": func(a *attackers, i int) { a.text(i, 1400*(1-min(1, int(a.next[i])-1)), 1400) },
		"no acknowledgement": func(a *attackers, i int) {
			if a.entries[i].SendSpace() > 0 {
				a.e.SendCopy(a.now, a.entries[i], make([]byte, write))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttackers(t, Config{BufferMemory: budget}, conns)
			peak := int64(0)
			for range rounds {
				for i := range conns {
					act(a, i)
					a.drain()
				}
				a.now = a.now.Add(time.Millisecond)
				used, most, _ := a.e.BufferMemory()
				if used > most+conns*max(1500, write) {
					t.Fatalf("the buffers hold %d of %d bytes", used, most)
				}
				peak = max(peak, used)
			}
			n := a.e.Counters()
			if peak < budget*9/10 || n.TCPMemoryPressures == 0 || name != "no acknowledgement" && n.TCPRcvQDrop+n.TCPOFODrop+n.OfoPruned == 0 {
				t.Errorf("%d bytes at most, %+v", peak, n)
			}
			if early := name == "small pieces" || name == "all but the first"; early != (n.OfoPruned > 0) {
				t.Errorf("%d pieces out of order were given up", n.OfoPruned)
			}
			for _, en := range a.entries {
				a.e.Abort(a.now, en)
			}
			a.drain()
			if used, _, short := a.e.BufferMemory(); used != 0 || short {
				t.Errorf("when all have gone the buffers hold %d bytes, short %v", used, short)
			}
		})
	}
}

// While others hold the memory, connections whose programs read and whose peers
// acknowledge go on, slower, and all arrives.
func TestTransferWithoutMemory(t *testing.T) {
	for _, each := range []int64{0, 700} { // where connections are counted, too, they take less at a time
		t.Run(fmt.Sprint(each), func(t *testing.T) { transferWithoutMemory(t, each) })
	}
}

func transferWithoutMemory(t *testing.T, each int64) {
	p := newPair(t, Config{BufferMemory: 100_000, ConnMemory: each})
	client, server := p.connect()
	l := p.ends[1].listener(&server.tuple)
	var idle []*Entry
	for i := range 4 {
		other, err := p.ends[0].Connect(p.now, p.path, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: uint16(50000 + i), RemotePort: 80}, "other")
		if err != nil {
			t.Fatal(err)
		}
		p.until("accepted", func() bool { return p.ends[1].Accept(l) != nil })
		idle = append(idle, other)
	}
	p.until("there is no memory", func() bool {
		for _, en := range idle {
			if en.SendSpace() > 0 {
				p.write(0, en, make([]byte, 1000))
			}
		}
		return p.ends[1].cfg.memory.full()
	})
	want := patternBytes(1, 200_000)
	var got []byte
	sent, begun := 0, p.now
	p.until("all has come", func() bool {
		for sent < len(want) && client.SendSpace() > 0 {
			p.write(0, client, want[sent:min(sent+1000, len(want))])
			sent = min(sent+1000, len(want))
		}
		got = append(got, p.read(1, server)...)
		return len(got) == len(want)
	})
	if !bytes.Equal(got, want) {
		t.Error("what came is not what was sent")
	}
	if took := p.now.Sub(begun); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// The peer's last text, with its FIN and the ACK of ours, finds no memory. Our FIN is
// acknowledged all the same, and the connection waits in FIN-WAIT-2: in FIN-WAIT-1 no
// timer would run.
func TestLastTextFindsNoMemory(t *testing.T) {
	p := newPair(t, Config{BufferMemory: 100_000})
	client, server := p.connect()
	l := p.ends[1].listener(&server.tuple)
	p.write(0, client, make([]byte, 1000)) // which the server does not read: it gets no more when memory is short
	other, err := p.ends[0].Connect(p.now, p.path, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 50000, RemotePort: 80}, "other")
	if err != nil {
		t.Fatal(err)
	}
	p.until("accepted", func() bool { return p.ends[1].Accept(l) != nil })
	p.until("there is no memory", func() bool {
		if other.SendSpace() > 0 {
			p.write(0, other, make([]byte, 1000))
		}
		return p.ends[1].cfg.memory.full()
	})
	p.ends[1].CloseWrite(p.now, server)
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		return from == 0 && o.Tuple == client.tuple && o.SeqLen() == 0, 0
	}
	p.until("the server's FIN", func() bool { return client.state == CloseWait })
	p.write(0, client, make([]byte, 1000))
	p.ends[0].CloseWrite(p.now, client)
	drops := p.ends[1].Counters().TCPRcvQDrop
	p.until("the last text is refused", func() bool { return p.ends[1].Counters().TCPRcvQDrop > drops })
	if server.state != FinWait2 {
		t.Errorf("our FIN is acknowledged, and the connection is in %v", server.state)
	}
	p.until("all has come", func() bool {
		p.read(1, server)
		return server.EOF()
	})
}

// Where connections are counted, none begins above seven eighths of the budget, by
// whichever way it comes: not by a SYN, a last ACK, or a cookie, and not by Connect.
// Those that there are have their memory, and give it back once when they end, whoever
// closes first.
func TestConnectionsAreCounted(t *testing.T) {
	const each, most = 1000, 7
	h := serving(t, Config{BufferMemory: most * each / 7 * 8, ConnMemory: each}, 100)
	l := h.e.listener(&wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 80})
	l.Owner = nil
	wants := func(used int64) {
		t.Helper()
		if n, _, _ := h.e.BufferMemory(); n != used {
			t.Fatalf("%d bytes are counted, want %d", n, used)
		}
	}
	waiting := h.from(999, 0)
	waiting.receive("S 0:0(0) <mss 1460>")
	waiting.wantAny("SYN-ACK", wire.SYN|wire.ACK)
	var entries []*Entry
	for i := range uint16(most) {
		entries = append(entries, h.from(1000+i, 0).handshake("S 0:0(0) <mss 1460>", ". 1:1(0) ack 1"))
		wants(int64(len(entries)) * each)
	}
	waiting.receive(". 1:1(0) ack 1")
	waiting.wantNothing("the last ACK finds no memory")
	late := h.from(2000, 0)
	late.receive("S 0:0(0) <mss 1460>")
	late.wantNothing("nor does a SYN")
	if _, err := h.e.Connect(h.now, h.path, numbered(false, 5), nil); !errors.Is(err, ErrNoMemory) {
		t.Errorf("Connect: %v", err)
	}
	if n := h.e.Counters(); n.ConnsRefused != 3 || n.ListenDrops != 1 {
		t.Errorf("refused %d, ListenDrops %d", n.ConnsRefused, n.ListenDrops)
	}
	h.e.Abort(h.now, entries[0])
	h.drain()
	wants((most - 1) * each)
	waiting.receive(". 1:1(0) ack 1")
	wants(most * each)
	entries[0] = h.e.Accept(l)
	for i, en := range entries {
		p := testPeer{testHost: h, tuple: en.tuple}
		if i%2 == 0 { // the peer resets, and the program lets go later
			rst := resetOf(en.tuple, en.rcv.nxt)
			h.e.Receive(h.now, h.path, &p.tuple, &rst)
			h.drain()
		}
		h.e.Close(h.now, en)
		h.drain()
		h.e.Close(h.now, en)
		h.e.Abort(h.now, en)
		h.drain()
	}
	h.advance(time.Hour)
	h.drain()
	wants(0)
}

// Under pressure receive buffers do not grow, and what has been read is not offered
// again: the window closes as it is used, and its edge does not go back. When memory
// is there again the buffer grows as before.
func TestPressureIsLifted(t *testing.T) {
	p := newPair(t, Config{BufferMemory: 4 << 20, SendBuffer: 2 << 20})
	p.path.MaxGSO = 65535
	client, server := p.connect()
	var audit audit
	p.ends[1].SendCopy(p.now, server, nil)
	hoard := p.ends[1]
	hoard.cfg.memory.used += 7 << 19 // as if others held it
	hoard.press(p.now)
	stream(p, client, server, 1<<20, time.Millisecond, time.Second, true)
	if n := int(server.rcv.limit); n > pressedReceive {
		t.Errorf("the receive buffer is %d while memory is short", n)
	}
	if err := audit.check(hoard, false); err != nil {
		t.Error(err)
	}
	hoard.cfg.memory.used -= 7 << 19
	hoard.press(p.now)
	stream(p, client, server, 1<<20, time.Millisecond, time.Second, true)
	if n := int(server.rcv.limit); n <= initialReceive {
		t.Errorf("the receive buffer is %d when memory is there again", n)
	}
}

// A connection that has a large buffer when memory becomes short gives back what it does not use, and goes
// on: what it has offered it takes, and its window never falls below what a peer needs to go on.
func TestPressureTakesWhatIsNotPromised(t *testing.T) {
	p := newPair(t, Config{BufferMemory: 64 << 20, SendBuffer: 4 << 20, ReceiveBuffer: 4 << 20})
	p.path.MaxGSO, p.delay = 65535, 25*time.Millisecond
	client, server := p.connect()
	stream(p, client, server, 1<<20, time.Millisecond, time.Second, true)
	if n := int(server.rcv.limit); n < 1<<20 {
		t.Fatalf("the receive buffer is %d", n)
	}
	e := p.ends[1]
	e.cfg.memory.used += 60 << 20 // as if others held it
	e.press(p.now)
	before := server.rcv.nxt
	for range 100 {
		edge := server.rcv.edge
		stream(p, client, server, 1<<20, time.Millisecond, 10*time.Millisecond, true)
		if server.rcv.edge.Less(edge) {
			t.Fatal("the window's edge went back")
		}
	}
	if n := int(server.rcv.limit); n != pressedReceive {
		t.Errorf("the receive buffer is %d while memory is short", n)
	}
	if n := server.rcv.nxt.Diff(before); n < 256<<10 {
		t.Errorf("only %d bytes came in a second", n)
	}
}

// The scale that a handshake settles is the one that the ceiling of the receive buffer
// needs, in whatever form the half-open connection was kept: 16 MiB by default.
func TestScaleReachesCeiling(t *testing.T) {
	for _, mode := range []CookieMode{CookiesAuto, CookiesAlways} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			h := serving(t, Config{Cookies: mode}, 5)
			p := h.from(1000, 0)
			en := p.handshake("S 0:0(0) <mss 1460,wscale 7,sackOK>", ". 1:1(0) ack 1")
			h.e.SetReceiveBuffer(h.now, en, 1<<30)
			p.want("the largest window", ". 1:1(0) ack 1 win 65535")
			if n := int(en.rcv.edge.Sub(en.rcv.nxt)); n < 16<<20 {
				t.Errorf("the window is at most %d bytes", n)
			}
			h.e.Abort(h.now, en)
			h.drain()
		})
	}
}
