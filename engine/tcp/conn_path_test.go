package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Path MTU discovery in the middle of a transfer: what does not fit is cut
// smaller and sent again (RFC 5927 §7.2, C12).
func TestPacketTooBig(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.write(20000)
		c.flush()
		mtu := headerSize(w.tuple.Local) + 1000
		if d := c.icmp(ICMPError{Kind: ICMPTooBig, Seq: 1461, MTU: mtu}); d != wire.None {
			c.fail("dropped: %v", d)
		}
		c.want("cut anew", ". 1:1001(1000) ack 1")
		c.want("cut anew", ". 1001:2001(1000) ack 1")
		c.flush()
		for c.conn.Unsent() > 0 {
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.inFlightTo()-c.own))
			for out, ok := c.pull(); ok; out, ok = c.pull() {
				if out.Len > 1000 {
					c.fail("a segment of %d bytes", out.Len)
				}
			}
		}
		c.wantEqual("all of it", int(c.conn.snd.una-c.own), 20001)
	})
}

// B10: an ICMP error must quote what is in flight, and never raises the MTU.
func TestForgedPacketTooBig(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.icmp(ICMPError{Kind: ICMPTooBig, Seq: 1, MTU: 600})
		c.write(5000)
		c.flush()
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 300 {
			e := ICMPError{Kind: ICMPKind(i % 3), Failure: Refused, MTU: 600}
			for e.Seq = 0; e.Seq-1 < 5000; {
				e.Seq = seq.Num(r.Uint32())
			}
			if d := c.icmp(e); d != wire.ForgedICMP {
				c.fail("%+v: %v", e, d)
			}
		}
		c.icmp(ICMPError{Kind: ICMPTooBig, Seq: 1, MTU: 9000})
		c.icmp(ICMPError{Kind: ICMPTooBig, Seq: 1, MTU: c.path.MTU})
		c.wantIdle("nothing is sent again")
		c.wantEqual("segment", int(c.conn.path.mss), 1460)
		c.icmp(ICMPError{Kind: ICMPTooBig, Seq: 1, MTU: 0})
		c.wantEqual("the least segment", int(c.conn.path.mss), minMSS)
		c.flush()
	})
}

// Super-segments are whole segments, except for the end of what is queued.
func TestSuperSegments(t *testing.T) {
	everywhere(t, func(w world) {
		w.path.MaxGSO = 65535
		c := w.reach(Established)
		c.write(14600 + 700)
		out := c.wantFlags("the congestion window in one", wire.ACK|wire.PSH)
		if out.Len != 14600 || out.GSOSize != 1460 {
			c.fail("%d bytes, segments of %d", out.Len, out.GSOSize)
		}
		c.receive(". 1:1(0) ack 14601")
		out = c.wantFlags("the rest is one segment", wire.ACK|wire.PSH)
		if out.Len != 700 || out.GSOSize != 0 {
			c.fail("%d bytes, segments of %d", out.Len, out.GSOSize)
		}
		c.receive(". 1:1(0) ack 15301")
		c.write(200000)
		for c.conn.Unsent() > 0 {
			if out, ok := c.pull(); ok {
				if out.Len > 65535-headerSize(w.tuple.Local) || out.GSOSize == 0 && out.Len > 1460 || out.GSOSize != 0 && out.GSOSize != 1460 {
					c.fail("%d bytes, segments of %d", out.Len, out.GSOSize)
				}
				continue
			}
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.snd.nxt-c.own))
		}
	})
}

// An urgent pointer is right in one segment only.
func TestUrgentDataInSingleSegments(t *testing.T) {
	everywhere(t, func(w world) {
		w.path.MaxGSO = 65535
		c := w.reach(Established)
		c.setNoDelay()
		c.step("write urgent", func(n *Conn) { n.sendCopy(patternBytes(1, 4000)); n.markUrgent() })
		for _, left := range []int{4000, 2540, 1080} {
			out, ok := c.pull()
			if !ok || !out.Flags.Has(wire.URG) || int(out.Urgent) != left || out.Len != min(left, 1460) || out.GSOSize != 0 {
				c.fail("%v with %d bytes, urgent up to %d, and not %d", out.Flags, out.Len, out.Urgent, left)
			}
		}
	})
}

