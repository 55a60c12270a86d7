package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Behind a black hole the size of segments falls at once to one that nearly every path
// carries, and then it is searched upwards, step by step: RFC 4821 §7, RFC 8899 §5.3. A probe
// is one larger segment with the end of what is out already. It comes on top, so that nobody
// waits for it, and it is not in the ledger: that it is lost is no loss of the connection, no
// congestion (RFC 4821 §7.2), and brings no timer. It came through when the peer's D-SACK says
// that just this text came twice. A peer without SACK cannot say so: there the path's own size
// is tried again after mtuAge, with text that counts.
// https://www.rfc-editor.org/rfc/rfc8899#section-5.3
//
// It takes no room: while a size is proven the send queue's claim has none to make. It says
// how far the search is, and sized is where the probe's text ends.
const (
	sizeSearch = 2                             // the first probe of a step is to be sent; one more: it is out
	searchOver = sizeSearch + 2*mostSizeProbes // what is not below is an MTU

	// mostSizeProbes is how often a step is tried before it is too large: the probe or its
	// answer may be lost for other reasons. MAX_PROBES of RFC 8899 §5.1.2.
	mostSizeProbes = 3
)

// sizeSteps are MTUs that paths have: IPv6's least, tunnels in tunnels, tunnels, PPPoE,
// Ethernet, FDDI, jumbo frames, a token ring and hyperchannel of RFC 1191. They are close
// together where most paths are. Between two of them a tenth at most is given away.
var sizeSteps = [...]uint16{1064, 1280, 1400, 1452, 1492, 1500, 2002, 4352, 8166, 9000, 17914, 32000}

// searching reports whether a larger size is searched for.
func (q *sendQueue) searching() bool { return q.claim >= sizeSearch && q.claim < searchOver }

// nextStep is the MTU to be tried next.
func (p *path) nextStep() uint16 {
	for _, mtu := range sizeSteps {
		if mtu > p.mtu && mtu < p.told {
			return mtu
		}
	}
	return p.told
}

// probeText is how many bytes a full segment of the next step carries.
func (c *Conn) probeText() int {
	full := min(max(c.snd.peer, minMSS), c.options.full(int(c.path.nextStep()), headerSize(c.tuple.Local)))
	full -= min(uint16(c.alwaysSize()), full-1)
	return int(full) - (int(c.path.mss) - c.payload())
}

// search begins where the size at hand is proven, below a path's that was suspected.
func (c *Conn) search() {
	if c.is(sizeSuspect) && c.has(sackOK) && c.path.mtu < c.path.told {
		c.out.claim = sizeSearch
	}
}

// buildSizeProbe makes a probe, for which there has to be enough text out, and nothing else
// to send for now.
func (c *Conn) buildSizeProbe(now clock.Time, out *Output) bool {
	q, n := &c.out, c.probeText()
	if !q.searching() {
		return false
	}
	if q.claim&1 != 0 && q.sized.Less(c.snd.una) { // what was sent after it is acknowledged, and it was not
		c.sizeProbeLost(now)
	}
	end := seq.Min(q.end(), c.snd.nxt)
	switch {
	case n <= c.payload(): // the peer takes no more
		q.claim = sizeProven
		return false
	case c.options.records != nil, !q.searching(), q.claim&1 != 0, int(end.Diff(c.snd.una)) < n, int(c.snd.wnd) < n, !c.calmEnough():
		return false
	}
	c.begin(out)
	if out.Views, out.Len = q.fill(out.Views, end-seq.Num(n), n); out.Len < n { // too many pieces
		out.cutBack(out.Len)
		return false
	}
	out.Seq, out.again = end-seq.Num(n), true
	out.Flags |= wire.ACK
	c.finish(now, out)
	c.sentAgain(out)
	q.claim, q.sized = q.claim+1, end
	return true
}

// calmEnough reports whether text may go twice: nothing is being repaired, so that what the
// peer tells of it has one meaning, and no segment needs its options for something else.
func (c *Conn) calmEnough() bool {
	return c.loss.phase == noLoss && c.loss.probed == notProbed && c.flight != nil && c.flight.Untroubled() &&
		c.in.ooo == nil && !c.is(urgentSent|tellTimeout) && c.state.Synchronized()
}

// sizeProbeLost goes on to the next probe; after the last the size stays for mtuAge.
func (c *Conn) sizeProbeLost(now clock.Time) {
	if c.out.claim++; c.out.claim < searchOver {
		return
	}
	c.out.claim = sizeProven
	c.cfg.stats.TCPMTUPFail++
	if !c.lifeBounded() {
		c.timers.arm(TimerLife, now.Add(mtuAge))
	}
}

// sizeProbeCame takes a D-SACK block, and reports whether it answers the probe: then the size
// is proven, and the next one is searched for.
func (c *Conn) sizeProbeCame(twice wire.SACKBlock) bool {
	q := &c.out
	if !q.searching() || q.claim&1 == 0 || twice.Right != q.sized || int(twice.Right.Sub(twice.Left)) != c.probeText() {
		return false
	}
	c.cfg.stats.TCPMTUPSuccess++
	c.path.mtu = c.path.nextStep()
	c.updateMSS()
	q.claim = sizeProven
	if c.search(); c.path.mtu == c.path.told {
		c.set(sizeSuspect, false)
		if !c.lifeBounded() {
			c.timers.disarm(TimerLife)
		}
	}
	return true
}
