package oracle

// row is a kind of segment in some states, and what may come of it.
type row struct {
	name, source string
	states       stateSet
	set, clear   uint16 // flags that are set, and that are not
	seq          seqClass
	ack          ackClass
	on, off      facts
	still        bool // nothing is taken from it: SND.UNA and RCV.NXT stay
	outcomes     []outcome
}

// stateSet is a bit for each state.
type stateSet uint16

func of(states ...State) (set stateSet) {
	for _, s := range states {
		set |= 1 << s
	}
	return set
}

// same stands for the state that there was.
const same stateSet = 1 << 15

// gone is no connection any more: what is there then is the listener, or nobody.
const gone = 1<<Closed | 1<<Listen

// outcome is a state and what is sent: something of must, and whatever of may.
type outcome struct {
	next      stateSet
	must, may reply
}

func (row *row) matches(c *class) bool {
	return c.flags&row.set == row.set && c.flags&row.clear == 0 && (row.seq == 0 || row.seq&c.seq != 0) &&
		(row.ack == 0 || row.ack&c.ack != 0) && c.facts&row.on == row.on && c.facts&row.off == 0
}

func (o *outcome) allows(k *Step, got reply) bool {
	if o.next&(1<<k.After.State) == 0 && !(o.next&same != 0 && k.After.State == k.Before.State) {
		return false
	}
	may := o.must | o.may
	if k.Before.Paced {
		may |= aText
	}
	return k.Unheard || got&^may == 0 && (o.must == 0 || got&o.must != 0)
}

// What comes of many kinds.
var (
	ignored    = []outcome{{same, nothing, nothing}}
	answered   = []outcome{{same, aAck | aText, nothing}} // text and FINs, always
	challenged = []outcome{{same, nothing, aAck}}         // at a limited rate
	refusal    = []outcome{{same, aReset, nothing}}
	goesOn     = []outcome{{same, nothing, aAck | aText}}
	freed      = []outcome{{same, nothing, aText}} // an ACK alone is not answered by one
	dies       = []outcome{{gone, nothing, nothing}}
	forgets    = []outcome{{gone, nothing, nothing}, {same, nothing, aAck}}
	opens      = []outcome{{of(SynReceived), nothing, aSynAck}, {of(Listen), nothing, aSynAck}}
)

// closedBefore returns the outcomes of a move out of SYN-SENT. Where text has gone on the
// SYN, or waits for it, a program may close before there is an answer (RFC 7413).
func closedBefore(s State, must reply) []outcome {
	return []outcome{{of(s, FinWait1), must, nothing}}
}

const (
	synchronized = 1<<Established | 1<<CloseWait | 1<<FinWait1 | 1<<Closing | 1<<LastAck | 1<<FinWait2 | 1<<TimeWait
	connected    = synchronized | 1<<SynReceived
	receives     = 1<<Established | 1<<FinWait1 | 1<<FinWait2 // text is taken
)

// maxRows bounds the table.
const maxRows = 96

// rows are RFC 9293 §3.10.7, from its first check to its last. The first row that a
// segment matches is its own.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7
var rows = append(rowsOfChecks, rowsOfText()...)

