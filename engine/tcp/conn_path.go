package tcp

import (
	"math"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// path is what a connection knows of the way to its peer, and what follows from
// that: it changes seldom, and is asked for with every segment.
type path struct {
	told   uint16 // MTU, as the host tells it
	link   uint16 // and that of the link
	mtu    uint16 // that we go by: ICMP may have told us less
	maxGSO maxGSO
	ours   uint16 // what our MSS option says: see mssOf
	mss    uint16 // payload of a full segment that we send, timestamps subtracted
	super  uint16 // payload of the largest segment, or super-segment, of such
}

// maxGSO is the largest IP packet that may leave, a number of two bytes; 0: no super-segments.
// Its lowest bit says that the host takes them apart.
type maxGSO uint16

func (g maxGSO) bytes() int     { return int(g &^ 1) }
func (g maxGSO) software() bool { return g&1 != 0 }

func (p *Path) maxGSO() maxGSO {
	g := maxGSO(min(p.MaxGSO, math.MaxUint16)) &^ 1
	if p.SoftwareGSO {
		g |= 1
	}
	return g
}

// setPath takes note of the way's MTU and of what the link takes.
func (c *Conn) setPath(p *Path) {
	mtu, gso := uint16(min(p.MTU, math.MaxUint16)), p.maxGSO()
	if mtu != c.path.told || gso != c.path.maxGSO {
		c.path.maxGSO, c.path.link = gso, p.linkMTU()
		c.pathChanged(mtu)
	}
}

// pathChanged follows the MTU that the host tells: down at once, and up unless
// ICMP has told us less, which lasts until TimerLife.
func (c *Conn) pathChanged(mtu uint16) {
	up := mtu > c.path.told
	c.path.told = mtu
	switch {
	case c.path.mtu == 0:
		c.path.mtu = mtu
	case mtu < c.path.mtu:
		c.resize(mtu, c.snd.una-1)
	case up && !c.timers.armed(TimerLife):
		c.resize(mtu, c.snd.nxt-1)
	}
	c.updateMSS()
}

// linkMTU is the largest IP packet that may arrive by the link.
func (p *Path) linkMTU() uint16 { return max(p.Link, uint16(min(p.MTU, math.MaxUint16))) }

// mssOf is how much text a packet of mtu bytes carries behind headers of so many. The link's
// MTU gives what our MSS option says (MUST-67), whatever is known of the way: the option is of
// what we can receive, and packets to us may come by another way. The path's gives what we send.
// Options of IP and TCP are not subtracted: their sender does that, or they would be
// subtracted twice. https://www.rfc-editor.org/rfc/rfc6691#section-2
func mssOf(mtu, headers int) uint16 {
	return uint16(max(min(mtu, math.MaxUint16)-headers, narrowMSS))
}

// sackRoom is how many SACK blocks an ACK has room for, beside the timestamp.
// On a link of less than 80 bytes that is less than the options would hold.
func (c *Conn) sackRoom() uint8 {
	room := min(int(c.path.ours), wire.MaxTCPOptions) - 4
	return uint8(max(room-c.alwaysSize(), 0) / 8)
}

// alwaysSize is what the options of every segment take.
func (c *Conn) alwaysSize() (n int) {
	if c.has(stamping) {
		n = timestampSize
	}
	if c.options.auth != nil {
		n += wire.AuthSize
	}
	return n
}

// updateMSS computes what follows from the path, and from what the handshake
// settled. There is Eff.snd.MSS of RFC 9293 §3.7.1 (MUST-16): the smaller of what the peer
// takes and what the path carries, less the options of every segment.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.7.1
func (c *Conn) updateMSS() {
	p, headers := &c.path, headerSize(c.tuple.Local)
	p.ours = c.options.full(int(p.link), headers)
	was, mss := p.mss, min(max(c.snd.peer, minMSS), c.options.full(int(p.mtu), headers))
	mss -= min(uint16(c.alwaysSize()), mss-1)
	p.mss, p.super = mss, mss
	if p.maxGSO != 0 && c.options.auth == nil { // each segment has a signature of its own
		p.super = uint16(p.largest(int(mss), headers))
	}
	if mss != was && c.cc != nil {
		c.cc.OnEvent(0, cc.Event{Kind: cc.Resized, MSS: int(mss)})
	}
}

// joins reports whether segments leave together, as super-segments: the link may take none, and
// where each has a signature of its own there are none.
func (p *path) joins() bool { return p.super > p.mss }

// largest is how many bytes segments of mss bytes each may carry together, below
// headers of so many bytes without options: those that a full segment has for lack of
// payload take their place.
func (p *path) largest(mss, headers int) int {
	room := p.maxGSO.bytes() - headers - timestampSize - (int(p.mss) - mss)
	return max(room-room%mss, mss)
}

// A segment size is proven when a full segment of it is acknowledged. ICMP may
// contradict a size that is not proven, once, until something is acknowledged;
// else what it claims waits for a timeout of the retransmission timer, and an
// acknowledgement of the quoted segment refutes it: progress counts for more than
// a message that anybody can send. https://www.rfc-editor.org/rfc/rfc5927#section-7.2

// sizing is what the send queue's claim says when it is no MTU.
const (
	sizeProven   = 0
	sizeUnproven = 1
)

// mtuAge is how long a smaller MTU is kept before the larger one is tried again:
// https://www.rfc-editor.org/rfc/rfc8201#section-4
const mtuAge = 10 * time.Minute

// packetTooBig is what ICMP says of the segment at e.Seq, which is in flight:
// all segments of that size are sent again in smaller ones.
func (c *Conn) packetTooBig(now clock.Time, e ICMPError) {
	mtu := uint16(min(max(e.MTU, headerSize(c.tuple.Local)+minMSS), math.MaxUint16))
	q := &c.out
	if q.searching() && mtu < c.path.mtu {
		q.claim = sizeProven
	}
	switch {
	case mtu >= c.path.mtu && (e.Size <= int(c.path.mtu) || q.claim != sizeUnproven || q.sized == c.snd.una):
		// It tells nothing new, and what it quotes has been resized already.
	case q.claim == sizeUnproven && q.sized != c.snd.una:
		from := seq.Min(seq.Max(c.snd.una, q.sized.Add(1)), e.Seq)
		if mtu < c.path.mtu {
			c.lowerMTU(now, mtu)
		}
		q.sized = c.snd.una
		if c.flight != nil {
			c.flight.LoseFrom(from)
		}
		c.armRetransmit(now)
	case q.claim >= searchOver:
		q.claim = min(q.claim, mtu)
	case q.claim == sizeProven:
		q.claim, q.sized = mtu, e.Seq
	default:
		q.claim = mtu
	}
}

// lowerMTU believes in a smaller MTU, for ten minutes.
func (c *Conn) lowerMTU(now clock.Time, mtu uint16) {
	c.resize(mtu, c.snd.una)
	if !c.timers.armed(TimerLife) || !c.lifeBounded() {
		c.timers.arm(TimerLife, now.Add(mtuAge))
	}
}

// resize makes mtu the size of packets; segments from number sized on have it.
func (c *Conn) resize(mtu uint16, sized seq.Num) {
	c.path.mtu, c.out.claim, c.out.sized = mtu, sizeUnproven, sized
	c.updateMSS()
}

// sizeAcked follows an ACK of bytes while the size is not proven, or disputed.
func (c *Conn) sizeAcked(bytes int) {
	q := &c.out
	switch past := int(c.snd.una.Diff(q.sized)); {
	case past <= 0, q.searching(): // not yet the segments in question, or there is no question
	case min(past, bytes) >= int(c.path.mss):
		q.claim = sizeProven
		c.search()
		if c.is(sizeSuspect) && c.path.mtu == c.path.told {
			c.set(sizeSuspect, false)
			c.cfg.stats.TCPMTUPSuccess++
		}
	default:
		q.claim, q.sized = sizeUnproven, c.snd.una-1
	}
}

// confirmClaim is for a timeout: what ICMP claimed was true, it seems.
func (c *Conn) confirmClaim(now clock.Time) {
	if mtu := c.out.claim; mtu >= searchOver {
		c.out.claim = sizeUnproven
		if mtu < c.path.mtu {
			c.lowerMTU(now, mtu)
		}
	}
}

// A router that drops what is too large and does not say so is a black hole, RFC 2923
// §2.1. As in Linux with tcp_mtu_probing=1 it is suspected when segments were sent
// so often in a row without an answer: R1 of RFC 9293 §3.8.3. Then segments have the base
// size of RFC 4821 §7.2 and RFC 8899 §5.1.2, and if that is too large, one that every host
// takes. From there larger ones are searched: see sizeSearch. After mtuAge that begins anew
// (PMTU_RAISE_TIMER of RFC 8899), or, with a peer without SACK, the path's own size is tried
// again, and when that fails a single timeout is enough.
// https://www.rfc-editor.org/rfc/rfc4821#section-7.7
const suspectAfter = 3

// baseMTUs are the sizes to go down to, by IP version: an MSS of 1024, and what every
// host takes.
var baseMTUs = [2][]uint16{{1024 + 40, 576}, {1280}}

// suspectSize is for a timeout: it makes segments smaller when the path may be a black
// hole for those that are out.
func (c *Conn) suspectSize(now clock.Time) {
	raised := c.is(sizeSuspect) && c.out.claim == sizeUnproven && c.path.mtu == c.path.told
	if int(c.live.retries) < suspectAfter && !raised {
		return
	}
	headers := headerSize(c.tuple.Local)
	headers += c.alwaysSize()
	for _, mtu := range baseMTUs[version(c.tuple.Local)] {
		// What would be no smaller in smaller segments has been lost for another reason. It
		// need not be a full segment: the last one of a stream never is.
		if mtu < c.path.mtu && c.textOut() > int(mtu)-headers {
			if raised {
				c.cfg.stats.TCPMTUPFail++
			}
			c.set(sizeSuspect, true)
			c.lowerMTU(now, mtu)
			return
		}
	}
}

// textOut is how many bytes of text are out.
func (c *Conn) textOut() int {
	return int(min(c.out.end().Diff(c.snd.una), c.snd.nxt.Diff(c.snd.una)))
}

// retryMTU goes back to the MTU that the host tells, or searches for it.
func (c *Conn) retryMTU() {
	switch {
	case c.path.told <= c.path.mtu:
	case !c.is(sizeSuspect) || !c.has(sackOK):
		c.resize(c.path.told, c.snd.nxt-1)
	case c.out.claim == sizeProven: // else it begins when it is
		c.search()
	}
}

// lifeBounded reports whether TimerLife bounds the connection's life; before
// that it is free for the age of the MTU.
func (c *Conn) lifeBounded() bool {
	return c.state == TimeWait || c.state == FinWait2 && c.is(orphan)
}

// narrowed is a path that proved to be narrower than the host said.
type narrowed struct {
	remote wire.Addr
	mtu    int
}

// maxNarrowed is how many of them wait; more are forgotten, and found again.
const maxNarrowed = 64

// narrowing notes it when en, which had this MTU, has a smaller one now. What silence
// says concerns en alone: the peer may only be away.
func (e *Endpoint) narrowing(en *Entry, mtu uint16) {
	if en.path.mtu < mtu && !en.is(sizeSuspect) && len(e.narrowed) < maxNarrowed {
		e.narrowed = append(e.narrowed, narrowed{en.tuple.Remote, int(en.path.mtu)})
	}
}

// NextNarrowed returns a path that proved to be narrower than the host said, and
// its MTU: what ReceiveICMP and Advance found out since it was asked last. ok is
// false when there is nothing more.
func (e *Endpoint) NextNarrowed() (remote wire.Addr, mtu int, ok bool) {
	if len(e.narrowed) == 0 {
		return remote, 0, false
	}
	last := len(e.narrowed) - 1
	n := e.narrowed[last]
	e.narrowed = e.narrowed[:last]
	return n.remote, n.mtu, true
}
