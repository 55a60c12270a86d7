package recovery

// PRR is proportional rate reduction: in recovery as much leaves for what arrives
// as brings what is in flight down to the threshold by its end.
// https://www.rfc-editor.org/rfc/rfc9937
type PRR struct {
	start     int32 // in flight when recovery began
	delivered int32 // since then
	sent      int32 // since then
	window    int32
}

// Begin starts a reduction from so many bytes in flight.
func (p *PRR) Begin(inFlight int) { *p = PRR{start: int32(max(inFlight, 1))} }

// Deliver takes an ACK of some bytes, after which pipe are in flight. That it is
// safe says that it made progress and showed no new loss.
// https://www.rfc-editor.org/rfc/rfc9937#section-6.2
func (p *PRR) Deliver(bytes, pipe, threshold, mss int, safe bool) {
	p.delivered += int32(bytes)
	n := 0
	// As long as too much is in flight, in proportion to what arrives; once it is less, as
	// fast as slow start would, to come back to the threshold and no further.
	if pipe > threshold {
		n = int((int64(p.delivered)*int64(threshold)+int64(p.start)-1)/int64(p.start)) - int(p.sent)
	} else {
		n = max(int(p.delivered-p.sent), bytes)
		if safe {
			n += mss
		}
		n = min(n, threshold-pipe)
	}
	p.window = int32(pipe + max(n, 0))
	if p.sent == 0 {
		p.Allow(pipe + mss) // the first repair goes at once
	}
}

// Allow lets at least so many bytes be in flight.
func (p *PRR) Allow(inFlight int) { p.window = max(p.window, int32(inFlight)) }

// Sent notes what leaves in recovery.
func (p *PRR) Sent(bytes int) { p.sent += int32(bytes) }

// Window is how much may be in flight.
func (p *PRR) Window() int { return int(p.window) }
