package tcp

import (
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Look returns what a segment of a four-tuple would meet: of a connection, in whatever
// form it is kept, the state and the variables of the protocol (ISS up to Paced,
// RcvWnd, Timestamps and Orphan of Info), or else LISTEN or CLOSED. It is for those who judge from outside what
// a segment brings about, and it changes nothing.
func (e *Endpoint) Look(t wire.Tuple) (i Info) {
	if en := e.conns.find(&t); en != nil && (en.state != Closed || e.listener(&t) == nil) {
		i.State, i.Timestamps, i.Orphan = en.state, en.has(stamping), en.is(orphan)
		i.RcvWnd = int(en.rcv.edge.Sub(en.rcv.nxt))
		en.infoNumbers(&i)
		return i
	}
	f := e.cookies.flow(&t)
	if at := e.halfOpen.find(f, &t); at != 0 {
		return e.halfOpen.at(at).look(e.cfg)
	}
	if w := e.timeWait.find(f, &t); w != 0 {
		return e.timeWait.at(w).look()
	}
	if e.listener(&t) != nil {
		i.State = Listen
	}
	return i
}

func (h *halfOpen) look(cfg *Config) (i Info) {
	i.State, i.Passive, i.Timestamps = SynReceived, true, h.agreed&stamping != 0
	i.ISS, i.SndUna, i.SndNxt = uint32(h.iss), uint32(h.iss), uint32(h.iss)+1
	i.IRS, i.RcvNxt, i.TSRecent = uint32(h.irs), uint32(h.irs)+1, h.tsRecent
	i.RcvWnd = min(cfg.ReceiveBuffer, 0xffff)
	return i
}

func (w *timeWait) look() (i Info) {
	i.State, i.Timestamps, i.Orphan, i.FinSent = TimeWait, w.flags&waitTimestamps != 0, true, true
	i.SndUna, i.SndNxt, i.RcvNxt, i.TSRecent = uint32(w.sndNxt), uint32(w.sndNxt), uint32(w.rcvNxt), w.tsRecent
	i.RcvWnd = int(seq.Size(w.window) << (w.flags & waitShift))
	return i
}
