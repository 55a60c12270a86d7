package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// What peers and programs do in a storm.

// segment has a segment arrive that somebody has made up.
func (s *storm) segment() {
	t := s.tuple()
	en := s.e.conns.find(&t)
	g := Segment{TCP: wire.TCP{SrcPort: t.RemotePort, DstPort: t.LocalPort, Flags: wire.ACK, Window: []uint16{0, 1, 100, 5000, 65535}[s.r.IntN(5)]}}
	k := s.known[t]
	if en != nil {
		k = isns{own: en.snd.nxt, peer: en.rcv.nxt}
	}
	g.Seq, g.Ack = k.peer, k.own
	g.Len = []int{0, 0, 1, 2, 10, 100, 1460}[s.r.IntN(7)]
	if s.r.IntN(2) == 0 { // else it is in order
		g.Seq += s.near(en, false)
		g.Ack += s.near(en, true)
	}
	g.Flags = s.flags(g.Flags)
	s.options(en, &g)
	switch opening := en != nil && en.state == SynSent; {
	case opening && s.r.IntN(2) == 0: // or it would never come to anything
		g.Flags, g.Ack = wire.SYN|wire.ACK, en.snd.nxt
	case opening && s.r.IntN(3) == 0, g.Flags.Has(wire.SYN) && s.r.IntN(2) == 0, en == nil && s.r.IntN(3) == 0:
		g.Flags = wire.SYN
		if s.fast == nil {
			g.Len = 0
		}
	}
	if g.Len > 1000 && s.r.IntN(2) == 0 {
		g.Len, g.GSOSize = 1+s.r.IntN(8000), 1000
	}
	s.arrive(t, &g)
}

func (s *storm) flags(f wire.Flags) wire.Flags {
	for _, x := range []struct {
		flag  wire.Flags
		oneIn int
	}{{wire.FIN, 6}, {wire.SYN, 10}, {wire.RST, 25}, {wire.PSH, 2}, {wire.URG, 20}, {wire.ACK, 15}} {
		if s.r.IntN(x.oneIn) == 0 {
			f ^= x.flag
		}
	}
	return f
}

// near returns a distance from RCV.NXT, or from SND.NXT, to a number that is the
// edge of something, or close to one.
func (s *storm) near(en *Entry, ack bool) seq.Num {
	edges := []seq.Num{0, 0, 1 << 31, seq.Num(s.r.Uint32()), seq.Num(s.r.IntN(3000)), -seq.Num(s.r.IntN(3000))}
	switch {
	case en == nil:
	case ack:
		n := en.snd.nxt
		edges = append(edges, en.snd.una-n, en.snd.una-n, en.snd.una-n, en.snd.iss-n, en.snd.una-seq.Num(en.snd.maxWnd)-n, en.snd.nxt-n, en.out.end()-n)
	default:
		n := en.rcv.nxt
		edges = append(edges, en.rcv.edge-n, en.rcv.irs-n, en.rcv.acked-n)
		if o := en.in.ooo; o != nil {
			edges = append(edges, o.fin-n)
			for _, p := range o.parts[:min(len(o.parts), 6)] {
				edges = append(edges, p.seq-n, p.end()-n)
			}
		}
	}
	return edges[s.r.IntN(len(edges))] + seq.Num(s.r.IntN(5)) - 2
}

func (s *storm) options(en *Entry, g *Segment) {
	o := &g.Options
	if s.r.IntN(4) > 0 {
		o.Set, o.TSVal = wire.OptTimestamps, s.now.Milliseconds()
		if en != nil && s.r.IntN(3) == 0 {
			o.TSVal = en.ts.recent + []uint32{0, 1, 0xffffffff, 1 << 31, s.r.Uint32()}[s.r.IntN(5)]
		}
		o.TSEcr = s.r.Uint32()
		if en != nil && s.r.IntN(3) > 0 {
			o.TSEcr = en.ts.value(s.now) - uint32(s.r.IntN(100))
		}
	}
	if g.Flags.Has(wire.SYN) {
		o.Set |= wire.OptionSet(s.r.Uint32()) & (wire.OptMSS | wire.OptWindowScale | wire.OptSACKPermitted | wire.OptTimestamps)
		o.MSS, o.WindowScale = uint16(s.r.IntN(1500)), uint8(s.r.IntN(15))
	}
	if g.Flags.Has(wire.SYN) && s.fast != nil && s.fast.IntN(4) > 0 {
		t := wire.Tuple{Local: addrA, Remote: addrB}
		switch s.fast.IntN(4) {
		case 0:
			o.SetFastOpen(wire.FastOpenCookie{})
		case 1:
			o.SetFastOpen(wire.FastOpenCookieOf(s.fast.Uint64()))
		default:
			s.e.cookies.turn(s.now)
			s.e.cfg.fastOpens.turn(&s.e.cookies, &s.e.cfg.FastOpenKeys)
			o.SetFastOpen(s.e.cfg.fastOpens.cookie(&t))
		}
	}
	if s.r.IntN(5) == 0 && !o.Has(wire.OptFastOpen) {
		o.Set |= wire.OptSACK
		o.SACKBlocks = uint8(1 + s.r.IntN(4))
		for i := range o.SACK {
			o.SACK[i].Left = g.Ack + s.near(en, true)
			o.SACK[i].Right = o.SACK[i].Left + s.near(en, true)
		}
	}
}

