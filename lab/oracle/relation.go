package oracle

import "fmt"

// State is a state of RFC 9293 §3.3.2, in the order of BSD's tcp_fsm.h.
type State uint8

// The eleven states.
const (
	Closed State = iota
	Listen
	SynSent
	SynReceived
	Established
	CloseWait
	FinWait1
	Closing
	LastAck
	FinWait2
	TimeWait

	numStates = int(TimeWait) + 1
)

func (s State) String() string {
	return [numStates]string{"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT",
		"FIN-WAIT-1", "CLOSING", "LAST-ACK", "FIN-WAIT-2", "TIME-WAIT"}[s]
}

// View is what a connection knows that a segment is judged by: the variables of
// RFC 9293 §3.3.1, as on the wire. Without a connection only State counts, which is
// LISTEN or CLOSED.
type View struct {
	State      State
	ISS        uint32
	Una, Next  uint32 // SND.UNA, SND.NXT
	MaxWindow  uint32 // the largest window that the peer has offered
	IRS        uint32
	RcvNext    uint32 // RCV.NXT
	Window     uint32 // RCV.WND
	TSRecent   uint32
	Timestamps bool // were agreed on
	Passive    bool // a SYN from outside opened it
	FinSent    bool // our FIN is out: it has the number before Next
	EarlyFin   bool // the peer's FIN came, and text before it did not
	Orphan     bool // the program has let go of it
	Paced      bool // text waits for its time, and leaves then, whatever arrives
}

// opening reports whether our SYN is not acknowledged.
func (v *View) opening() bool {
	return v.State == SynSent || v.State == SynReceived || v.State == FinWait1 && v.Una == v.ISS
}

// Segment is what the relation wants to know of one.
type Segment struct {
	Seq, Ack uint32
	Flags    uint16 // the control bits, as on the wire
	Len      int    // of the text, in bytes
	Stamped  bool   // there is a timestamp
	Stamp    uint32 // its value
}

// SegmentOf reads a TCP segment out of an IP packet. It is not ok when a host would not
// hand the packet to TCP, or TCP could not read it.
func SegmentOf(data []byte) (s Segment, flow Flow, ok bool) {
	p, usable, _ := parse(data)
	if !usable || p.fragment || p.proto != protoTCP || p.options.broken {
		return s, flow, false
	}
	s = Segment{p.seq, p.ack, p.flags, len(p.text), p.options.has(optTimes), p.options.tsVal}
	return s, Flow{p.src, p.dst, p.srcPort, p.dstPort}, true
}

// Flow names where a segment comes from and where it goes. An IPv4 address is one of
// IPv6 in ::ffff:0:0/96.
type Flow struct {
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
}

// Reverse returns the flow of what goes the other way.
func (f Flow) Reverse() Flow { return Flow{f.Dst, f.Src, f.DstPort, f.SrcPort} }

func (s *Segment) has(flags uint16) bool { return s.Flags&flags == flags }

// size is SEG.LEN.
func (s *Segment) size() uint32 {
	return uint32(s.Len) + uint32(s.Flags&flagFIN) + uint32(s.Flags&flagSYN>>1)
}

func (s *Segment) String() string {
	names := ""
	for i, c := range "FSRP.UEWe" {
		if s.Flags>>i&1 != 0 {
			names += string(c)
		}
	}
	return fmt.Sprintf("%s seq %d ack %d len %d", names, s.Seq, s.Ack, s.Len)
}

// Step is a segment that arrived, and what came of it.
type Step struct {
	Before, After View
	Segment       Segment
	// Replies are all segments of the connection that were sent because of it, and
	// before anything else happened. Unheard says that they are not known.
	Replies []Segment
	Unheard bool
	// Delays says that the ACK of a FIN may wait, as any other, for text or a FIN of the host's
	// own to go with. https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.3
	Delays bool
	// Signed says that the host signs what it sends to the peer. The RST for an ACK that
	// belongs to no connection cannot be, as nobody knows the numbers that keys are made of.
	// https://www.rfc-editor.org/rfc/rfc5925#section-7.7
	Signed bool
}

// Relation holds steps against RFC 9293 §3.10.7, with RFC 5961, 7323, 6191 and 1337:
// a table that says for each kind of segment in each state what may follow. It is a
// relation and not a function: where the RFCs leave a choice, all choices are in it.
// It counts which rows it has seen. The zero value is ready to be used.
type Relation struct {
	seen [maxRows][numStates]uint32
}

