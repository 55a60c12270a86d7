package tcp

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// checkReport holds a segment of a connection against what RFC 2018 §4 and RFC
// 2883 §4 say of its SACK blocks, and RFC 7323 §3.2 of its timestamp.
func checkReport(c *Conn, out *Output) error {
	o := &out.Options
	blocks := o.SACK[:o.SACKBlocks]
	switch {
	case o.Has(wire.OptSACK) && (len(blocks) == 0 || !c.has(sackOK)):
		return fmt.Errorf("SACK that nobody asked for")
	case c.has(stamping) != o.Has(wire.OptTimestamps):
		return fmt.Errorf("timestamp: %v, agreed on: %v", o.Has(wire.OptTimestamps), c.has(stamping))
	case out.largest() > int(c.path.mss):
		return fmt.Errorf("%d bytes in a segment, MSS %d", out.largest(), c.path.mss)
	case len(blocks) > 3 && c.has(stamping):
		return fmt.Errorf("%d blocks beside a timestamp", len(blocks))
	case out.Flags.Has(wire.ACK) && out.Ack != c.rcv.nxt && !(c.ecn.is(exact) && out.Len == 0 && out.Ack == c.rcv.acked):
		return fmt.Errorf("acknowledges %d, RCV.NXT is %d", out.Ack-c.rcv.irs, c.rcv.nxt-c.rcv.irs)
	}
	for len(blocks) > 0 && (blocks[0].Right.LessEq(out.Ack) || len(blocks) > 1 && blocks[1].Left.LessEq(blocks[0].Left) && blocks[0].Right.LessEq(blocks[1].Right)) {
		if blocks[0] != o.SACK[0] || !blocks[0].Left.Less(blocks[0].Right) {
			return fmt.Errorf("two D-SACK blocks, or an empty one")
		}
		blocks = blocks[1:]
	}
	for i, b := range blocks {
		if !out.Ack.Less(b.Left) || !b.Left.Less(b.Right) || c.rcv.edge.Less(b.Right) {
			return fmt.Errorf("block [%d,%d) is not in the window", b.Left.Diff(out.Ack), b.Right.Diff(out.Ack))
		}
		for _, other := range blocks[:i] {
			if !b.Right.Less(other.Left) && !other.Right.Less(b.Left) {
				return fmt.Errorf("block [%d,%d) touches another", b.Left.Diff(out.Ack), b.Right.Diff(out.Ack))
			}
		}
	}
	return nil
}

// eachBlock calls f with every block that the connection holds.
func (c *Conn) eachBlock(f func(*buf.Block)) {
	for _, v := range c.out.views[c.out.head:] {
		f(v.Block)
	}
	for _, v := range c.in.views[c.in.head:] {
		f(v.Block)
	}
	if c.in.ooo != nil {
		if c.in.ooo.copies != nil {
			f(c.in.ooo.copies)
		}
		for _, p := range c.in.ooo.parts {
			f(p.view.Block)
		}
	}
}

// references returns how many references to b there are.
func references(b *buf.Block) int64 {
	return reflect.ValueOf(b).Elem().FieldByName("refs").FieldByName("v").Int()
}

func checkNoReferences(t testing.TB, blocks map[*buf.Block]bool) {
	t.Helper()
	for b := range blocks {
		if n := references(b); n != 0 {
			t.Errorf("a block of %d bytes has %d references left", b.Cap(), n)
			return
		}
	}
}
