package tcp

import (
	"bytes"
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// The steps of a script for testConn.

func (c *testConn) open() {
	c.Helper()
	c.step("active open", func(n *Conn) { n.openActive(c.now, c.own) })
}

func (c *testConn) listen() {
	c.Helper()
	c.step("passive open", func(n *Conn) { n.openPassive(c.now, c.own) })
	sawMove(Closed, Listen)
}

// receive has a segment of the peer arrive; its payload is the pattern.
func (c *testConn) receive(text string) {
	c.Helper()
	s := spell(c, text)
	c.receiveBytes(text, patternBytes(s.seq, s.n))
}

// receiveBytes has a segment arrive with a payload of its own.
func (c *testConn) receiveBytes(text string, payload []byte) {
	c.Helper()
	c.step("< "+text, func(n *Conn) { c.arrive(n, text, payload) })
}

// receiveBatch has several segments arrive before anybody asks for output.
func (c *testConn) receiveBatch(texts ...string) {
	c.Helper()
	c.step(fmt.Sprintf("< %q", texts), func(n *Conn) {
		for _, text := range texts {
			s := spell(c, text)
			c.arrive(n, text, patternBytes(s.seq, s.n))
		}
	})
}

func (c *testConn) arrive(n *Conn, text string, payload []byte) {
	c.Helper()
	w := spell(c, text)
	s := Segment{TCP: w.header(isns{c.rel.peer, c.rel.own}), Len: len(payload), ECN: w.ecn}
	s.SrcPort, s.DstPort = c.tuple.RemotePort, c.tuple.LocalPort
	if w.win < 0 {
		s.Window = uint16(c.window)
	}
	s.Views = twoViews(payload)
	for _, v := range s.Views {
		living.blocks[v.Block] = true
	}
	borrowed := s.Views
	v := n.receive(c.now, &c.path, &s)
	for _, v := range borrowed {
		v.Release()
	}
	if n != &c.conn {
		return
	}
	c.last = v
	c.reset(&s, v)
}

// twoViews lays b out as two views, as a packet that was coalesced has them.
func twoViews(b []byte) (vs []buf.View) {
	for _, part := range [][]byte{b[:len(b)/2], b[len(b)/2:]} {
		if len(part) > 0 {
			block := buf.Get(len(part))
			copy(block.Bytes(), part)
			vs = append(vs, buf.MakeView(block, 0, len(part)))
		}
	}
	return vs
}

// reset notes the answer that is made without the connection.
func (c *testConn) reset(s *Segment, v outcome) {
	c.answer = nil
	if v.fate != isRefused {
		return
	}
	e := NewEndpoint(c.cfg)
	o := wire.Options{}
	if v.why == wire.BadAck {
		c.conn.addTimestamp(c.now, &o)
	}
	e.reply(c.now, &c.tuple, s, o)
	out := &Output{}
	e.Output(c.now, out)
	if out.Flags.Has(wire.ACK) && out.Seq == 0 {
		out.Seq = c.rel.own // "<SEQ=0>" is no relative number
	}
	c.answer = out
}

// want wants the next segment, which must be what text says.
func (c *testConn) want(why, text string) {
	c.Helper()
	w := spell(c, text)
	out, ok := c.pull()
	if !ok {
		c.fail("%s: want %s, got nothing", why, text)
	}
	if !w.matches(&out.TCP, out.Len, c.rel) || w.hasECN && out.ECN != w.ecn {
		c.fail("%s:\n\twant %s\n\tgot  %s, ECN %d", why, text, describe(&out.TCP, out.Len, c.rel), out.ECN)
	}
}

// wantFlags wants a segment of which only the flags matter.
func (c *testConn) wantFlags(why string, f wire.Flags) *Output {
	c.Helper()
	out, ok := c.pull()
	if !ok || out.Flags != f {
		c.fail("%s: want %v, got %v", why, f, out.Flags)
	}
	return out
}

func (c *testConn) pull() (*Output, bool) {
	c.Helper()
	if out := c.answer; out != nil {
		c.answer = nil
		return out, true
	}
	out := &Output{}
	return out, c.next(out)
}

// flush takes all output and returns how many segments and bytes it was.
func (c *testConn) flush() (segments, size int) {
	c.Helper()
	for out, ok := c.pull(); ok; out, ok = c.pull() {
		segments, size = segments+1, size+out.Len
	}
	return segments, size
}

func (c *testConn) noOutput(what string) {
	c.Helper()
	if out, ok := c.pull(); ok {
		c.fail("before %q: unexpected %s", what, describe(&out.TCP, out.Len, c.rel))
	}
}

// wantIdle wants no output.
func (c *testConn) wantIdle(why string) {
	c.Helper()
	c.noOutput(why)
}

func (c *testConn) wantState(s State) {
	c.Helper()
	c.noOutput("state " + s.String())
	if c.conn.state != s {
		c.fail("want %v, is %v", s, c.conn.state)
	}
}

func (c *testConn) wantDrop(d wire.Drop) {
	c.Helper()
	if c.last.why != d {
		c.fail("want drop %q, got %q", d, c.last.why)
	}
}

func (c *testConn) wantFailure(f Failure) {
	c.Helper()
	if c.conn.failure != f {
		c.fail("want failure %d, got %d", f, c.conn.failure)
	}
}

// wantEqual compares a number that the connection tells.
func (c *testConn) wantEqual(what string, got, want int) {
	c.Helper()
	if got != want {
		c.fail("%s: want %d, got %d", what, want, got)
	}
}

// advance lets d pass, stopping at every deadline.
func (c *testConn) advance(d time.Duration) {
	c.Helper()
	limit := c.now.Add(d)
	c.noOutput("time passes")
	for c.conn.Deadline() <= limit && !c.pending() {
		c.now = max(c.now, c.conn.Deadline())
		c.step(fmt.Sprintf("+%v", d), func(n *Conn) { n.Advance(c.now) })
	}
	if !c.pending() {
		c.now = limit
	}
}

// pending reports whether there is output, and keeps it.
func (c *testConn) pending() bool {
	c.Helper()
	if c.answer == nil {
		c.answer, _ = c.pull()
		if c.answer.Flags == 0 {
			c.answer = nil
		}
	}
	return c.answer != nil
}

// wantAfter lets time pass until the next segment, which must come after
// exactly d.
func (c *testConn) wantAfter(d time.Duration, why, text string) {
	c.Helper()
	start := c.now
	c.advance(d)
	if got := c.now.Sub(start); got != d || !c.pending() {
		c.fail("%s: want it after %v; after %v: output %v", why, d, got, c.pending())
	}
	c.want(why, text)
}

// write queues n more bytes of the pattern.
func (c *testConn) write(n int) {
	c.Helper()
	b := patternBytes(int64(c.written)+1, n)
	c.step(fmt.Sprintf("write %d", n), func(conn *Conn) {
		if !conn.sendCopy(b) {
			c.fail("takes no data")
		}
	})
	c.written += n
}

// writeAndClose writes n bytes and closes before anything goes out.
func (c *testConn) writeAndClose(n int) {
	c.Helper()
	b := patternBytes(int64(c.written)+1, n)
	c.step(fmt.Sprintf("write %d and close", n), func(conn *Conn) {
		conn.sendCopy(b)
		conn.closeWrite(c.now)
	})
	c.written += n
}

// readAll takes what has arrived, which must be n bytes of the pattern.
func (c *testConn) readAll(n int) { c.Helper(); c.readSome(n, 1<<30) }

func (c *testConn) readSome(n, most int) {
	c.Helper()
	want := patternBytes(int64(c.read)+1, n)
	c.step(fmt.Sprintf("read %d", n), func(conn *Conn) {
		var got []byte
		for _, v := range conn.take(c.now, most, nil) {
			got = append(got, v.Bytes()...)
			living.blocks[v.Block] = true
			v.Release()
		}
		if !bytes.Equal(got, want) {
			c.fail("read %d bytes, want %d: %x", len(got), len(want), head(got))
		}
	})
	c.read += n
}

func head(b []byte) []byte { return b[:min(len(b), 16)] }

func (c *testConn) close() {
	c.Helper()
	c.step("close the sending side", func(n *Conn) { n.closeWrite(c.now) })
}

func (c *testConn) closeRead() {
	c.Helper()
	c.step("close the receiving side", func(n *Conn) { n.closeRead() })
}

// leave lets go of the connection.
func (c *testConn) leave() {
	c.Helper()
	c.step("close", func(n *Conn) { n.close(c.now) })
}

func (c *testConn) abort() {
	c.Helper()
	c.step("abort", func(n *Conn) { n.abort(c.now) })
}

func (c *testConn) setNoDelay() {
	c.Helper()
	c.step("no delay", func(n *Conn) { n.setNoDelay(true) })
}

func (c *testConn) icmp(e ICMPError) wire.Drop {
	c.Helper()
	var d wire.Drop
	e.Seq += c.rel.own
	c.step(fmt.Sprintf("ICMP %+v", e), func(n *Conn) { d = n.receiveICMP(c.now, e) })
	return d
}
