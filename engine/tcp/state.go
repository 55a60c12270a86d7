package tcp

import (
	"fmt"
	"strings"
)

// State is a connection's state, RFC 9293 §3.3.2, in the order of BSD's
// tcp_fsm.h, so that questions like "are both SYNs acknowledged?" are
// comparisons. https://www.rfc-editor.org/rfc/rfc9293#section-3.3.2
type State uint8

// The eleven states.
const (
	Closed State = iota
	Listen
	SynSent
	SynReceived
	// From here on both SYNs are acknowledged ("synchronized").
	Established
	CloseWait // the peer has closed, we have not
	// From here on we have closed.
	FinWait1 // neither FIN is acknowledged, the peer's has not come
	Closing  // the peer's FIN came before the ACK of ours
	LastAck  // the peer closed first; waits for the ACK of our FIN
	// From here on our FIN is acknowledged.
	FinWait2 // waits for the peer's FIN
	TimeWait // waits 2MSL

	NumStates = int(TimeWait) + 1
)

// Synchronized reports whether both SYNs are acknowledged.
func (s State) Synchronized() bool { return s >= Established }

// stateNames are the five ways in which the world writes states, in the order of
// State.Names: no two tools agree, and people search for what their own tool prints.
var stateNames = [NumStates][5]string{
	Closed:      {"CLOSED", "UNCONN", "CLOSE", "CLOSED", "CLOSED"},
	Listen:      {"LISTEN", "LISTEN", "LISTEN", "LISTEN", "LISTENING"},
	SynSent:     {"SYN-SENT", "SYN-SENT", "SYN_SENT", "SYN_SENT", "SYN_SENT"},
	SynReceived: {"SYN-RECEIVED", "SYN-RECV", "SYN_RECV", "SYN_RCVD", "SYN_RECEIVED"},
	Established: {"ESTABLISHED", "ESTAB", "ESTABLISHED", "ESTABLISHED", "ESTABLISHED"},
	CloseWait:   {"CLOSE-WAIT", "CLOSE-WAIT", "CLOSE_WAIT", "CLOSE_WAIT", "CLOSE_WAIT"},
	FinWait1:    {"FIN-WAIT-1", "FIN-WAIT-1", "FIN_WAIT1", "FIN_WAIT_1", "FIN_WAIT_1"},
	Closing:     {"CLOSING", "CLOSING", "CLOSING", "CLOSING", "CLOSING"},
	LastAck:     {"LAST-ACK", "LAST-ACK", "LAST_ACK", "LAST_ACK", "LAST_ACK"},
	FinWait2:    {"FIN-WAIT-2", "FIN-WAIT-2", "FIN_WAIT2", "FIN_WAIT_2", "FIN_WAIT_2"},
	TimeWait:    {"TIME-WAIT", "TIME-WAIT", "TIME_WAIT", "TIME_WAIT", "TIME_WAIT"},
}

// String returns the RFC's name: SYN-RECEIVED.
func (s State) String() string { return stateNames[s][0] }

// SS returns the name that ss prints: SYN-RECV, ESTAB.
func (s State) SS() string { return stateNames[s][1] }

// Netstat returns the name that netstat of net-tools prints: SYN_RECV, FIN_WAIT1.
func (s State) Netstat() string { return stateNames[s][2] }

// BSD returns the name of the BSDs and of macOS: SYN_RCVD, FIN_WAIT_1.
func (s State) BSD() string { return stateNames[s][3] }

// Windows returns the name that netstat of Windows prints: SYN_RECEIVED, LISTENING.
func (s State) Windows() string { return stateNames[s][4] }

// Names returns all five names, those of RFC, ss, netstat, BSD and Windows.
func (s State) Names() [5]string { return stateNames[s] }

// ParseState reads a state's name in any of the five spellings, with hyphens,
// underscores, blanks or nothing between its words, in letters of any size. The
// error lists the states.
func ParseState(name string) (State, error) {
	for s := range stateNames {
		for _, n := range stateNames[s] {
			if squeeze(name) == squeeze(n) {
				return State(s), nil
			}
		}
	}
	var names []string
	for s := range stateNames {
		names = append(names, State(s).String())
	}
	return Closed, fmt.Errorf("no state is called %q; it is one of %s", name, strings.Join(names, ", "))
}

func squeeze(name string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name))
}
