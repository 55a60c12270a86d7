package detect

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// ReasonKind names a signal.
type ReasonKind uint8

// The signals.
const (
	Unanswered     ReasonKind = iota // handshakes that fail, most of them without a trace: share, as Numbers.Unanswered
	SynRepeated                      // handshakes that needed a repetition, as real clients do it: share
	SynResets                        // SYN-ACKs answered by RST: share
	FewCompletions                   // completed handshakes are missing: rate, usual rate
	ManyCompleted                    // completions keep up with SYNs: rate, usual rate
	HalfOpenQueue                    // half-open entries: count, limit
	HalfOpenAge                      // age of the oldest half-open entry: seconds
	ManySources                      // different sources: count, per SYN
	FewSources                       // the same
	ClosedPorts                      // different closed ports: count, SYNs for them per second
	Scanners                         // sources that ask for many closed ports: count
	BadCookies                       // invalid cookies: rate
	AcceptQueue                      // SYNs dropped because the program is slow: rate
)

var reasonName = [...]string{
	Unanswered: "unanswered", SynRepeated: "repeated", SynResets: "reset", FewCompletions: "few completions",
	ManyCompleted: "many completions", HalfOpenQueue: "half-open", HalfOpenAge: "half-open age",
	ManySources: "many sources", FewSources: "few sources", ClosedPorts: "closed ports", Scanners: "scanners",
	BadCookies: "bad cookies", AcceptQueue: "accept queue",
}

func (k ReasonKind) String() string { return reasonName[k] }

