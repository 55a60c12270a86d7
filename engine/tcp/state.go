package tcp

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

// Spelling is one of the five ways in which the world writes state names.
type Spelling uint8

// The spellings.
const (
	RFC     Spelling = iota // SYN-RECEIVED
	SS                      // SYN-RECV, ESTAB
	Netstat                 // SYN_RECV, ESTABLISHED, FIN_WAIT1
	BSD                     // SYN_RCVD, FIN_WAIT_1
	Windows                 // SYN_RECEIVED, FIN_WAIT_1
)

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

// Name returns the state's name in the given spelling.
func (s State) Name(sp Spelling) string { return stateNames[s][sp] }

// String returns the RFC's name.
func (s State) String() string { return stateNames[s][RFC] }