// arrive hands a segment over; its text is the pattern of its numbers.
func (s *storm) arrive(t wire.Tuple, g *Segment) {
	first := int64(g.Seq)
	if g.Flags.Has(wire.SYN) {
		first++
	}
	g.Views = twoViews(patternBytes(first, g.Len))
	borrowed, before := g.Views, s.e.replies.len()
	s.note("< %d %s +%d", t.RemotePort, g.TCP.String(), g.Len)
	was := g.Flags
	k := oracle.Step{Before: viewed(s.e.Look(t)), Segment: judged(g), Unheard: !s.clean || g.GSOSize > 0}
	d := s.e.Receive(s.now, s.path, &t, g)
	if was.Has(wire.RST) && s.e.replies.len() > before {
		s.fail("a RST is answered (%v)", d)
	}
	s.judge(&k, t)
	for _, v := range borrowed {
		s.blocks[v.Block] = true
		v.Release()
	}
}

// call has a program do something.
func (s *storm) call() {
	if len(s.progs) == 0 {
		return
	}
	p := s.progs[s.r.IntN(len(s.progs))]
	if p.left {
		return
	}
	s.clean = false
	what := s.r.IntN(16)
	s.note("%d %v calls %d", p.tuple.RemotePort, p.state, what)
	switch what {
	case 0, 1, 2, 3:
		n := 1 + s.r.IntN(1<<s.r.IntN(14))
		if p.SendSpace() > 0 && s.e.SendCopy(s.now, p.Entry, patternBytes(int64(p.written)+1, n)) {
			p.written += n
		}
	case 4, 5, 6:
		s.take(p, 1+s.r.IntN(5000))
	case 7:
		s.e.CloseWrite(s.now, p.Entry)
	case 8:
		s.e.CloseRead(s.now, p.Entry)
		p.read = -1 // from here on the stream has gaps
	case 9:
		s.e.SetNoDelay(s.now, p.Entry, s.r.IntN(2) == 0)
	case 10:
		s.e.SetReceiveBuffer(s.now, p.Entry, s.r.IntN(1<<(1+s.r.IntN(20))))
	case 11:
		s.e.MarkUrgent(s.now, p.Entry)
	case 12:
		s.e.ReceiveICMP(s.now, p.tuple, ICMPError{Kind: ICMPKind(s.r.IntN(3)), Failure: Refused, Seq: p.snd.una + seq.Num(s.r.IntN(3)) - 1, MTU: s.r.IntN(2000)})
	case 13:
		s.e.SetUserTimeout(s.now, p.Entry, time.Duration(s.r.IntN(60))*time.Second)
	default:
		s.leave(p)
	}
}

func (s *storm) leave(p *stormProgram) {
	p.left = true
	switch s.r.IntN(5) {
	case 0:
		s.e.Abort(s.now, p.Entry)
	case 1:
		s.e.Kill(s.now, p.tuple)
		s.e.Close(s.now, p.Entry)
	default:
		s.e.Close(s.now, p.Entry)
	}
}

func (s *storm) take(p *stormProgram, n int) {
	for _, v := range s.e.Take(s.now, p.Entry, n, nil) {
		s.blocks[v.Block] = true
		if p.read >= 0 {
			want := patternBytes(int64(p.rcv.irs)+1+int64(p.read), v.Len())
			if got := v.Bytes(); string(got) != string(want) {
				s.fail("what is read from byte %d on is not what was sent: % x, not % x", p.read, head(got), head(want))
			}
			p.read += v.Len()
		}
		v.Release()
	}
}

// finish has all programs leave, and nobody speak any more.
func (s *storm) finish() {
	for _, p := range s.progs {
		if !p.left {
			s.leave(p)
		}
	}
	s.e.CloseListener(s.now, s.listener)
	s.pull()
	start := s.now
	for s.e.Deadline() != clock.Never {
		s.pass(1)
		if s.now.Sub(start) > 15*time.Minute {
			s.fail("%d connections do not end", s.e.Len())
		}
	}
	if n := s.e.Len(); n > 0 {
		s.fail("%d connections are left for ever", n)
	}
	checkNoReferences(s, s.blocks)
	if s.Failed() {
		s.fail("memory is left")
	}
}

// judge holds what a segment brought about against RFC 9293 §3.10.7. If nothing was to be
// sent before, all that is sent now is its answer.
func (s *storm) judge(k *oracle.Step, t wire.Tuple) {
	s.heard, s.asked = nil, t
	if s.clean = s.clean && !k.Unheard; s.clean {
		s.output()
		k.Replies = s.heard
	}
	k.After = viewed(s.e.Look(t))
	if err := s.relation.Check(k); err != nil {
		s.fail("%v", err)
	}
}

// judged is a segment as the relation wants it.
func judged(g *Segment) oracle.Segment {
	return oracle.Segment{Seq: uint32(g.Seq), Ack: uint32(g.Ack), Flags: uint16(g.Flags), Len: g.Len,
		Stamped: g.Options.Has(wire.OptTimestamps), Stamp: g.Options.TSVal}
}

// viewed is a connection as the relation wants it.
func viewed(i Info) oracle.View {
	return oracle.View{State: oracle.State(i.State), ISS: i.ISS, Una: i.SndUna, Next: i.SndNxt, MaxWindow: i.SndMaxWnd,
		IRS: i.IRS, RcvNext: i.RcvNxt, Window: uint32(i.RcvWnd), TSRecent: i.TSRecent, Timestamps: i.Timestamps,
		Passive: i.Passive, FinSent: i.FinSent, EarlyFin: i.EarlyFin, Orphan: i.Orphan, Paced: i.Paced}
}
