package answers

import (
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// segmentDifferences are all that may be between answers to segments.
var segmentDifferences = []difference{
	{
		"RFC 9293 §3.1, MUST-7: a segment whose options have an illegal length is dropped; Linux takes it without them",
		func(c *comparison) bool {
			return c.options("length 0", "length 1", "too long", "lone kind") && c.ours.silent()
		},
	},
	{
		"of an option that stands there twice the first one counts; for Linux the last",
		func(c *comparison) bool { return c.options("TS twice") },
	},
	{
		"RFC 9293 §3.10.7.4, first: what is outside the window is acknowledged, also without ACK flag",
		func(c *comparison) bool {
			return c.was >= tcp.SynReceived && c.has(0, wire.ACK|wire.RST|wire.SYN) && c.kernels.silent() && c.ours.acks() && c.sameEnd()
		},
	},
	{
		"RFC 9293 §3.10.7.4, second, and RFC 5961 §3.2: a RST that begins outside the window is dropped; for Linux it is inside when it ends there, or begins right behind it",
		func(c *comparison) bool {
			at := c.last().seq
			outside := at.plus < 0 && at.base != edge || at.plus >= 0 && at.base == edge
			return c.has(wire.RST, 0) && outside && c.ours.silent() && c.kernels.acks() && c.sameEnd()
		},
	},
	{
		"RFC 5961 §3.2: a RST counts at RCV.NXT only; Linux takes one that forgets the FIN before it",
		func(c *comparison) bool {
			return c.has(wire.RST, 0) && c.in(tcp.CloseWait, tcp.Closing, tcp.LastAck, tcp.TimeWait) && c.last().seq == point{next, -1} && c.ours.silent()
		},
	},
	{
		"RFC 9293 §3.10.7.4, second: a RST in CLOSE-WAIT tells RECEIVEs; Linux only SENDs",
		func(c *comparison) bool {
			return c.has(wire.RST, 0) && c.in(tcp.CloseWait) && strings.HasSuffix(c.ours.read, "reset") && strings.HasSuffix(c.kernels.read, "EOF") && c.ours.state == "CLOSED"
		},
	},
	{
		"RFC 9293 §3.10.7.4, second: a RST refuses an active OPEN, also a simultaneous one",
		func(c *comparison) bool {
			return c.has(wire.RST, 0) && c.in(tcp.SynReceived) && c.ours.read == "0 bytes, refused" && c.kernels.read == "0 bytes, reset"
		},
	},
	{
		"RFC 9293 §3.10.7.4, first: in SYN-RECEIVED too the number comes before the ACK; Linux resets",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.has(wire.ACK, wire.RST) && c.ours.acks() && c.kernels.resets()
		},
	},
	{
		"RFC 9293 §3.10.7.4, fourth: a SYN in the window of SYN-RECEIVED leads back to LISTEN; Linux sends a RST too",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.has(wire.SYN, wire.RST) && c.ours.silent() && c.kernels.resets()
		},
	},
	{
		"RFC 9293 §3.10.7.4, fifth to eighth: in TIME-WAIT nothing but a FIN is answered when it is in the window",
		func(c *comparison) bool {
			return c.in(tcp.TimeWait) && c.ours.silent() && c.kernels.acks() && c.sameEnd()
		},
	},
	{
		"RFC 9293 §3.10.7.4, fifth: an ACK of something not sent is answered, in TIME-WAIT too",
		func(c *comparison) bool {
			return c.in(tcp.TimeWait) && c.has(wire.ACK, wire.SYN|wire.RST|wire.FIN) && c.ours.acks() && c.kernels.silent()
		},
	},
	{
		"RFC 9293 §3.10.7.4, fourth: a SYN with a FIN opens nothing, and TIME-WAIT stays; Linux forgets it",
		func(c *comparison) bool {
			return c.in(tcp.TimeWait) && c.has(wire.SYN|wire.FIN, 0) && c.kernels.silent()
		},
	},
	{
		"RFC 9293 §3.10.7.4, seventh: text behind the FIN is ignored; Linux resets",
		func(c *comparison) bool {
			return c.in(tcp.CloseWait, tcp.Closing, tcp.LastAck) && c.last().text > 0 && !c.ours.resets() && c.kernels.resets()
		},
	},
	{
		"RFC 7323 §5.3, R2 and R3: the timestamp of a segment that is not acceptable is not recorded",
		func(c *comparison) bool { return c.offer.timestamps && c.onlyEchoes() },
	},
	{
		"RFC 7323 §5.3, R1: a segment with an old timestamp is acknowledged; Linux is silent when it is a pure ACK",
		func(c *comparison) bool {
			return c.options("TS old", "TS ancient") && c.ours.acks() && c.kernels.silent()
		},
	},
	{
		"RFC 7323 §5.3, R1: a RST counts whatever its timestamp; Linux asks for a new one in SYN-RECEIVED",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.has(wire.RST, 0) && c.options("TS old", "TS ancient") && c.ours.silent() && c.kernels.silent()
		},
	},
	{
		"RFC 7323 §3.2: where timestamps were agreed on, the ACK that ends a passive open needs one that answers ours; Linux takes it without",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.offer.timestamps && c.options("none", "end first", "TS ecr 0") && c.has(wire.ACK, wire.SYN|wire.RST) && c.ours.silent()
		},
	},
	{
		"RFC 7323 §3.2: who offered timestamps has to use them; Linux takes the ACK without",
		func(c *comparison) bool {
			return !c.offer.timestamps && strings.HasPrefix(c.last().options, "TS") && c.has(wire.SYN, wire.ACK|wire.RST) &&
				c.ours.says("S. ") && c.kernels.says("S. ") && len(c.ours.after) == 0
		},
	},
	{
		"RFC 7323 §3.2: TSecr is for the round trip; Linux also asks in the handshake that it is right",
		func(c *comparison) bool {
			return c.in(tcp.SynSent, tcp.SynReceived) && c.options("TS ecr early", "TS ecr late")
		},
	},
	{
		"RFC 7323 §5.3, R1, is against numbers that come twice: text that fills a gap, and is hardly older, was overtaken by a retransmission; Linux drops it",
		func(c *comparison) bool {
			return c.in(tcp.Established, tcp.FinWait1, tcp.FinWait2) && c.options("TS old") && c.last().text > 0 && c.ours.acks() && c.kernels.acks()
		},
	},
	{
		"RFC 7323 §2.2, §3.2, RFC 2018 §2: our SYN-ACK has the options of the peer's SYN; Linux repeats its own SYN's",
		func(c *comparison) bool {
			return c.in(tcp.SynSent) && c.has(wire.SYN, wire.ACK) && c.ours.says("S. 0:0(0)") && c.kernels.says("S. 0:0(0)")
		},
	},
	{
		"a passive open agrees to ECN only with who offers SACK too, so that a cookie can tell both in two bits; Linux with anybody",
		func(c *comparison) bool {
			return c.has(wire.SYN|wire.ECE|wire.CWR, wire.ACK) && c.alike(func(s string) string { return strings.Replace(s, "S.E", "S.", 1) }) &&
				!slices.ContainsFunc(c.ours.answers, func(s string) bool { return strings.Contains(s, "sackOK") })
		},
	},
	{
		"RFC 9293 §3.10.7.3, fourth: text and FIN in a SYN-ACK are kept; Linux waits until they come again",
		func(c *comparison) bool {
			more := c.last().text > 0 || c.has(wire.FIN, 0)
			return c.in(tcp.SynSent) && c.has(synAck, 0) && more && c.ours.acks() && c.kernels.acks()
		},
	},
	{
		"RFC 9293 §3.10.7.4, first: in SYN-RECEIVED an old segment does not establish, also when it acknowledges the SYN-ACK",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.has(wire.ACK, wire.SYN|wire.RST) && c.ours.acks() && c.kernels.acks() && c.last().seq.plus < 0
		},
	},
	{
		"RFC 9293 §3.4: of a segment across the end of the window we keep what is inside",
		func(c *comparison) bool { return c.last().seq.base == edge && c.last().seq.plus < 0 },
	},
	{
		"RFC 2018 §3: a block is of text; Linux counts the FIN in",
		func(c *comparison) bool {
			return c.has(wire.FIN, 0) && c.last().seq.plus > 0 && c.offer.sack && c.ours.acks() && c.kernels.acks()
		},
	},
	{
		"RFC 9293 §3.10.7.4, fifth: in SYN-RECEIVED an ACK that does not acknowledge the SYN is reset, also of an active OPEN",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.has(wire.ACK, wire.SYN|wire.RST) && c.ours.says("R 0:0(0)")
		},
	},
	{
		"RFC 9293 §3.10.7.4, eighth: a second FIN behind the first is ignored; Linux acknowledges it",
		func(c *comparison) bool {
			return c.in(tcp.CloseWait, tcp.Closing, tcp.LastAck) && c.has(wire.FIN, wire.SYN|wire.RST) && !c.ours.resets() && c.kernels.acks()
		},
	},
	{
		"RFC 9293 §3.10.7.4, first: an old segment is acknowledged; Linux is silent when it acknowledges our FIN",
		func(c *comparison) bool {
			return c.in(tcp.Closing, tcp.LastAck) && c.ours.acks() && c.kernels.silent() && c.sameEnd()
		},
	},
	{
		"RFC 9293 §3.10.7.4, fifth: our RST has SEQ=SND.NXT, as that of an abort; Linux's has SEG.ACK",
		func(c *comparison) bool { return c.onlyResets() },
	},
	{
		"RFC 9293 §3.6.1: new data after CLOSE is reset; for Linux so is a FIN that says that there is some",
		func(c *comparison) bool {
			return c.orphan && c.ours.acks() && c.kernels.resets()
		},
	},
	{
		"RFC 9293 §3.10.7.4, eighth: a repeated FIN is acknowledged; Linux is silent when it acknowledges ours",
		func(c *comparison) bool {
			return c.in(tcp.Closing, tcp.FinWait1) && len(c.ours.after) > 0 && len(c.kernels.after) == 0
		},
	},
	{
		"RFC 9293 §3.4: a segment that begins behind the window is outside; Linux's window is larger than it says",
		func(c *comparison) bool {
			return c.last().seq.base == edge && c.last().seq.plus >= 0 && c.ours.acks()
		},
	},
	{
		"RFC 5961 §5.2: an ACK of what was never sent, or too long ago, is challenged; Linux takes that of its SYN, and beside text any",
		func(c *comparison) bool {
			return c.was.Synchronized() && c.has(wire.ACK, wire.SYN|wire.RST) && c.last().ack != point{} && c.ours.says(". ") && c.sameNumbers()
		},
	},
	{
		"RFC 9293 §3.10.7.4, fourth: a SYN before the window of SYN-RECEIVED is challenged, also with payload; Linux resets",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.has(wire.SYN, wire.ACK|wire.RST) && c.last().seq.plus < 0 && c.ours.acks() && c.kernels.resets()
		},
	},
	{
		"RFC 9293 §3.10.7.4, eighth: nothing is behind a FIN, also one that came early; Linux forgets it when there is",
		func(c *comparison) bool {
			return c.hadEarlyFin() || len(c.segments) > 1 && c.has(wire.FIN, wire.SYN|wire.RST) && c.last().seq.plus > 0
		},
	},
	{
		"RFC 9293 §3.10.7.4: an ACK has SEQ=SND.NXT; Linux's stays inside a window that was taken back",
		func(c *comparison) bool {
			return c.alike(func(s string) string { return ackNumber.ReplaceAllString(s, ". N") }) && c.ours.acks()
		},
	},
	{
		"RFC 5961 §3.2: a RST counts at RCV.NXT only; Linux takes one at the end of the last SACK block",
		func(c *comparison) bool {
			return c.offer.sack && c.has(wire.RST, 0) && c.last().seq.plus > 0 && c.ours.acks() && c.kernels.silent()
		},
	},
	{
		"RFC 5961 §4.2: a RST that answers the challenge to a SYN ends TIME-WAIT too; Linux with tcp_rfc1337 ignores it",
		func(c *comparison) bool {
			return len(c.segments) > 1 && c.in(tcp.TimeWait) && c.has(wire.RST, 0) && c.ours.silent() && c.kernels.silent()
		},
	},
	{
		"RFC 4987 §3.6: each first number is a cookie, so the same SYN gets the same one again",
		func(c *comparison) bool {
			return len(c.segments) > 1 && c.in(tcp.Closed) && c.has(wire.SYN, wire.ACK|wire.RST|wire.FIN) && c.ours.says("S. 0:0(0)") && c.kernels.says("S. new")
		},
	},
	{
		"RFC 6191 §2: a SYN with timestamps opens anew what had none in TIME-WAIT; Linux asks for a higher number",
		func(c *comparison) bool {
			return c.in(tcp.TimeWait) && !c.offer.timestamps && strings.HasPrefix(c.last().options, "TS") && c.ours.says("S. new")
		},
	},
	{
		"RFC 2883 §4: what came twice is reported, beside a FIN too, and nothing that never came; Linux believes any old number",
		func(c *comparison) bool {
			return c.offer.sack && c.onlyTwice()
		},
	},
	{
		"RFC 9293 §3.10.7.4, eighth: text behind the FIN is given up; Linux's last ACK still tells of it",
		func(c *comparison) bool {
			return c.offer.sack && c.has(wire.FIN, wire.SYN|wire.RST) && c.in(tcp.FinWait1, tcp.FinWait2) && c.ours.acks() &&
				!strings.Contains(withoutTwice(c.ours.answers[0]), "sack") &&
				slices.Equal(each(c.ours.answers, withoutBlocks), each(c.kernels.answers, withoutBlocks)) && c.sameEnd()
		},
	},
	{
		"RFC 9293 §3.10.7.3, fourth, would open by it, but no peer of good faith sends a SYN with a FIN",
		func(c *comparison) bool { return c.in(tcp.SynSent) && c.has(wire.SYN|wire.FIN, 0) && c.ours.silent() },
	},
	{
		"RFC 9293 §3.8.1: in SYN-RECEIVED the SYN again is answered with the SYN-ACK again; Linux acknowledges it when it opened actively",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.has(wire.SYN, wire.ACK|wire.RST) && c.ours.says("S. 0:0(0) ack 1")
		},
	},
	{
		"RFC 9293 §3.5, figure 7: the SYN-ACK of a simultaneous open is judged by its ACK, and not answered",
		func(c *comparison) bool {
			return c.in(tcp.SynReceived) && c.has(synAck, wire.RST) && c.last().seq == point{next, -1}
		},
	},
}