// What lies in many small pieces goes out in whole segments too.
func TestSuperSegmentOfPieces(t *testing.T) {
	for _, piece := range []int{300, 500, 900, 1000, 1459, 1460, 1461, 2000} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) {
			w := worlds(t)[2]
			w.path.MaxGSO = 65535
			c := w.reach(Established)
			c.step("write pieces", func(n *Conn) {
				for rel := int64(1); rel < 12000; rel += int64(piece) {
					b := buf.Get(piece)
					copy(b.Bytes(), patternBytes(rel, piece))
					n.send(buf.MakeView(b, 0, piece))
				}
			})
			total := c.conn.Unsent()
			for sent := 0; sent < total; {
				out, ok := c.pull()
				if !ok {
					c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.snd.nxt-c.own))
					continue
				}
				sent += out.Len
				if out.Len > 1460 && out.Len%1460 != 0 && sent < total {
					c.fail("%d bytes in one", out.Len)
				}
			}
		})
	}
}

// tooBig has ICMP quote the segment at seq.
func (c *testConn) tooBig(at, mtu int) {
	c.Helper()
	if d := c.icmp(ICMPError{Kind: ICMPTooBig, Seq: seq.Num(at), MTU: headerSize(c.tuple.Local) + mtu}); d != wire.None {
		c.fail("dropped: %v", d)
	}
}

// One message sends what was too large once. More of them, repeated or forged
// with smaller and smaller sizes, send nothing until something is acknowledged.
func TestPacketTooBigIsNoAmplifier(t *testing.T) {
	everywhere(t, func(w world) {
		for _, step := range []int{0, 1, 8} {
			c := w.opened(Config{NoTimestamps: true, SendBuffer: 1 << 20}, "S. 0:0(0) ack 1 <mss 1460,wscale 7>")
			c.write(14600)
			_, first := c.flush()
			again := 0
			for i := range 500 {
				c.tooBig(1+1460*(i%10), max(1400-step*i, 300))
				_, n := c.flush()
				again += n
			}
			c.wantEqual("bytes sent again", again, first)
			c.receive(". 1:1(0) ack 14601")
			c.flush()
			c.write(2000)
			out, _ := c.pull()
			c.wantEqual("what was acknowledged counts, not what was claimed of it", out.Len, 1400)
			c.flush()
		}
	})
}

// A size of which segments are acknowledged is not given up for a message, unless
// the quoted segment gets no acknowledgement in the time of a timeout: RFC 5927
// §7.2. https://www.rfc-editor.org/rfc/rfc5927#section-7.2
func TestProgressRefutesPacketTooBig(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{NoTimestamps: true, SendBuffer: 1 << 20}, "S. 0:0(0) ack 1 <mss 1460,wscale 7>")
		c.write(14600)
		c.flush()
		c.receive(". 1:1(0) ack 14601")
		for at := 14601; at < 100000; at += 14600 {
			c.write(14600)
			c.flush()
			for i := range 10 {
				c.tooBig(at+1460*i, 600+i)
			}
			c.wantIdle("the size is proven")
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", at+1460))
			c.flush()
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", at+14600))
			c.flush()
			c.wantEqual("segment", int(c.conn.path.mss), 1460)
		}
		at := int(c.conn.snd.una - c.own)
		c.write(14600)
		c.flush()
		c.receive(fmt.Sprintf(". 1:1(0) ack %d", at+1460))
		c.flush()
		c.tooBig(at+1460, 1100)
		c.tooBig(at+2920, 1000)
		c.wantIdle("a message alone")
		c.advance(10 * time.Second)
		c.want("a timeout confirms it", fmt.Sprintf(". %d:%d(1000) ack 1", at+1460, at+2460))
		c.receive(fmt.Sprintf(". 1:1(0) ack %d", at+2460))
		out, _ := c.pull()
		c.wantEqual("the next", out.Len, 1000)
		c.flush()
	})
}