// MarshalText writes the kind as a word.
func (k ReasonKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// reasonText are formats of Value and Other.
var reasonText = [...]string{
	Unanswered:     "%.0f %% of handshakes unanswered",
	SynRepeated:    "%.0f %% of handshakes repeated as by real clients",
	SynResets:      "%.0f %% of SYN-ACKs answered by RST",
	FewCompletions: "%s/s completed where %s/s is usual",
	ManyCompleted:  "%s/s completed where %s/s is usual",
	HalfOpenQueue:  "half-open %.0f/%.0f",
	HalfOpenAge:    "oldest half-open %.0f s",
	ManySources:    "about %s sources",
	FewSources:     "about %s sources",
	ClosedPorts:    "about %s closed ports, %s/s",
	Scanners:       "%.0f sources scan",
	BadCookies:     "%s/s invalid cookies",
	AcceptQueue:    "%s/s SYNs dropped, accept queue full",
}

// Reason is one signal that speaks for a verdict. What Value and Other are is
// said at the kinds; shares are 0 to 1.
type Reason struct {
	Kind         ReasonKind
	Value, Other float64
}

func (r Reason) String() string {
	f := reasonText[r.Kind]
	args := []any{r.Value, r.Other}
	if strings.Contains(f, "%%") {
		args[0] = 100 * r.Value
	}
	if strings.Contains(f, "%s") {
		args[0], args[1] = about(r.Value), about(r.Other)
	}
	n := strings.Count(strings.ReplaceAll(f, "%%", ""), "%")
	return fmt.Sprintf(f, args[:n]...)
}

// speaksFor are the levels that a signal is a reason for. What merely is so at
// the same time, such as completed handshakes during a flood, is no reason; and
// when all is quiet there is nothing to give reasons for.
var speaksFor = [...][]Level{
	Unanswered:     {Elevated, BrokenPath, Flood},
	SynRepeated:    {Elevated, BrokenPath},
	SynResets:      {Elevated, BrokenPath, Flood},
	FewCompletions: {Elevated, BrokenPath},
	ManyCompleted:  {Elevated, FlashCrowd},
	HalfOpenQueue:  {Elevated, FlashCrowd, BrokenPath, Flood},
	HalfOpenAge:    {Elevated, FlashCrowd, BrokenPath, Flood},
	ManySources:    {FlashCrowd, PortScan, BrokenPath, Flood},
	FewSources:     {FlashCrowd, PortScan, BrokenPath, Flood},
	ClosedPorts:    {Elevated, PortScan, Flood},
	Scanners:       {Elevated, PortScan},
	BadCookies:     {Elevated, Flood},
	AcceptQueue:    {Elevated, FlashCrowd, Flood},
}

// reasons lists the signals that stand out and speak for the level.
func (v *Verdict) reasons() (all []Reason) {
	n := &v.Numbers
	add := func(when bool, k ReasonKind, value, other float64) {
		if when && slices.Contains(speaksFor[k], v.Level) {
			all = append(all, Reason{k, value, other})
		}
	}
	share := func(part int) float64 { return float64(part) / float64(max(n.Followed, 1)) }
	add(share(n.Silent) >= floodDrift && n.Followed >= brokenEvents, Unanswered, n.Unanswered(), 0)
	add(share(n.Repeated+n.Late) >= floodDrift && n.Followed >= brokenEvents, SynRepeated, share(n.Repeated+n.Late), 0)
	add(share(n.Reset) >= floodDrift && n.Followed >= brokenEvents, SynResets, share(n.Reset), 0)
	add(n.Usual >= 1 && n.CompletedRate < n.Usual/2, FewCompletions, n.CompletedRate, n.Usual)
	add(n.CompletedRate >= 2*n.Usual && n.CompletedRate-n.Usual >= crowdRate, ManyCompleted, n.CompletedRate, n.Usual)
	add(v.queue, HalfOpenQueue, float64(v.Defence.HalfOpen), float64(v.Defence.Limit))
	add(v.queue, HalfOpenAge, v.Defence.Oldest.Seconds(), 0)
	perSyn := n.Sources / max(n.SynRate+n.ClosedRate, 1)
	known := !v.SourcesUnknown()
	add(known && n.Sources >= closedSources, ManySources, n.Sources, perSyn)
	add(known && n.Sources < closedSources, FewSources, n.Sources, perSyn)
	add(n.Ports >= scanPorts, ClosedPorts, n.Ports, n.ClosedRate)
	add(n.Scanners > 0, Scanners, float64(n.Scanners), 0)
	add(n.CookieFailed >= cookieRate, BadCookies, n.CookieFailed, 0)
	add(n.RefusedRate > 0, AcceptQueue, n.RefusedRate, 0)
	return all
}

// String returns the verdict as one line, in the words that people search for:
//
//	possible SYN flooding on port 80. Sending cookies. half-open 4096/4096, 98 % unanswered, 31k/s from about 250k sources
func (v Verdict) String() string {
	n := &v.Numbers
	switch v.Level {
	case Flood:
		return fmt.Sprintf("possible SYN flooding%s. %s %s, %s%s/s%s",
			v.onPort(), v.Done(), v.halfOpen(), v.unanswered(), about(n.SynRate+n.ClosedRate), v.from(" "))
	case BrokenPath:
		return fmt.Sprintf("broken path: handshakes%s do not complete. %s%.0f %% need repetitions, %s/s completed where %s/s is usual, %s",
			v.onPort(), v.unanswered(), 100*float64(n.Repeated+n.Late)/float64(max(n.Followed, 1)),
			about(n.CompletedRate), about(n.Usual), v.halfOpen())
	case PortScan:
		return fmt.Sprintf("port scan: about %s closed ports, %s/s, by %d of about %s sources",
			about(n.Ports), about(n.ClosedRate), n.Scanners, about(n.Sources))
	case FlashCrowd:
		return fmt.Sprintf("flash crowd%s: %s/s completed where %s/s is usual, %s%s%s",
			v.onPort(), about(n.CompletedRate), about(n.Usual), v.unanswered(), v.halfOpen(), v.from(", "))
	}
	return fmt.Sprintf("%v: %s/s, %s/s completed, %s%s%s",
		v.Level, about(n.SynRate), about(n.CompletedRate), v.unanswered(), v.halfOpen(), v.because())
}

// unanswered says what share of the handshakes failed; nothing when none is old
// enough to tell.
func (v *Verdict) unanswered() string {
	if v.Numbers.Followed == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %% unanswered, ", 100*v.Numbers.Unanswered())
}

// from says how many sources there are, or that this is unknown.
func (v *Verdict) from(join string) string {
	if v.SourcesUnknown() {
		return fmt.Sprintf("; sources unknown: only %s of %s SYNs could be seen", about(float64(v.Seen)), about(float64(v.Arrived)))
	}
	return join + "from about " + about(v.Numbers.Sources) + " sources"
}

// Done says what is done about it, as a sentence.
func (v *Verdict) Done() string {
	switch d := &v.Defence; {
	case d.Cookies:
		return "Sending cookies."
	case d.Evicted > 0:
		return "Sending cookies for what the queue cannot keep."
	case d.Dropped > 0:
		return "Dropping SYNs."
	}
	return "The half-open queue has room."
}

func (v *Verdict) because() string {
	text := ""
	for _, r := range v.Reasons {
		text += "; " + r.String()
	}
	return text
}

func (v *Verdict) onPort() string {
	if v.Port == 0 {
		return ""
	}
	return fmt.Sprintf(" on port %d", v.Port)
}

func (v *Verdict) halfOpen() string {
	return fmt.Sprintf("half-open %d/%d", v.Defence.HalfOpen, v.Defence.Limit)
}

// about writes a number in at most four characters and a unit: 980, 31k, 2.4M. Sketches
// are exact to some percent, and more digits would say otherwise.
func about(x float64) string {
	switch {
	case x >= 9.95e6:
		return fmt.Sprintf("%.0fM", x/1e6)
	case x >= 999.5e3:
		return fmt.Sprintf("%.1fM", x/1e6)
	case x >= 9.95e3:
		return fmt.Sprintf("%.0fk", x/1e3)
	case x >= 999.5:
		return fmt.Sprintf("%.1fk", x/1e3)
	}
	return fmt.Sprintf("%.0f", math.Round(x))
}
