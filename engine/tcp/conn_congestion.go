package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// control gives c the congestion control of that name. One that takes the place of
// another goes on with its window. What it draws repeats with the numbers of the
// connection.
func (c *Conn) control(now clock.Time, name string) {
	p := cc.Params{MSS: int(c.path.mss), Now: now, Seed: uint64(c.snd.iss)<<32 | uint64(c.rcv.irs)}
	if c.cc != nil {
		l := c.cc.Limits()
		p.Window, p.Threshold = l.Window, l.Threshold
	}
	c.cc = cc.Make(name, p)
	c.ecn.set(exact, c.cc.Traits()&cc.ExactEcho != 0)
	// What the old one held back may leave: the new one has its own pace, or none.
	if f := c.flight; f != nil {
		f.wants, f.held, f.behind = c.cc.Traits(), false, false
	}
}

// SetCongestionControl gives a connection that is established the congestion control
// of that name, one of cc.Names(), as TCP_CONGESTION does in Linux. It goes on with
// the window that there is. The error of a name that does not exist lists those that
// do; before the connection is established it is ErrNotEstablished.
func (e *Endpoint) SetCongestionControl(now clock.Time, en *Entry, name string) error {
	if err := cc.Check(name); err != nil {
		return err
	}
	if en.cc == nil {
		return ErrNotEstablished
	}
	en.control(now, name)
	e.update(now, en)
	return nil
}
