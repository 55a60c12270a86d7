package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

var (
	addr6A = wire.AddrFrom16([16]byte{0: 0x20, 1: 1, 15: 1})
	addr6B = wire.AddrFrom16([16]byte{0: 0x20, 1: 1, 15: 2})
)

// msl is the maximum segment lifetime of the test benches.
const msl = 30 * time.Second

// world is one set of circumstances that must make no difference.
type world struct {
	*testing.T
	isns
	tuple wire.Tuple
	path  Path
}

// worlds are four pairs of first sequence numbers, so that every script wraps
// both streams somewhere, times two address families. The path of IPv6 is
// wider by what its header is longer.
func worlds(t *testing.T) []world {
	var ws []world
	for _, n := range []isns{{0, 0xffffffff}, {0xffffffff, 0}, {0x7fffffff, 0x80000000}, {0xfffffe0c, 0xfffffff0}} {
		v4 := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 40000, RemotePort: 80}
		v6 := wire.Tuple{Local: addr6A, Remote: addr6B, LocalPort: 40000, RemotePort: 80}
		ws = append(ws, world{t, n, v4, Path{MTU: 1500}}, world{t, n, v6, Path{MTU: 1520}})
	}
	return ws
}

func (w world) String() string {
	family := 6
	if w.tuple.Local.Is4() {
		family = 4
	}
	return fmt.Sprintf("iss %#x irs %#x IPv%d", uint32(w.own), uint32(w.peer), family)
}

// everywhere plays the same script in all worlds.
func everywhere(t *testing.T, script func(w world)) {
	t.Helper()
	for _, w := range worlds(t) {
		t.Run(w.String(), func(t *testing.T) {
			w.T = t
			script(w)
		})
	}
}

// testConn is a connection and the peer that the test plays. Each step is
// noted in the notation of spelled; each fails when an output of an earlier
// one was not consumed; each is made by a clone too, whose output must be the
// same, and which lives on in the place of the original.
type testConn struct {
	world
	rel     isns // what numbers in scripts are relative to
	conn    Conn
	twin    Conn
	trace   *Trace
	cfg     *Config
	now     clock.Time
	last    outcome
	answer  *Output // made without the connection, or pulled to look at it
	written int
	read    int
	window  int // what the peer offers when the script says nothing
	log     []string
	before  snapshot
}

// newConn returns a connection in state CLOSED.
func (w world) newConn(cfg Config) *testConn {
	cfg.MSL = msl
	c := &testConn{world: w, rel: w.isns, trace: &Trace{}, cfg: cfg.withDefaults(), now: clock.Time(time.Hour),
		window: 65535}
	c.conn.init(c.cfg, w.tuple, w.path, 0, c.trace)
	c.twin = c.conn.Clone(nil)
	if living.conns++; living.blocks == nil {
		living.blocks = map[*buf.Block]bool{}
	}
	w.Cleanup(c.end)
	return c
}

// opened returns a connection after a handshake with a peer whose SYN-ACK is
// as given.
func (w world) opened(cfg Config, synAck string) *testConn {
	w.Helper()
	c := w.newConn(cfg)
	c.open()
	c.wantFlags("our SYN", wire.SYN)
	c.receive(synAck)
	c.wantFlags("ACK of the peer's SYN", wire.ACK)
	c.wantState(Established)
	return c
}

// reach returns a connection with the plainest of peers in the given state,
// which it reaches by segments and calls.
func (w world) reach(s State) *testConn { return w.reachWith(Config{}, s) }

// roads say how each state is reached, from which other.
var roads = [NumStates]struct {
	from State
	play func(c *testConn)
}{
	Listen:  {Closed, func(c *testConn) { c.listen() }},
	SynSent: {Closed, func(c *testConn) { c.open(); c.want("our SYN", "S 0:0(0)") }},
	SynReceived: {Listen, func(c *testConn) {
		c.receive("S 0:0(0) <mss 1460>")
		c.want("SYN-ACK", "S. 0:0(0) ack 1")
	}},
	Established: {SynSent, func(c *testConn) {
		c.receive("S. 0:0(0) ack 1 <mss 1460>")
		c.want("ACK of the peer's SYN", ". 1:1(0) ack 1")
	}},
	CloseWait: {Established, func(c *testConn) {
		c.receive("F. 1:1(0) ack 1")
		c.want("ACK of the peer's FIN", ". 1:1(0) ack 2")
	}},
	FinWait1: {Established, func(c *testConn) { c.close(); c.want("our FIN", "F. 1:1(0) ack 1") }},
	FinWait2: {FinWait1, func(c *testConn) { c.receive(". 1:1(0) ack 2") }},
	Closing: {FinWait1, func(c *testConn) {
		c.receive("F. 1:1(0) ack 1")
		c.want("ACK of the peer's FIN", ". 2:2(0) ack 2")
	}},
	LastAck: {CloseWait, func(c *testConn) { c.close(); c.want("our FIN", "F. 1:1(0) ack 2") }},
	TimeWait: {FinWait2, func(c *testConn) {
		c.receive("F. 1:1(0) ack 2")
		c.want("ACK of the peer's FIN", ". 2:2(0) ack 2")
	}},
}

