package tcp

import (
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// The kinds of segment that every state must meet.
var kinds = []string{"SYN", "SYN-ACK", "ACK", "data", "FIN",
	"RST exact", "RST in window", "RST outside", "bad ACK, too new", "bad ACK, too old", "URG"}

// cell is one cell of the table of state and kind of segment: what arrives,
// what is answered ("" for nothing), the next state, why it is dropped, and
// the rule, a section of RFC 9293 unless it says another.
type cell struct {
	kind, segment, answer string
	next                  State
	drop                  wire.Drop
	rule                  string
}

// arrivals is RFC 9293 §3.10.7, with RFC 5961, as cells. The connection has
// written nothing: its FIN, where it was sent, has number 1, and so has the
// peer's.
var arrivals = [NumStates][]cell{
	Closed: {
		{"SYN", "S 0:0(0)", "R. 0:0(0) ack 1", Closed, wire.NoSocket, "3.10.7.1"},
		{"SYN-ACK", "S. 0:0(0) ack 7", "R 7:7(0)", Closed, wire.NoSocket, "3.10.7.1"},
		{"ACK", ". 1:1(0) ack 7", "R 7:7(0)", Closed, wire.NoSocket, "3.10.7.1"},
		{"data", "P. 1:11(10) ack 7", "R 7:7(0)", Closed, wire.NoSocket, "3.10.7.1"},
		{"data without ACK", "P 1:11(10)", "R. 0:0(0) ack 11", Closed, wire.NoSocket, "3.10.7.1"},
		{"FIN", "F. 1:1(0) ack 7", "R 7:7(0)", Closed, wire.NoSocket, "3.10.7.1"},
		{"FIN without ACK", "F 1:1(0)", "R. 0:0(0) ack 2", Closed, wire.NoSocket, "3.10.7.1"},
		{"RST exact", "R 1:1(0)", "", Closed, wire.NoSocket, "3.10.7.1"},
		{"RST in window", "R. 100:100(0) ack 7", "", Closed, wire.NoSocket, "3.10.7.1"},
		{"RST outside", "R 70000:70000(0)", "", Closed, wire.NoSocket, "3.10.7.1"},
		{"bad ACK, too new", ". 1:1(0) ack 1000", "R 1000:1000(0)", Closed, wire.NoSocket, "3.10.7.1"},
		{"bad ACK, too old", ". 1:1(0) ack -5", "R -5:-5(0)", Closed, wire.NoSocket, "3.10.7.1"},
		{"URG", "U. 1:11(10) ack 7 urg 5", "R 7:7(0)", Closed, wire.NoSocket, "3.10.7.1"},
		{"nothing", "- 1:1(0)", "R. 0:0(0) ack 1", Closed, wire.NoSocket, "3.10.7.1"},
	},
	Listen: {
		{"SYN", "S 0:0(0)", "S. 0:0(0) ack 1", SynReceived, wire.None, "3.10.7.2 third"},
		{"SYN with RST", "SR 0:0(0)", "", Listen, wire.NoSocket, "3.10.7.2 first"},
		{"SYN with FIN", "SF 0:0(0)", "", Listen, wire.BadFlags, "3.10.7.2 fourth"},
		{"SYN-ACK", "S. 0:0(0) ack 7", "R 7:7(0)", Listen, wire.NoSocket, "3.10.7.2 second"},
		{"ACK", ". 1:1(0) ack 7", "R 7:7(0)", Listen, wire.NoSocket, "3.10.7.2 second"},
		{"data", "P. 1:11(10) ack 7", "R 7:7(0)", Listen, wire.NoSocket, "3.10.7.2 second"},
		{"FIN", "F. 1:1(0) ack 7", "R 7:7(0)", Listen, wire.NoSocket, "3.10.7.2 second"},
		{"FIN without ACK", "F 1:1(0)", "", Listen, wire.BadFlags, "3.10.7.2 fourth"},
		{"RST exact", "R 0:0(0)", "", Listen, wire.NoSocket, "3.10.7.2 first"},
		{"RST in window", "R. 100:100(0) ack 7", "", Listen, wire.NoSocket, "3.10.7.2 first"},
		{"RST outside", "R 70000:70000(0)", "", Listen, wire.NoSocket, "3.10.7.2 first"},
		{"bad ACK, too new", ". 1:1(0) ack 1000", "R 1000:1000(0)", Listen, wire.NoSocket, "3.10.7.2 second"},
		{"bad ACK, too old", ". 1:1(0) ack -5", "R -5:-5(0)", Listen, wire.NoSocket, "3.10.7.2 second"},
		{"URG", "U 1:11(10) urg 5", "", Listen, wire.BadFlags, "3.10.7.2 fourth"},
		{"nothing", "- 1:1(0)", "", Listen, wire.BadFlags, "3.10.7.2 fourth"},
	},
	SynSent: {
		{"SYN", "S 0:0(0)", "S. 0:0(0) ack 1", SynReceived, wire.None, "3.10.7.3 fourth"},
		{"SYN-ACK", "S. 0:0(0) ack 1", ". 1:1(0) ack 1", Established, wire.None, "3.10.7.3 fourth"},
		{"SYN-ACK with FIN", "SF. 0:0(0) ack 1", ". 1:1(0) ack 2", CloseWait, wire.None, "3.10.7.3 fourth"},
		{"ACK", ". 1:1(0) ack 1", "", SynSent, wire.BadFlags, "3.10.7.3 fifth"},
		{"data", "P. 1:11(10) ack 1", "", SynSent, wire.BadFlags, "3.10.7.3 fifth"},
		{"FIN", "F. 1:1(0) ack 1", "", SynSent, wire.BadFlags, "3.10.7.3 fifth"},
		{"RST exact", "R. 0:0(0) ack 1", "", Closed, wire.None, "3.10.7.3 second"},
		{"RST in window", "R 1:1(0)", "", SynSent, wire.BadSequence, "3.10.7.3 second, no ACK"},
		{"RST outside", "R. 0:0(0) ack 1000", "", SynSent, wire.BadAck, "3.10.7.3 first"},
		{"bad ACK, too new", "S. 0:0(0) ack 2", "R 2:2(0)", SynSent, wire.BadAck, "3.10.7.3 first"},
		{"bad ACK, too old", ". 1:1(0) ack 0", "R 0:0(0)", SynSent, wire.BadAck, "3.10.7.3 first"},
		{"URG", "U. 1:11(10) ack 1 urg 5", "", SynSent, wire.BadFlags, "3.10.7.3 fifth"},
	},
	SynReceived: {
		{"SYN", "S 5000:5000(0)", "", Listen, wire.BlindSyn, "3.10.7.4 fourth"},
		{"SYN again", "S 0:0(0)", "S. 0:0(0) ack 1", SynReceived, wire.Duplicate, "3.8.1"},
		{"SYN outside", "S 90000:90000(0)", ". 1:1(0) ack 1", SynReceived, wire.BlindSyn, "3.10.7.4 first"},
		{"SYN-ACK", "S. 5000:5000(0) ack 1", "", Listen, wire.BlindSyn, "3.10.7.4 fourth"},
		{"SYN-ACK with the SYN's number", "S. 0:0(0) ack 1", ". 1:1(0) ack 1", SynReceived, wire.BlindSyn, "3.10.7.4 first"},
		{"SYN-ACK across the left edge", "S. 0:10(10) ack 1", ". 1:1(0) ack 1", SynReceived, wire.BlindSyn, "3.10.7.4 fourth"},
		{"ACK", ". 1:1(0) ack 1", "", Established, wire.None, "3.10.7.4 fifth"},
		{"data", "P. 1:11(10) ack 1", ". 1:1(0) ack 11", Established, wire.None, "3.10.7.4 seventh"},
		{"data without ACK", "P 1:11(10)", "", SynReceived, wire.NoAckFlag, "3.10.7.4 fifth"},
		{"FIN", "F. 1:1(0) ack 1", ". 1:1(0) ack 2", CloseWait, wire.None, "3.10.7.4 eighth"},
		{"RST exact", "R 1:1(0)", "", Listen, wire.None, "3.10.7.4 second"},
		{"RST in window", "R 100:100(0)", ". 1:1(0) ack 1", SynReceived, wire.BlindReset, "RFC 5961 §3.2"},
		{"RST outside", "R 70000:70000(0)", "", SynReceived, wire.BadSequence, "3.10.7.4 first"},
		{"bad ACK, too new", ". 1:1(0) ack 2", "R 2:2(0)", SynReceived, wire.BadAck, "3.10.7.4 fifth"},
		{"bad ACK, too old", ". 1:1(0) ack 0", "R 0:0(0)", SynReceived, wire.BadAck, "3.10.7.4 fifth"},
		{"URG", "U. 1:11(10) ack 1 urg 5", ". 1:1(0) ack 11", Established, wire.None, "3.10.7.4 sixth"},
	},
	Established: {
		{"SYN", "S 5000:5000(0)", ". 1:1(0) ack 1", Established, wire.BlindSyn, "RFC 5961 §4.2"},
		{"SYN-ACK", "S. 0:0(0) ack 1", ". 1:1(0) ack 1", Established, wire.BlindSyn, "RFC 5961 §4.2"},
		{"ACK", ". 1:1(0) ack 1", "", Established, wire.None, "3.10.7.4 fifth"},
		{"data", "P. 1:11(10) ack 1", ". 1:1(0) ack 11", Established, wire.None, "3.10.7.4 seventh"},
		{"data without ACK", "P 1:11(10)", "", Established, wire.NoAckFlag, "3.10.7.4 fifth"},
		{"old data", "P. -9:1(10) ack 1", ". 1:1(0) ack 1", Established, wire.Duplicate, "3.10.7.4 first"},
		{"data outside", "P. 70000:70010(10) ack 1", ". 1:1(0) ack 1", Established, wire.BadSequence, "3.10.7.4 first"},
		{"FIN", "F. 1:1(0) ack 1", ". 1:1(0) ack 2", CloseWait, wire.None, "3.10.7.4 eighth"},
		{"FIN outside", "F. 70000:70000(0) ack 1", ". 1:1(0) ack 1", Established, wire.BadSequence, "3.10.7.4 first"},
		{"RST exact", "R 1:1(0)", "", Closed, wire.None, "RFC 5961 §3.2"},
		{"RST in window", "R 100:100(0)", ". 1:1(0) ack 1", Established, wire.BlindReset, "RFC 5961 §3.2"},
		{"RST outside", "R 70000:70000(0)", "", Established, wire.BadSequence, "RFC 5961 §3.2"},
		{"bad ACK, too new", ". 1:1(0) ack 1000", ". 1:1(0) ack 1", Established, wire.BadAck, "RFC 5961 §5.2"},
		{"bad ACK, too old", ". 1:1(0) ack -70000", ". 1:1(0) ack 1", Established, wire.BadAck, "RFC 5961 §5.2"},
		{"URG", "U. 1:11(10) ack 1 urg 5", ". 1:1(0) ack 11", Established, wire.None, "3.10.7.4 sixth"},
	},
	CloseWait: {
		{"SYN", "S 5000:5000(0)", ". 1:1(0) ack 2", CloseWait, wire.BlindSyn, "RFC 5961 §4.2"},
		{"SYN-ACK", "S. 0:0(0) ack 1", ". 1:1(0) ack 2", CloseWait, wire.BlindSyn, "RFC 5961 §4.2"},
		{"ACK", ". 2:2(0) ack 1", "", CloseWait, wire.None, "3.10.7.4 fifth"},
		{"data", "P. 2:12(10) ack 1", "", CloseWait, wire.None, "3.10.7.4 seventh: ignored"},
		{"FIN", "F. 1:1(0) ack 1", ". 1:1(0) ack 2", CloseWait, wire.Duplicate, "3.10.7.4 first"},
		{"FIN after the FIN", "F. 2:2(0) ack 1", "", CloseWait, wire.None, "3.10.7.4 eighth"},
		{"RST exact", "R 2:2(0)", "", Closed, wire.None, "RFC 5961 §3.2"},
		{"RST in window", "R 100:100(0)", ". 1:1(0) ack 2", CloseWait, wire.BlindReset, "RFC 5961 §3.2"},
		{"RST outside", "R 1:1(0)", "", CloseWait, wire.BadSequence, "RFC 5961 §3.2"},
		{"bad ACK, too new", ". 2:2(0) ack 2", ". 1:1(0) ack 2", CloseWait, wire.BadAck, "RFC 5961 §5.2"},
		{"bad ACK, too old", ". 2:2(0) ack -70000", ". 1:1(0) ack 2", CloseWait, wire.BadAck, "RFC 5961 §5.2"},
		{"URG", "U. 2:12(10) ack 1 urg 5", "", CloseWait, wire.None, "3.10.7.4 sixth: ignored"},
	},
	FinWait1: {
		{"SYN", "S 5000:5000(0)", ". 2:2(0) ack 1", FinWait1, wire.BlindSyn, "RFC 5961 §4.2"},
		{"SYN-ACK", "S. 0:0(0) ack 1", ". 2:2(0) ack 1", FinWait1, wire.BlindSyn, "RFC 5961 §4.2"},
		{"ACK", ". 1:1(0) ack 2", "", FinWait2, wire.None, "3.10.7.4 fifth"},
		{"ACK not of the FIN", ". 1:1(0) ack 1", "", FinWait1, wire.None, "3.10.7.4 fifth"},
		{"data", "P. 1:11(10) ack 1", ". 2:2(0) ack 11", FinWait1, wire.None, "3.10.7.4 seventh"},
		{"FIN", "F. 1:1(0) ack 1", ". 2:2(0) ack 2", Closing, wire.None, "3.10.7.4 eighth"},
		{"FIN and ACK of ours", "F. 1:1(0) ack 2", ". 2:2(0) ack 2", TimeWait, wire.None, "3.10.7.4 eighth"},
		{"data, FIN and ACK of ours", "FP. 1:11(10) ack 2", ". 2:2(0) ack 12", TimeWait, wire.None, "3.10.7.4 eighth"},
		{"RST exact", "R 1:1(0)", "", Closed, wire.None, "RFC 5961 §3.2"},
		{"RST in window", "R 100:100(0)", ". 2:2(0) ack 1", FinWait1, wire.BlindReset, "RFC 5961 §3.2"},
		{"RST outside", "R 70000:70000(0)", "", FinWait1, wire.BadSequence, "RFC 5961 §3.2"},
		{"bad ACK, too new", ". 1:1(0) ack 3", ". 2:2(0) ack 1", FinWait1, wire.BadAck, "RFC 5961 §5.2"},
		{"bad ACK, too old", ". 1:1(0) ack -70000", ". 2:2(0) ack 1", FinWait1, wire.BadAck, "RFC 5961 §5.2"},
		{"URG", "U. 1:11(10) ack 1 urg 5", ". 2:2(0) ack 11", FinWait1, wire.None, "3.10.7.4 sixth"},
	},
	FinWait2: {
		{"SYN", "S 5000:5000(0)", ". 2:2(0) ack 1", FinWait2, wire.BlindSyn, "RFC 5961 §4.2"},
		{"SYN-ACK", "S. 0:0(0) ack 1", ". 2:2(0) ack 1", FinWait2, wire.BlindSyn, "RFC 5961 §4.2"},
		{"ACK", ". 1:1(0) ack 2", "", FinWait2, wire.None, "3.10.7.4 fifth"},
		{"data", "P. 1:11(10) ack 2", ". 2:2(0) ack 11", FinWait2, wire.None, "3.10.7.4 seventh"},
		{"FIN", "F. 1:1(0) ack 2", ". 2:2(0) ack 2", TimeWait, wire.None, "3.10.7.4 eighth"},
		{"RST exact", "R 1:1(0)", "", Closed, wire.None, "RFC 5961 §3.2"},
		{"RST in window", "R 100:100(0)", ". 2:2(0) ack 1", FinWait2, wire.BlindReset, "RFC 5961 §3.2"},
		{"RST outside", "R 70000:70000(0)", "", FinWait2, wire.BadSequence, "RFC 5961 §3.2"},
		{"bad ACK, too new", ". 1:1(0) ack 3", ". 2:2(0) ack 1", FinWait2, wire.BadAck, "RFC 5961 §5.2"},
		{"bad ACK, too old", ". 1:1(0) ack -70000", ". 2:2(0) ack 1", FinWait2, wire.BadAck, "RFC 5961 §5.2"},
		{"URG", "U. 1:11(10) ack 2 urg 5", ". 2:2(0) ack 11", FinWait2, wire.None, "3.10.7.4 sixth"},
	},
	Closing: {
		{"SYN", "S 5000:5000(0)", ". 2:2(0) ack 2", Closing, wire.BlindSyn, "RFC 5961 §4.2"},
		{"SYN-ACK", "S. 0:0(0) ack 1", ". 2:2(0) ack 2", Closing, wire.BlindSyn, "RFC 5961 §4.2"},
		{"ACK", ". 2:2(0) ack 2", "", TimeWait, wire.None, "3.10.7.4 fifth"},
		{"ACK not of the FIN", ". 2:2(0) ack 1", "", Closing, wire.None, "3.10.7.4 fifth"},
		{"data", "P. 2:12(10) ack 1", "", Closing, wire.None, "3.10.7.4 seventh: ignored"},
		{"FIN", "F. 1:1(0) ack 1", ". 2:2(0) ack 2", Closing, wire.Duplicate, "3.10.7.4 first"},
		{"FIN and ACK of ours", "F. 1:1(0) ack 2", ". 2:2(0) ack 2", TimeWait, wire.Duplicate, "3.10.7.4 first, its ACK"},
		{"RST exact", "R 2:2(0)", "", Closed, wire.None, "3.10.7.4 second"},
		{"RST in window", "R 100:100(0)", ". 2:2(0) ack 2", Closing, wire.BlindReset, "RFC 5961 §3.2"},
		{"RST outside", "R 1:1(0)", "", Closing, wire.BadSequence, "RFC 5961 §3.2"},
		{"bad ACK, too new", ". 2:2(0) ack 3", ". 2:2(0) ack 2", Closing, wire.BadAck, "RFC 5961 §5.2"},
		{"bad ACK, too old", ". 2:2(0) ack -70000", ". 2:2(0) ack 2", Closing, wire.BadAck, "RFC 5961 §5.2"},
		{"URG", "U. 2:12(10) ack 1 urg 5", "", Closing, wire.None, "3.10.7.4 sixth: ignored"},
	},
	LastAck: {
		{"SYN", "S 5000:5000(0)", ". 2:2(0) ack 2", LastAck, wire.BlindSyn, "RFC 5961 §4.2"},
		{"SYN-ACK", "S. 0:0(0) ack 1", ". 2:2(0) ack 2", LastAck, wire.BlindSyn, "RFC 5961 §4.2"},
		{"ACK", ". 2:2(0) ack 2", "", Closed, wire.None, "3.10.7.4 fifth"},
		{"ACK not of the FIN", ". 2:2(0) ack 1", "", LastAck, wire.None, "3.10.7.4 fifth"},
		{"data", "P. 2:12(10) ack 1", "", LastAck, wire.None, "3.10.7.4 seventh: ignored"},
		{"FIN", "F. 1:1(0) ack 1", ". 2:2(0) ack 2", LastAck, wire.Duplicate, "3.10.7.4 first"},
		{"RST exact", "R 2:2(0)", "", Closed, wire.None, "3.10.7.4 second"},
		{"RST in window", "R 100:100(0)", ". 2:2(0) ack 2", LastAck, wire.BlindReset, "RFC 5961 §3.2"},
		{"RST outside", "R 1:1(0)", "", LastAck, wire.BadSequence, "RFC 5961 §3.2"},
		{"bad ACK, too new", ". 2:2(0) ack 3", ". 2:2(0) ack 2", LastAck, wire.BadAck, "RFC 5961 §5.2"},
		{"bad ACK, too old", ". 2:2(0) ack -70000", ". 2:2(0) ack 2", LastAck, wire.BadAck, "RFC 5961 §5.2"},
		{"URG", "U. 2:12(10) ack 1 urg 5", "", LastAck, wire.None, "3.10.7.4 sixth: ignored"},
	},
	TimeWait: {
		{"SYN", "S 5000:5000(0)", ". 2:2(0) ack 2", TimeWait, wire.BlindSyn, "RFC 5961 §4.2"},
		{"SYN-ACK", "S. 0:0(0) ack 1", ". 2:2(0) ack 2", TimeWait, wire.BlindSyn, "RFC 5961 §4.2"},
		{"ACK", ". 2:2(0) ack 2", "", TimeWait, wire.None, "3.10.7.4 fifth"},
		{"data", "P. 2:12(10) ack 2", "", TimeWait, wire.None, "3.10.7.4 seventh: ignored"},
		{"FIN", "F. 1:1(0) ack 2", ". 2:2(0) ack 2", TimeWait, wire.Duplicate, "3.10.7.4 eighth"},
		{"RST exact", "R 2:2(0)", "", TimeWait, wire.TimeWaitReset, "RFC 1337 §3"},
		{"RST in window", "R 100:100(0)", "", TimeWait, wire.TimeWaitReset, "RFC 1337 §3"},
		{"RST outside", "R 1:1(0)", "", TimeWait, wire.BadSequence, "3.10.7.4 first"},
		{"bad ACK, too new", ". 2:2(0) ack 3", ". 2:2(0) ack 2", TimeWait, wire.BadAck, "RFC 5961 §5.2"},
		{"bad ACK, too old", ". 2:2(0) ack -70000", ". 2:2(0) ack 2", TimeWait, wire.BadAck, "RFC 5961 §5.2"},
		{"URG", "U. 2:12(10) ack 2 urg 5", "", TimeWait, wire.None, "3.10.7.4 sixth: ignored"},
	},
}

func TestTable(t *testing.T) {
	for s := range State(NumStates) {
		for _, cell := range arrivals[s] {
			name := strings.ReplaceAll(s.String()+"/"+cell.kind+"/"+cell.rule, " ", "_")
			t.Run(name, func(t *testing.T) { everywhere(t, func(w world) { cell.play(w, s) }) })
		}
	}
}

func (e *cell) play(w world, s State) {
	c := w.reach(s)
	c.receive(e.segment)
	if e.answer != "" {
		c.want(e.rule, e.answer)
	}
	c.wantDrop(e.drop)
	c.wantState(e.next)
	c.wantIdle("nothing more than one answer")
}

// Every state has a cell for every kind.
func TestTableIsFull(t *testing.T) {
	for s := range State(NumStates) {
		have := map[string]bool{}
		for _, cell := range arrivals[s] {
			have[cell.kind] = true
		}
		for _, k := range kinds {
			if !have[k] {
				t.Errorf("%v has no cell for %s", s, k)
			}
		}
	}
}
