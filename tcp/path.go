package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/wire"
)

// setPath takes note of the way's MTU and of what the link takes.
func (c *Conn) setPath(p Path) {
	c.snd.maxGSO = int32(p.MaxGSO)
	c.set(softwareGSO, p.SoftwareGSO)
	if mtu := uint16(min(p.MTU, 0xffff)); c.rcv.mtu == 0 || mtu < c.rcv.mtu {
		c.rcv.mtu = mtu
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
	if c.ts.on {
		room -= timestampSize
	}
	return uint8(room / 8)
}

// updateMSS computes Eff.snd.MSS of RFC 9293 §3.7.1: the smaller of what the
// peer takes and what the path carries, less the options of every segment.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.7.1
func (c *Conn) updateMSS() {
	mss := min(max(c.snd.peer, minMSS), c.ourMSS())
	if c.ts.on {
		mss -= timestampSize
	}
	if mss == c.snd.mss {
		return
	}
	c.snd.mss = mss
	if c.cc != nil {
		c.cc.SetMSS(int(mss))
	}
}

// packetTooBig lowers the path's MTU and sends again what did not fit. The
// caller has checked that the quoted segment is in flight.
// https://www.rfc-editor.org/rfc/rfc5927#section-7.2
func (c *Conn) packetTooBig(now clock.Time, mtu int) {
	mtu = max(mtu, headerSize(c.tuple.Local)+minMSS)
	if mtu >= int(c.rcv.mtu) {
		return
	}
	c.rcv.mtu = uint16(mtu)
	c.updateMSS()
	c.snd.resend = c.snd.una
	c.rttStop()
	c.armRetransmit(now)
}
