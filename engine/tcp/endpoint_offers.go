package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/fastopen"
)

// Offers is what of a Config may change while an endpoint runs: what connections offer, and
// agree to, when they begin. Connections that there are stay as they are. Of handshakes that
// are under way only those without an entry of their own can suffer: a cookie with timestamps
// is none any more once they are switched off.
type Offers struct {
	NoTimestamps, NoSACK bool
	ECN                  cc.ECNMode
	FastOpen             fastopen.Mode
	SynRetries           int // at least -1, at most MaxSynRetries
}

// Offers returns what connections offer now.
func (e *Endpoint) Offers() Offers {
	return Offers{e.cfg.NoTimestamps, e.cfg.NoSACK, e.cfg.ECN, e.cfg.FastOpen, e.cfg.SynRetries}
}

// SetOffers changes what connections offer from now on. Zero is not the default here: see
// Offers for what there is.
func (e *Endpoint) SetOffers(o Offers) {
	e.cfg.NoTimestamps, e.cfg.NoSACK, e.cfg.ECN = o.NoTimestamps, o.NoSACK, o.ECN
	e.cfg.FastOpen, e.cfg.SynRetries = o.FastOpen&fastopen.All, min(max(o.SynRetries, -1), MaxSynRetries)
}
