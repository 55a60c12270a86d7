package tcp

import (
	"math"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// setPath takes note of the way's MTU and of what the link takes.
func (c *Conn) setPath(p Path) {
	c.snd.maxGSO = uint16(min(p.MaxGSO, math.MaxUint16))
	c.set(softwareGSO, p.SoftwareGSO)
	if mtu := uint16(min(p.MTU, math.MaxUint16)); mtu != c.snd.told {
		c.pathChanged(mtu)
	}
}

// pathChanged follows the MTU that the host tells: down at once, and up unless
// ICMP has told us less, which lasts until TimerLife.
func (c *Conn) pathChanged(mtu uint16) {
	up := mtu > c.snd.told
	c.snd.told = mtu
	switch {
	case c.rcv.mtu == 0:
		c.rcv.mtu = mtu
	case mtu < c.rcv.mtu:
		c.resize(mtu, c.snd.una-1)
	case up && !c.timers.armed(TimerLife):
		c.resize(mtu, c.snd.nxt-1)
	}
	c.updateMSS()
}

// ourMSS is what our MSS option says: the MTU without fixed headers,
// RFC 9293 §3.7.1 and RFC 6691.
func (c *Conn) ourMSS() uint16 { return mssOf(int(c.rcv.mtu), c.tuple.Local) }

func mssOf(mtu int, a wire.Addr) uint16 {
	return uint16(max(min(mtu, 0xffff)-headerSize(a), narrowMSS))
}

// sackRoom is how many SACK blocks an ACK has room for, beside the timestamp.
// On a link of less than 80 bytes that is less than the options would hold.
func (c *Conn) sackRoom() uint8 {
	room := min(int(c.ourMSS()), wire.MaxTCPOptions) - 4
	if c.has(stamping) {
		room -= timestampSize
	}
	return uint8(room / 8)
}

// updateMSS computes Eff.snd.MSS of RFC 9293 §3.7.1: the smaller of what the
// peer takes and what the path carries, less the options of every segment.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.7.1
func (c *Conn) updateMSS() {
	mss := min(max(c.snd.peer, minMSS), c.ourMSS())
	if c.has(stamping) {
		mss -= timestampSize
	}
	if mss == c.snd.mss {
		return
	}
	c.snd.mss = mss
	if c.cc != nil {
		c.cc.OnEvent(0, cc.Event{Kind: cc.Resized, MSS: int(mss)})
	}
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
	switch {
	case mtu >= c.rcv.mtu && (e.Size <= int(c.rcv.mtu) || q.claim != sizeUnproven || q.sized == c.snd.una):
		// It tells nothing new, and what it quotes was cut anew already.
	case q.claim == sizeUnproven && q.sized != c.snd.una:
		from := seq.Min(seq.Max(c.snd.una, q.sized.Add(1)), e.Seq)
		if mtu < c.rcv.mtu {
			c.lowerMTU(now, mtu)
		}
		q.sized = c.snd.una
		if c.flight != nil {
			c.flight.LoseFrom(from)
		}
		c.armRetransmit(now)
	case q.claim > sizeUnproven:
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
	c.rcv.mtu, c.out.claim, c.out.sized = mtu, sizeUnproven, sized
	c.updateMSS()
}

// sizeAcked follows an ACK of bytes while the size is not proven, or disputed.
func (c *Conn) sizeAcked(bytes int) {
	q := &c.out
	switch past := int(c.snd.una.Diff(q.sized)); {
	case past <= 0: // not yet the segments in question
	case min(past, bytes) >= int(c.snd.mss):
		q.claim = sizeProven
	default:
		q.claim, q.sized = sizeUnproven, c.snd.una-1
	}
}

// confirmClaim is for a timeout: what ICMP claimed was true, it seems.
func (c *Conn) confirmClaim(now clock.Time) {
	if mtu := c.out.claim; mtu > sizeUnproven {
		c.out.claim = sizeUnproven
		if mtu < c.rcv.mtu {
			c.lowerMTU(now, mtu)
		}
	}
}

// retryMTU tries the MTU that the host tells once more.
func (c *Conn) retryMTU() {
	if c.snd.told > c.rcv.mtu {
		c.resize(c.snd.told, c.snd.nxt-1)
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

// narrowing notes it when en, which had this MTU, has a smaller one now.
func (e *Endpoint) narrowing(en *Entry, mtu uint16) {
	if en.rcv.mtu < mtu && len(e.narrowed) < maxNarrowed {
		e.narrowed = append(e.narrowed, narrowed{en.tuple.Remote, int(en.rcv.mtu)})
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