// A lowered MTU is forgotten after ten minutes, RFC 8201 §4, also when nothing
// was sent meanwhile. Where the path is still as narrow, one message ends it
// again, and only what was sent in the large size is sent again.
func TestLoweredMTUIsTriedAnew(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{NoTimestamps: true, SendBuffer: 1 << 20}, "S. 0:0(0) ack 1 <mss 1460,wscale 7>")
		c.write(3000)
		c.flush()
		c.tooBig(1, 1000)
		c.flush()
		c.receive(". 1:1(0) ack 3001")
		c.advance(mtuAge - time.Second)
		c.wantEqual("for ten minutes", int(c.conn.path.mss), 1000)
		c.write(2000)
		c.want("small", ". 3001:4001(1000) ack 1")
		c.flush()
		c.receive(". 1:1(0) ack 5001")
		c.advance(time.Second)
		c.wantEqual("then no more", int(c.conn.path.mss), 1460)
		c.write(2920)
		c.want("large", ". 5001:6461(1460) ack 1")
		c.flush()
		c.tooBig(5001, 1000)
		c.want("cut anew", ". 5001:6001(1000) ack 1")
		c.flush()
		c.receive(". 1:1(0) ack 7921")
		c.wantEqual("for ten minutes more", int(c.conn.path.mss), 1000)
		c.advance(time.Hour)
		c.wantEqual("and so on", int(c.conn.path.mss), 1460)
	})
}

// What the host has learned from another connection is followed, in both
// directions; what is in flight in the larger size is sent again when ICMP says
// that it did not get through.
func TestPathOfAnotherConnection(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{NoTimestamps: true, SendBuffer: 1 << 20}, "S. 0:0(0) ack 1 <mss 1460,wscale 7>")
		c.write(4380)
		c.flush()
		c.path.MTU -= 460
		c.receive("P. 1:2(1) ack 1")
		c.flush()
		c.readAll(1)
		c.flush()
		c.wantEqual("segment", int(c.conn.path.mss), 1000)
		e := ICMPError{Kind: ICMPTooBig, Seq: 1, MTU: c.path.MTU, Size: 1000}
		c.icmp(e)
		c.wantIdle("a small one was quoted")
		e.Size = 1500
		c.icmp(e)
		c.want("cut anew", ". 1:1001(1000) ack 2")
		c.flush()
		e.Seq += 1460
		c.icmp(e)
		c.wantIdle("once")
		c.receive(". 2:2(0) ack 4381")
		c.path.MTU += 460
		c.receive(". 2:2(0) ack 4381")
		c.wantEqual("up again", int(c.conn.path.mss), 1460)
	})
}

// An ACK of a part of the quoted segment refutes the message as well: a timeout for another
// reason does not make segments smaller.
func TestPartialProgressRefutesPacketTooBig(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{NoTimestamps: true, SendBuffer: 1 << 20}, "S. 0:0(0) ack 1 <mss 1460,wscale 7>")
		c.write(14600)
		c.flush()
		c.receive(". 1:1(0) ack 14601")
		c.write(14600)
		c.flush()
		c.tooBig(14601, 600)
		c.receive(". 1:1(0) ack 15301")
		c.flush()
		c.advance(10 * time.Second)
		c.want("the segment size is as before", ". 15301:16761(1460) ack 1")
		c.flush()
	})
}

// What the host has learnt of the way lets no text leave with the answer to a segment that
// is dropped. The next that counts does.
func TestDroppedSegmentFreesNoText(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.write(100)
		c.want("all of it", "P. 1:101(100) ack 1")
		c.write(700)
		c.wantIdle("RFC 1122 §4.2.3.4 holds what fills no segment")
		c.path.MTU = headerSize(w.tuple.Local) + 600
		c.receive(". 2000000:2000000(0) ack 1")
		c.want("a challenge", ". 101:101(0) ack 1")
		c.wantIdle("and nothing else")
		c.receive(". 1:1(0) ack 1")
		c.want("a segment of the new size is there", ". 101:701(600) ack 1")
	})
}