func (w world) reachWith(cfg Config, s State) *testConn {
	w.Helper()
	if s == Closed {
		return w.newConn(cfg)
	}
	c := w.reachWith(cfg, roads[s].from)
	roads[s].play(c)
	c.wantState(s)
	return c
}

// step does one thing to the connection and to its clone.
func (c *testConn) step(what string, f func(*Conn)) {
	c.Helper()
	c.noOutput(what)
	c.note("%s", what)
	c.before = c.conn.snapshot()
	c.twin.release()
	c.twin = c.conn // the clone is the one that lives on
	c.conn, c.twin.log = c.twin.Clone(c.trace), nil
	f(&c.conn)
	f(&c.twin)
	c.after()
}

// after looks at the connection from inside: the invariants hold, and the
// clone is not to be told from the original.
func (c *testConn) after() {
	c.Helper()
	c.collectMoves()
	if err := c.conn.check(c.before); err != nil {
		c.fail("%v", err)
	}
	if c.conn.state != c.twin.state || c.conn.Deadline() != c.twin.Deadline() || c.conn.snd != c.twin.snd || c.conn.rcv != c.twin.rcv {
		c.fail("the clone went another way: %v, due %v", c.twin.state, c.twin.Deadline())
	}
	for _, n := range []*Conn{&c.conn, &c.twin} {
		n.eachBlock(func(b *buf.Block) { living.blocks[b] = true })
	}
}

// next pulls the next segment, from the connection and from its clone.
func (c *testConn) next(out *Output) bool {
	c.Helper()
	c.before = c.conn.snapshot()
	ok := c.conn.NextSegment(c.now, out)
	var twin Output
	if also := c.twin.NextSegment(c.now, &twin); also != ok || ok && (twin.TCP != out.TCP || twin.Len != out.Len) {
		c.fail("the clone sends %s", describe(&twin.TCP, twin.Len, c.rel))
	}
	for _, v := range twin.Views {
		v.Release()
	}
	c.after()
	if ok {
		c.note("> %s", describe(&out.TCP, out.Len, c.rel))
		c.checkPayload(out)
		if err := checkReport(&c.conn, out); err != nil && c.conn.state >= Established {
			c.fail("%v", err)
		}
	} else if err := c.conn.checkQuiet(); err != nil {
		c.fail("%v", err)
	}
	return ok
}

// checkPayload holds every byte that leaves against what was written, and
// gives the references back.
func (c *testConn) checkPayload(out *Output) {
	c.Helper()
	rel, n := uint32(out.Seq-c.own), 0
	for _, v := range out.Views {
		for _, b := range v.Bytes() {
			if b != pattern(rel) {
				c.fail("byte %d is %#x, was written as %#x", rel, b, pattern(rel))
			}
			rel++
		}
		n += v.Len()
		v.Release()
	}
	if n != out.Len {
		c.fail("the segment has %d bytes and says %d", n, out.Len)
	}
}

func (c *testConn) note(format string, args ...any) {
	c.log = append(c.log, fmt.Sprintf("%8.3f %-12v ", (c.now-clock.Time(time.Hour)).Seconds(), c.conn.state)+
		fmt.Sprintf(format, args...))
}

// fail ends the test and shows all that was said.
func (c *testConn) fail(format string, args ...any) {
	c.Helper()
	text := fmt.Sprintf(format, args...)
	for _, l := range c.log[max(0, len(c.log)-60):] {
		text += "\n\t" + l
	}
	c.Fatal(text)
}

// living counts the connections of the test that runs, and blocks are those
// that they have held: a block may have gone from one to another.
var living struct {
	conns  int
	blocks map[*buf.Block]bool
}

// end gives all memory back; after the last connection of a test no reference
// may be left.
func (c *testConn) end() {
	c.conn.release()
	c.twin.release()
	if living.conns--; living.conns == 0 {
		if !c.Failed() {
			checkNoReferences(c, living.blocks)
		}
		living.blocks = nil
	}
}

func (c *testConn) collectMoves() { sawMoves(c.trace.Take()) }

// inFlightTo is the end of what is in flight, of those who have sent all that is lost
// below it.
func (c *Conn) inFlightTo() seq.Num {
	if c.flight == nil {
		return c.snd.nxt
	}
	if pos, _, ok := c.flight.NextLost(); ok {
		return pos
	}
	return c.snd.nxt
}
