package oracle

// What follows when the ACK is taken: it may be of our FIN, and there may be text and
// the peer's FIN.

// rowsOfText are the rows that are alike in several states.
func rowsOfText() (all []row) {
	const fifth, seventh, eighth = "RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 seventh", "RFC 9293 §3.10.7.4 eighth"
	all = []row{
		// RFC 9293 §3.6.1, RFC 2525 §2.17: nobody will read it.
		{name: "text for nobody", source: "RFC 9293 §3.6.1", states: of(FinWait1, FinWait2), on: letGo | textHere, outcomes: []outcome{{gone, anAbort, nothing}}},
		{name: "text ahead for nobody, perhaps behind the FIN", source: "RFC 9293 §3.6.1", states: of(FinWait1, FinWait2), on: letGo | textAhead | withText | earlyFin,
			outcomes: append(moves(FinWait1, FinWait2, aAck|aText), outcome{gone, anAbort, nothing})},
		{name: "text ahead for nobody", source: "RFC 9293 §3.6.1", states: of(FinWait1, FinWait2), on: letGo | textAhead | withText, outcomes: []outcome{{gone, anAbort, nothing}}},
		{name: "text into a shut window", source: "RFC 9293 §3.10.7.4 first", states: receives, on: noWindow | withText, outcomes: moves(FinWait1, FinWait2, aAck|aText)},
	}
	for _, k := range []struct {
		name     string
		from     State
		ack      ackClass
		stays    State // without a FIN
		finished State
	}{
		{"", Established, 0, Established, CloseWait},
		{" and ACK of ours", FinWait1, ackFin, FinWait2, TimeWait},
		{"", FinWait1, 0, FinWait1, Closing},
		{"", FinWait2, 0, FinWait2, TimeWait},
	} {
		all = append(all,
			row{name: "text and FIN" + k.name, source: eighth, states: of(k.from), ack: k.ack, on: finHere | withText,
				outcomes: []outcome{{of(k.finished), aAck | aText, nothing}, {of(k.stays), aAck | aText, nothing}}},
			row{name: "FIN" + k.name, source: eighth, states: of(k.from), ack: k.ack, on: finHere, outcomes: []outcome{{of(k.finished), aAck | aText, nothing}}},
			row{name: "FIN behind the window" + k.name, source: eighth, states: of(k.from), ack: k.ack, on: finAtEdge, outcomes: []outcome{{of(k.finished, k.stays), aAck | aText, nothing}}},
			row{name: "text before a FIN that came" + k.name, source: eighth, states: of(k.from), ack: k.ack, on: textHere | earlyFin,
				outcomes: []outcome{{of(k.finished), aAck | aText, nothing}, {of(k.stays), nothing, aAck | aText}}},
			row{name: "text ahead" + k.name, source: seventh, states: of(k.from), ack: k.ack, on: textAhead, outcomes: []outcome{{of(k.stays), aAck | aText, nothing}}},
			row{name: "text that overlaps" + k.name, source: seventh, states: of(k.from), ack: k.ack, on: overlap, outcomes: []outcome{{of(k.stays), aAck | aText, nothing}}},
			row{name: "text" + k.name, source: seventh, states: of(k.from), ack: k.ack, on: textHere, outcomes: []outcome{{of(k.stays), nothing, aAck | aText}}},
			row{name: "ACK" + k.name, source: fifth, states: of(k.from), ack: k.ack, outcomes: []outcome{{of(k.stays), nothing, aText}}},
		)
	}
	return append(all,
		row{name: "ACK of our FIN in CLOSING", source: fifth, states: of(Closing), ack: ackFin, outcomes: []outcome{{of(TimeWait), nothing, aAck}}},
		row{name: "the last ACK", source: fifth, states: of(LastAck), ack: ackFin, outcomes: dies},
		row{name: "text or FIN after the FIN", source: seventh, states: of(CloseWait, Closing, LastAck, TimeWait), on: withSize, outcomes: goesOn},
		row{name: "ACK after the FIN", source: fifth, states: of(CloseWait, Closing, LastAck, TimeWait), outcomes: freed},
	)
}

// moves is staying, or what an ACK of our FIN does beside that, with an answer.
func moves(from, next State, must reply) []outcome {
	return []outcome{{same | of(from, next), must, nothing}}
}