// rowsOfChecks are those up to the ACK.
var rowsOfChecks = []row{
	// §3.10.7.1
	{name: "RST to nobody", source: "RFC 9293 §3.10.7.1", states: of(Closed), set: flagRST, outcomes: ignored},
	{name: "ACK to nobody", source: "RFC 9293 §3.10.7.1", states: of(Closed), set: flagACK, outcomes: refusal},
	{name: "no ACK, to nobody", source: "RFC 9293 §3.10.7.1", states: of(Closed), outcomes: refusal},

	// §3.10.7.2. An ACK may bring a cookie back, with text and a FIN; when nobody accepts, it is dropped.
	{name: "RST to a listener", source: "RFC 9293 §3.10.7.2", states: of(Listen), set: flagRST, outcomes: ignored},
	{name: "SYN-ACK to a listener", source: "RFC 9293 §3.10.7.2", states: of(Listen), set: flagSYN | flagACK, outcomes: refusal},
	{name: "ACK to a listener", source: "RFC 9293 §3.10.7.2, RFC 4987 §3.6", states: of(Listen), set: flagACK,
		outcomes: []outcome{{same, aReset, nothing}, {same, nothing, nothing}, {of(Established, CloseWait), nothing, aAck | aText}}},
	{name: "SYN with FIN to a listener", source: "RFC 9293 §3.10.7.2", states: of(Listen), set: flagSYN | flagFIN,
		outcomes: []outcome{{same, nothing, nothing}, {of(SynReceived), aSynAck, nothing}}},
	{name: "SYN to a listener", source: "RFC 9293 §3.10.7.2", states: of(Listen), set: flagSYN, outcomes: opens},
	{name: "neither SYN nor ACK, to a listener", source: "RFC 9293 §3.10.7.2", states: of(Listen), outcomes: ignored},

	// §3.10.7.3
	{name: "RST with an ACK of nothing", source: "RFC 9293 §3.10.7.3 first", states: of(SynSent), set: flagRST, ack: badAck, outcomes: ignored},
	{name: "an ACK of nothing", source: "RFC 9293 §3.10.7.3 first", states: of(SynSent), ack: badAck, outcomes: refusal},
	{name: "RST with an ACK of our SYN", source: "RFC 9293 §3.10.7.3 second", states: of(SynSent), set: flagRST, ack: ackNew, outcomes: dies},
	{name: "RST without ACK", source: "RFC 9293 §3.10.7.3 second", states: of(SynSent), set: flagRST, outcomes: ignored},
	{name: "SYN-ACK with FIN", source: "RFC 9293 §3.10.7.3 fourth", states: of(SynSent), set: flagSYN | flagACK | flagFIN,
		outcomes: []outcome{{same, nothing, nothing}, {of(Established, CloseWait), aAck | aText, nothing}}},
	{name: "SYN-ACK", source: "RFC 9293 §3.10.7.3 fourth", states: of(SynSent), set: flagSYN | flagACK, outcomes: closedBefore(Established, aAck|aText)},
	{name: "SYN with FIN, simultaneous", source: "RFC 9293 §3.10.7.3 fourth", states: of(SynSent), set: flagSYN | flagFIN,
		outcomes: []outcome{{same, nothing, nothing}, {of(SynReceived), aSynAck, nothing}}},
	{name: "SYN, simultaneous", source: "RFC 9293 §3.10.7.3 fourth", states: of(SynSent), set: flagSYN, outcomes: closedBefore(SynReceived, aSynAck)},
	{name: "neither SYN nor RST", source: "RFC 9293 §3.10.7.3 fifth", states: of(SynSent), outcomes: ignored},

	// §3.10.7.4. A program may close before our SYN is acknowledged; then all below happens at once.
	{name: "closed before it opened", source: "RFC 9293 §3.10.4", states: of(FinWait1), on: opening,
		outcomes: []outcome{{gone | of(FinWait1, FinWait2, Closing, TimeWait), nothing, anything}}},
	{name: "SYN again, that asks for ECN", source: "RFC 9768 §3.1.5", states: of(SynReceived), set: flagSYN, clear: flagACK | flagRST, on: fromIRS | asksECN,
		outcomes: []outcome{{same, aSynAck, nothing}, {same, nothing, aAck}, {of(Listen, Closed), aReset, nothing}}}, // it asked for another kind before
	{name: "SYN again", source: "RFC 9293 §3.8.1", states: of(SynReceived), set: flagSYN, clear: flagACK | flagRST, on: fromIRS, still: true,
		outcomes: []outcome{{same, aSynAck, nothing}, {same, nothing, aAck}}},
	{name: "SYN-ACK, simultaneous", source: "RFC 9293 §3.5", states: of(SynReceived), set: flagSYN | flagACK, clear: flagRST, ack: ackNew, on: fromIRS, off: passive,
		outcomes: []outcome{{of(Established, CloseWait), nothing, aAck | aText}, {same, nothing, aAck}}},
	{name: "SYN-ACK of nothing, simultaneous", source: "RFC 9293 §3.10.7.4 fifth", states: of(SynReceived), set: flagSYN | flagACK, clear: flagRST, on: fromIRS, off: passive,
		still: true, outcomes: []outcome{{same, aReset, nothing}, {same, nothing, aAck}}},

	// A SYN may take the place of a connection in TIME-WAIT.
	{name: "a new SYN by its timestamp", source: "RFC 6191 §2", states: of(TimeWait), set: flagSYN, clear: flagACK | flagRST | flagFIN, on: fresh, outcomes: reopens},
	{name: "a new SYN with the first timestamp", source: "RFC 6191 §2", states: of(TimeWait), set: flagSYN, clear: flagACK | flagRST | flagFIN, on: firstStamp, outcomes: reopens},
	{name: "a new SYN by its number", source: "RFC 6191 §2", states: of(TimeWait), set: flagSYN, clear: flagACK | flagRST | flagFIN, on: newerSyn, off: stale, outcomes: reopens},

	// PAWS.
	{name: "SYN with an old timestamp", source: "RFC 7323 §5.3, RFC 5961 §4", states: connected, set: flagSYN, clear: flagRST, on: stale, still: true, outcomes: challenged},
	{name: "text with an old timestamp", source: "RFC 7323 §5.3", states: connected, clear: flagRST, on: stale | withSize, still: true, outcomes: answered},
	{name: "ACK with an old timestamp", source: "RFC 7323 §5.3", states: connected, clear: flagRST, on: stale, still: true, outcomes: challenged},

	// First, the sequence number.
	{name: "RST outside", source: "RFC 9293 §3.10.7.4 first", states: connected, set: flagRST, seq: outside, still: true, outcomes: ignored},
	{name: "SYN outside", source: "RFC 5961 §4", states: connected, set: flagSYN, seq: outside, still: true, outcomes: challenged},
	{name: "old text with an ACK of our FIN", source: "RFC 9293 §3.10.7.4 first", states: of(FinWait1), seq: touch, ack: ackFin, outcomes: []outcome{{of(FinWait1, FinWait2), aAck, nothing}}},
	{name: "old FIN with an ACK of ours", source: "RFC 9293 §3.10.7.4 first", states: of(Closing), seq: touch, ack: ackFin, outcomes: []outcome{{of(Closing, TimeWait), aAck, nothing}}},
	{name: "old FIN with the last ACK", source: "RFC 9293 §3.10.7.4 first", states: of(LastAck), seq: touch, ack: ackFin,
		outcomes: []outcome{{gone, nothing, aAck}, {same, aAck, nothing}}},
	{name: "old text with a new ACK", source: "RFC 9293 §3.10.7.4 first", states: of(Established, CloseWait, FinWait1, Closing, LastAck), seq: touch, ack: ackNew, outcomes: answered},
	{name: "text outside", source: "RFC 9293 §3.10.7.4 first", states: connected, seq: outside, on: withSize, still: true, outcomes: answered},
	{name: "ACK outside", source: "RFC 9293 §3.10.7.4 first", states: connected, seq: outside, still: true, outcomes: challenged},

	// Second, RST.
	{name: "RST in TIME-WAIT", source: "RFC 1337 §3", states: of(TimeWait), set: flagRST, seq: exact, outcomes: []outcome{{same | gone, nothing, nothing}}},
	{name: "RST in TIME-WAIT, in the window", source: "RFC 1337 §3", states: of(TimeWait), set: flagRST, outcomes: challenged},
	{name: "RST of a passive open", source: "RFC 9293 §3.10.7.4 second", states: of(SynReceived), set: flagRST, seq: exact, on: passive, outcomes: []outcome{{gone, nothing, nothing}}},
	{name: "RST", source: "RFC 5961 §3", states: connected &^ of(TimeWait), set: flagRST, seq: exact, outcomes: dies},
	{name: "RST in the window", source: "RFC 5961 §3", states: connected &^ of(TimeWait), set: flagRST, still: true, outcomes: challenged},

	// Fourth, SYN.
	{name: "SYN in the window of a passive open", source: "RFC 9293 §3.10.7.4 fourth", states: of(SynReceived), set: flagSYN, seq: exact | inside, on: passive, outcomes: forgets},
	{name: "SYN in the window", source: "RFC 5961 §4", states: connected, set: flagSYN, still: true, outcomes: challenged},

	// Fifth, ACK.
	{name: "no ACK", source: "RFC 9293 §3.10.7.4 fifth", states: connected, clear: flagACK, still: true, outcomes: ignored},
	{name: "an ACK that is not of our SYN", source: "RFC 9293 §3.10.7.4 fifth", states: of(SynReceived), ack: badAck, still: true, outcomes: refusal},
	{name: "an ACK of what was not sent", source: "RFC 9293 §3.10.7.4 fifth", states: synchronized, ack: ackMore, still: true, outcomes: challenged},
	{name: "an ACK too old", source: "RFC 5961 §5", states: synchronized, ack: ackGone, still: true, outcomes: challenged},
	{name: "an old ACK", source: "RFC 5961 §5", states: synchronized, ack: ackOld, off: withSize, outcomes: goesOn},

	// A handshake that ends. When nobody accepts, its ACK is dropped.
	{name: "ACK of our SYN, and FIN", source: "RFC 9293 §3.10.7.4 eighth", states: of(SynReceived), on: finHere,
		outcomes: []outcome{{of(CloseWait), aAck | aText, nothing}, {of(Established), aAck | aText, nothing}, {same, nothing, nothing}}},
	{name: "ACK of our SYN, and text ahead", source: "RFC 9293 §3.10.7.4 seventh", states: of(SynReceived), on: textAhead,
		outcomes: []outcome{{of(Established), aAck | aText, nothing}, {same, nothing, nothing}}},
	{name: "ACK of our SYN", source: "RFC 9293 §3.10.7.4 fifth", states: of(SynReceived), outcomes: []outcome{{of(Established, CloseWait), nothing, aAck | aText}, {same, nothing, nothing}}},
}

// reopens is what may come of a SYN that may take a connection's place in TIME-WAIT.
var reopens = append([]outcome{{same, nothing, aAck}, {gone, nothing, nothing}}, opens...)
