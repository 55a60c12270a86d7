package tcp

import (
	"runtime"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// idleBytes is what is left of the KiB that an idle connection may take for what this
// package holds of it: the root package has up to 96 bytes more.
const idleBytes = 1024 - 96

// crowd is many connections between two endpoints, without a wire.
type crowd struct {
	now   clock.Time
	ends  [2]*Endpoint
	conns [2][]*Entry
}

func (c *crowd) settle() {
	for moved := true; moved; {
		moved = false
		for i, e := range c.ends {
			var out Output
			for e.Output(c.now, &out) {
				moved = true
				t := out.Tuple.Reverse()
				c.ends[1-i].Receive(c.now, Path{MTU: 1500}, &t, &out.Segment)
				for _, v := range out.Views {
					v.Release()
				}
			}
		}
		for _, e := range c.ends {
			for _, _, ok := e.NextReady(); ok; _, _, ok = e.NextReady() {
			}
		}
	}
}

// talk sends n bytes each way, takes them, and lets time pass until nothing is due.
func (c *crowd) talk(n int) {
	for i, list := range c.conns {
		for _, en := range list {
			c.ends[i].SendCopy(c.now, en, make([]byte, n))
		}
		c.settle()
	}
	for i, list := range c.conns {
		for _, en := range list {
			for _, v := range c.ends[i].Take(c.now, en, 1<<20, nil) {
				v.Release()
			}
		}
	}
	c.settle()
	c.now = c.now.Add(time.Minute)
	for _, e := range c.ends {
		e.Advance(c.now)
	}
	c.settle()
}

func newCrowd(t *testing.T, n int, ecn cc.ECNMode) *crowd {
	c := &crowd{now: clock.Time(time.Hour)}
	for i := range c.ends {
		c.ends[i] = NewEndpoint(&Config{Secret: [16]byte{byte(i)}, ECN: ecn})
	}
	l, err := c.ends[1].Listen(wire.Addr{}, 80, n, "listener")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		en, err := c.ends[0].Connect(c.now, Path{MTU: 1500}, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: uint16(1000 + i), RemotePort: 80}, "client")
		if err != nil {
			t.Fatal(err)
		}
		c.settle()
		c.conns[0], c.conns[1] = append(c.conns[0], en), append(c.conns[1], c.ends[1].Accept(l))
	}
	return c
}

// TestIdleMemory holds all that this package keeps for a connection against its bound:
// the entry, its place in tables, the controller; also after data went both ways, when
// all else must have been given back.
func TestIdleMemory(t *testing.T) {
	if alike.Raced {
		t.Skip("memory is counted")
	}
	for ecn, most := range map[cc.ECNMode]float64{cc.ECNDefault: idleBytes, cc.ECNOn: idleBytes, cc.ECNAccurate: idleBytes + 64} {
		idleMemory(t, ecn, most)
	}
}

func idleMemory(t *testing.T, ecn cc.ECNMode, most float64) {
	const many = 3000
	var c *crowd
	fresh := grownBy(func() { c = newCrowd(t, many, ecn) })
	more := grownBy(func() {
		for range 3 {
			c.talk(5000)
		}
	})
	for what, bytes := range map[string]float64{"never used": fresh, "after data": fresh + more} {
		each := bytes / (2 * many)
		if t.Logf("ECN %v, %s: %.0f bytes each", ecn, what, each); each > most {
			t.Errorf("an idle connection, ECN %v, %s, takes %.0f bytes, at most %.0f", ecn, what, each, most)
		}
	}
	for _, list := range c.conns {
		for _, en := range list {
			if en.flight != nil || en.out.views != nil || en.in.views != nil {
				t.Fatal("an idle connection holds what only a busy one needs")
			}
		}
	}
	runtime.KeepAlive(c)
}

// What a connection does not take is given back.
func TestRefusedTextIsGivenBack(t *testing.T) {
	for _, end := range []func(h *testHost, en *Entry){
		func(h *testHost, en *Entry) { h.e.CloseWrite(h.now, en) },
		func(h *testHost, en *Entry) { h.e.Abort(h.now, en) },
	} {
		h := serving(t, Config{}, 5)
		en := h.from(1000, 7).handshake("S 0:0(0) <mss 1460>", ". 1:1(0) ack 1")
		end(h, en)
		b := buf.Get(100)
		if h.e.Send(h.now, en, buf.MakeView(b, 0, 100)) {
			t.Error("text is taken")
		}
		if n := references(b); n != 0 {
			t.Errorf("the block has %d references left", n)
		}
		drain(h.e, h.now)
	}
}
