// Package look shows a connection of the engine to the judges of lab/oracle, which know
// nothing of it.
package look

import (
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// View is what the relation wants to know of a connection.
func View(i tcp.Info) oracle.View {
	return oracle.View{State: oracle.State(i.State), ISS: i.ISS, Una: i.SndUna, Next: i.SndNxt, MaxWindow: i.SndMaxWnd,
		IRS: i.IRS, RcvNext: i.RcvNxt, Window: uint32(i.RcvWnd), TSRecent: i.TSRecent, Timestamps: i.Timestamps,
		Passive: i.Passive, FinSent: i.FinSent, EarlyFin: i.EarlyFin, Orphan: i.Orphan, Paced: i.Paced}
}