// Check returns the rule that a step breaks, nil if it is as it may be.
func (r *Relation) Check(k *Step) error {
	c := classify(&k.Before, &k.Segment)
	err := r.check(k, &c)
	// PAWS (RFC 7323 §5.3) drops text that a retransmission has overtaken. A host that knows
	// that no number has come twice may take it.
	if err != nil && c.facts&overtaken != 0 {
		c.facts &^= stale | overtaken
		return r.check(k, &c)
	}
	return err
}

func (r *Relation) check(k *Step, c *class) error {
	for i := range rows {
		row := &rows[i]
		if row.states&(1<<k.Before.State) == 0 || !row.matches(c) {
			continue
		}
		err := row.judge(k, c)
		if err == nil {
			r.seen[i][k.Before.State]++
		}
		return err
	}
	return fault("O2", "RFC 9293 §3.10.7", "no row for %v in %v: %+v", &k.Segment, k.Before.State, *c)
}

// judge looks for an outcome of the row that the step is.
func (row *row) judge(k *Step, c *class) error {
	got := c.replies(k)
	// RFC 5961 §5 lets an ACK of less than SND.UNA pass, by no more than a window, and does
	// not ask for it: it may be too old for somebody who knows more.
	if old := challenged[0]; c.ack == ackOld && old.allows(k, got) {
		return row.checkNumbers(k)
	}
	// Who is in SYN-RECEIVED may not fit into the queue of those that wait to be accepted.
	// Then what comes is dropped, and comes again. A RST makes room.
	if b := &k.Before; b.State == SynReceived && b.Passive && !k.Segment.has(flagRST) && ignored[0].allows(k, got) {
		return row.checkNumbers(k)
	}
	waits := k.Delays && k.After.State == CloseWait && k.Segment.has(flagFIN)
	if waits && got == nothing {
		return row.checkNumbers(k)
	}
	if k.Signed && k.Segment.has(flagACK) && row.outcomes[0].must == aReset && ignored[0].allows(k, got) {
		return row.checkNumbers(k)
	}
	for _, o := range row.outcomes {
		if o.allows(k, got) {
			return first(row.checkNumbers(k), k.checkAcks(o.must&aAck != 0 && !waits))
		}
	}
	return fault("O2", row.source, "%s: %v in %v became %v, answered by %v (%s)", row.name, &k.Segment, k.Before.State, k.After.State, got, numbers(k))
}

func numbers(k *Step) string {
	b, a := &k.Before, &k.After
	return fmt.Sprintf("una %d next %d rcv %d window %d; after: una %+d next %+d rcv %+d", b.Una, b.Next, b.RcvNext, b.Window,
		int32(a.Una-b.Una), int32(a.Next-b.Next), int32(a.RcvNext-b.RcvNext))
}

// checkNumbers: what the segment says moves SND.UNA and RCV.NXT, and nothing else does.
func (row *row) checkNumbers(k *Step) error {
	b, a, s := &k.Before, &k.After, &k.Segment
	if b.State < SynReceived || a.State < SynReceived || a.ISS != b.ISS && a.State != TimeWait {
		return nil // there was no connection, there is none, or it is another one
	}
	acked, came := a.Una-b.Una, a.RcvNext-b.RcvNext
	switch {
	case acked != 0 && (row.still || !s.has(flagACK) || a.Una != s.Ack || int32(acked) < 0):
		return fault("S3", row.source, "%s: SND.UNA moved by %d: %v", row.name, int32(acked), s)
	case came != 0 && (row.still || int32(came) < 0 || s.size() == 0 || int32(s.Seq-b.RcvNext) > 0):
		return fault("R2", row.source, "%s: RCV.NXT moved by %d: %v", row.name, int32(came), s)
	case came > 0 && came > b.Window+1:
		return fault("R2", "RFC 9293 §3.10.7.4", "RCV.NXT moved by %d, the window was %d", came, b.Window)
	}
	return nil
}

// checkAcks: a reply acknowledges all, or what had come before the segment, when what the
// network marked has changed (RFC 9768 §3.2.2.5.1). Where an answer is due the last one
// acknowledges all.
func (k *Step) checkAcks(due bool) error {
	if k.After.State < SynReceived {
		return nil
	}
	for i := range k.Replies {
		p, last := &k.Replies[i], i == len(k.Replies)-1
		if !p.has(flagACK) || p.has(flagRST) || p.Ack == k.After.RcvNext || !(due && last) && p.Ack == k.Before.RcvNext {
			continue
		}
		return fault("R5", "RFC 9293 §3.10.7.4", "a reply acknowledges %d, and RCV.NXT is %d: %v", p.Ack, k.After.RcvNext, &k.Segment)
	}
	return nil
}
