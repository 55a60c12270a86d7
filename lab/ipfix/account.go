package ipfix

import (
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Of returns the record of a connection of ours. Wall says when something happened.
func Of(f *account.Flow, wall func(clock.Time) time.Time) Record {
	t := f.Tuple
	r := Record{Start: wall(f.Start), End: wall(f.End), Forward: count(&f.Sent), Reverse: count(&f.Received), Reason: reasonOf(f.Ending)}
	if f.Passive {
		t, r.Forward, r.Reverse = t.Reverse(), r.Reverse, r.Forward
	}
	r.Source, r.Destination = addrPort(t.Local, t.LocalPort), addrPort(t.Remote, t.RemotePort)
	return r
}

func count(s *account.Side) Count { return Count{s.Packets, s.Octets, uint16(s.Flags)} }

func reasonOf(e account.Ending) EndReason {
	switch e {
	case account.Open:
		return ActiveTimeout
	case account.TimedOut, account.UserTimeout, account.KeepAlive, account.HalfClosed:
		return IdleTimeout
	case account.Unreachable:
		return ForcedEnd
	}
	return EndDetected
}

func addrPort(a wire.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Netip(), port) }
