package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// Path MTU discovery in the middle of a transfer: what does not fit is cut
// anew and sent again (RFC 5927 §7.2, C12).
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
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.snd.resend-c.own))
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
		c.wantEqual("segment", int(c.conn.snd.mss), 1460)
		c.icmp(ICMPError{Kind: ICMPTooBig, Seq: 1, MTU: 0})
		c.wantEqual("the least segment", int(c.conn.snd.mss), minMSS)
		c.flush()
	})
}

// Super-segments are whole segments, but for the end of what is queued.
func TestSuperSegments(t *testing.T) {
	everywhere(t, func(w world) {
		w.path.MaxGSO = 65535
		c := w.reach(Established)
		c.write(14600 + 700)
		out := c.wantFlags("the congestion window in one", wire.ACK)
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
