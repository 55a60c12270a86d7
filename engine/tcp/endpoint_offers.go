package tcp

// SetOffers changes what connections offer, and agree to, that begin from now on: NoTimestamps,
// NoSACK, ECN, ECNOption, FastOpen and SynRetries of c, with their defaults. Nothing else of c counts, and
// connections that there are stay as they are, but that ECNOption counts for all at once. Of handshakes that are under way only those
// without an entry of their own can suffer: a cookie with timestamps is none any more once
// they are switched off.
func (e *Endpoint) SetOffers(c Config) {
	o := c.withDefaults()
	e.cfg.NoTimestamps, e.cfg.NoSACK, e.cfg.ECN = o.NoTimestamps, o.NoSACK, o.ECN
	e.cfg.ECNOption = o.ECNOption
	e.cfg.FastOpen, e.cfg.SynRetries = o.FastOpen, o.SynRetries
}
