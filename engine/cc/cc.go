// Package cc is congestion control: numbers in, numbers out. A controller hears
// what was sent, delivered and lost, and says how much may be in flight and how
// fast it may leave; it never sees the connection.
//
// So a controller can be tried on numbers alone, and package tcp need not know which
// one it has: it asks Traits what the controller wants to be told.
//
// The files: cc.go is the interface, newreno.go the plainest controller and the one to
// read first, cubic.go the default with its slow start in hystart.go, dctcp.go and
// ecn.go what listens to marks. bbr.go is BBRv3's order of steps, and bbr_*.go one idea
// of it each: the rate, the round trip, the cycle of probes, the bounds, what counts as
// full, what is noise.
package cc

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// MaxWindow is the largest window of a controller, in bytes: TCP has none
// larger (RFC 7323 §2.3).
const MaxWindow = 1 << 30

// Params is what a controller is made of.
type Params struct {
	MSS  int        // bytes that a full segment carries
	Now  clock.Time // when it is made
	Seed uint64     // of what it draws, so that a run can be repeated

	// Window and Threshold are what the connection's controller before this one
	// left; 0: there was none, and the window is the initial one.
	Window, Threshold int
}

func (p *Params) window() int { return max(cmp.Or(p.Window, InitialWindow(p.MSS)), p.MSS) }

// threshold is the largest number while none was measured: slow start then has no end but what
// it finds.
func (p *Params) threshold() int { return cmp.Or(p.Threshold, math.MaxInt32) }

// Controller is one connection's congestion control. All sizes are bytes. It
// lives behind a pointer and allocates nothing after it is made.
type Controller interface {
	// OnAck is called once for each ACK that delivers something, in recovery too.
	OnAck(now clock.Time, a Ack)
	// OnEvent is called for what else there is to know.
	OnEvent(now clock.Time, e Event)
	// OnSend is called for each segment or super-segment with text, new or sent
	// again, if the controller WantsSend.
	OnSend(now clock.Time, s Send)
	// Limits is the advice that holds until the next of these calls.
	Limits() Limits
	// Traits does not change.
	Traits() Traits
	// Name is what New and ss -i call it.
	Name() string
	// Clone returns a copy that goes its own way.
	Clone() Controller
}

// Limits is what a controller advises.
type Limits struct {
	Window     int    // so much may be in flight: cwnd
	Threshold  int    // below it is slow start: ssthresh; math.MaxInt32 when there is none yet
	PacingRate uint64 // bytes per second; 0: not paced
	Burst      int    // what may leave at once when paced; not less than a segment
}

// Traits are what a controller is like, all its life.
type Traits uint8

const (
	// OwnRecovery says that Window holds in recovery as it is: nobody reduces it in
	// proportion (RFC 9937) beside the controller.
	OwnRecovery Traits = 1 << iota
	// WantsSend asks for OnSend.
	WantsSend
	// WantsLost asks for events of kind Lost.
	WantsLost
	// ExactEcho says that the other end, which has the same controller, is to be told
	// of each mark of the network by itself (RFC 8257 §3.2).
	ExactEcho
)

// Send is what leaves at one time.
type Send struct {
	Bytes    int  // of text
	InFlight int  // without them
	Limited  bool // the window, not the program or the peer, holds us back
}

// Ack is what one ACK told.
type Ack struct {
	Delivered int           // newly delivered: acknowledged, by number or by SACK, for the first time
	Marked    int           // of them, how much the network marked CE
	Lost      int           // newly counted as lost
	InFlight  int           // in flight after this ACK
	Total     uint64        // delivered since the connection began
	RTT       time.Duration // 0 when it gave no sample
	Rate      Rate
	Shut      bool // the peer's window holds us back, if the controller WantsSend
	Limited   bool // what is delivered was of a flight that filled the window: growth is earned (RFC 7661)
	Recovery  bool // came in fast recovery, or ended it: only a controller with OwnRecovery changes its window
}

// Rate is a sample of the delivery rate: what was delivered while the newest
// segment that an ACK delivers was under way.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-04.html#section-4.1
type Rate struct {
	Delivered  int           // since that segment was sent
	Interval   time.Duration // in which that was: the longer one of sending and acknowledging; 0: there is no sample
	InFlight   int           // when that segment had been sent, with it
	Lost       int           // counted as lost since then
	AppLimited bool          // there was not always something to send
}

// EventKind says what happened.
type EventKind uint8

// The events, and which fields of an Event they use.
const (
	// Loss begins fast recovery, once for a flight; InFlight is what was in flight
	// before anything of it counted as lost.
	Loss EventKind = iota
	// Recovered ends fast recovery.
	Recovered
	// Congestion is a mark of the network (ECN) that the peer echoes, once for a
	// flight; InFlight. Ack.Marked counts them all.
	Congestion
	// Timeout is the retransmission timer: all counts as lost. InFlight is what was
	// in flight before, and 0 where the threshold fell for that already: the timer fires
	// again for the same segment, or in fast recovery.
	Timeout
	// Undo takes back the latest Loss or Timeout: nothing was lost.
	Undo
	// Idle comes before data is sent after an idle time longer than the RTO.
	Idle
	// Resized says that the segment size is MSS now.
	Resized
	// Lost is one transmission of Bytes that counts as lost, with its Sent.
	Lost
)

// Event is something that is no ACK. Fields that its kind does not name are zero.
type Event struct {
	Kind     EventKind
	MSS      int
	InFlight int
	Bytes    int
	Sent     Rate // of kind Lost: InFlight, Lost (with it) and AppLimited
}

// algorithms are the controllers by name, the names of Linux: what a program has asked the
// kernel for it asks us for in the same word.
var algorithms = []struct {
	name string
	make func(Params) Controller
}{
	{"reno", newReno},
	{"cubic", newCubic},
	{"dctcp", newDCTCP},
	{"bbr", newBBR},
}

// Default is the controller that is taken when none is named.
const Default = "cubic"

// New returns the controller of that name; an empty name is Default. The error
// lists the names that there are.
func New(name string, p Params) (Controller, error) {
	if err := Check(name); err != nil {
		return nil, err
	}
	return Make(name, p), nil
}

// Make is New for a name that Check has found good; it takes Default for one that
// it does not know.
func Make(name string, p Params) Controller {
	for _, a := range algorithms {
		if a.name == name {
			return a.make(p)
		}
	}
	return Make(Default, p)
}

// Check returns an error that lists the names that there are when name is none
// of them.
func Check(name string) error {
	if names := Names(); name != "" && !slices.Contains(names, name) {
		return fmt.Errorf("there is no congestion control %q: choose one of %s", name, strings.Join(names, ", "))
	}
	return nil
}

// Names returns the names that New takes.
func Names() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return names
}

// InitialWindow is IW of RFC 6928 §2, in bytes: ten segments, of which large ones may be
// fewer. https://www.rfc-editor.org/rfc/rfc6928#section-2
func InitialWindow(mss int) int { return min(10*mss, max(2*mss, 14600)) }
