package story

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Lang is a language that sentences are written in.
type Lang uint8

// The languages.
const (
	English Lang = iota
	Chinese      // Simplified

	numLangs = int(Chinese) + 1
)

// ParseLang reads "en" or "zh".
func ParseLang(s string) (Lang, error) {
	switch s {
	case "en":
		return English, nil
	case "zh":
		return Chinese, nil
	}
	return English, fmt.Errorf("language %q is neither en nor zh", s)
}

// sentence is the same sentence in every language.
type sentence [numLangs]string

// meanings says what each state is, after RFC 9293 §3.3.2.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.3.2
var meanings = [tcp.NumStates]sentence{
	tcp.Closed:      {"There is no connection.", "没有连接。"},
	tcp.Listen:      {"Waits for a SYN from anybody.", "等待任何一方发来 SYN。"},
	tcp.SynSent:     {"Has sent a SYN and waits for the peer's.", "已发出 SYN，等待对方的 SYN。"},
	tcp.SynReceived: {"Has received a SYN and sent its own, and waits for the ACK of it: the connection is half open.", "已收到 SYN 并发出自己的 SYN，等待对它的确认：连接处于半开状态。"},
	tcp.Established: {"Both SYNs are acknowledged: data flows both ways.", "双方的 SYN 都已得到确认：数据可以双向传送。"},
	tcp.CloseWait:   {"The peer has closed; waits for our program to close too.", "对方已关闭；等待本方程序也关闭。"},
	tcp.FinWait1:    {"Our program has closed; waits for the ACK of our FIN, or for the peer's FIN.", "本方程序已关闭；等待对我方 FIN 的确认，或等待对方的 FIN。"},
	tcp.Closing:     {"Both closed at once: the peer's FIN has come, the ACK of ours has not.", "双方同时关闭：对方的 FIN 已到，对我方 FIN 的确认还没有到。"},
	tcp.LastAck:     {"The peer closed first, then we; waits for the ACK of our FIN.", "对方先关闭，本方随后关闭；等待对我方 FIN 的确认。"},
	tcp.FinWait2:    {"Our FIN is acknowledged; still receives, and waits for the peer's FIN.", "我方的 FIN 已得到确认；仍可接收数据，等待对方的 FIN。"},
	tcp.TimeWait:    {"Both have closed; waits 2MSL, to answer a repeated FIN and to let old segments die.", "双方都已关闭；等待 2MSL，以便回应重发的 FIN，并让旧报文段在网络中消失。"},
}

// Meaning says what a state is, in a sentence.
func Meaning(s tcp.State, l Lang) string { return meanings[s][l] }

// failures end a connection that has something to send from any state.
var failures = []tcp.Cause{tcp.CauseReset, tcp.CauseAbort, tcp.CauseTimeout, tcp.CauseUserTimeout, tcp.CauseICMP}

func orFailure(more ...tcp.Cause) []tcp.Cause { return append(more, failures...) }

// causes is why each move of the state diagram is made. A test holds it
// against tcp.CanMove, and the command's against what the scenarios do.
var causes = map[move][]tcp.Cause{
	{tcp.Closed, tcp.Listen}:           {tcp.CausePassiveOpen},
	{tcp.Closed, tcp.SynSent}:          {tcp.CauseActiveOpen},
	{tcp.Listen, tcp.SynReceived}:      {tcp.CauseSyn},
	{tcp.Listen, tcp.SynSent}:          {tcp.CauseActiveOpen},
	{tcp.Listen, tcp.Closed}:           {tcp.CauseClose},
	{tcp.SynSent, tcp.SynReceived}:     {tcp.CauseSyn},
	{tcp.SynSent, tcp.Established}:     {tcp.CauseSynAck},
	{tcp.SynSent, tcp.Closed}:          {tcp.CauseClose, tcp.CauseRefused, tcp.CauseAbort, tcp.CauseTimeout, tcp.CauseUserTimeout, tcp.CauseICMP},
	{tcp.SynReceived, tcp.Established}: {tcp.CauseAckOfSyn},
	{tcp.SynReceived, tcp.FinWait1}:    {tcp.CauseClose},
	{tcp.SynReceived, tcp.Listen}:      {tcp.CauseReset, tcp.CauseSyn, tcp.CauseTimeout},
	{tcp.SynReceived, tcp.Closed}:      orFailure(tcp.CauseRefused),
	{tcp.Established, tcp.FinWait1}:    {tcp.CauseClose},
	{tcp.Established, tcp.CloseWait}:   {tcp.CauseFin},
	{tcp.Established, tcp.Closed}:      orFailure(tcp.CauseUnreadData, tcp.CauseKeepAlive),
	{tcp.CloseWait, tcp.LastAck}:       {tcp.CauseClose},
	{tcp.CloseWait, tcp.Closed}:        orFailure(tcp.CauseUnreadData, tcp.CauseKeepAlive),
	{tcp.FinWait1, tcp.FinWait2}:       {tcp.CauseAckOfFin},
	{tcp.FinWait1, tcp.Closing}:        {tcp.CauseFin},
	{tcp.FinWait1, tcp.TimeWait}:       {tcp.CauseFinAndAck},
	{tcp.FinWait1, tcp.Closed}:         orFailure(tcp.CauseDataAfterClose, tcp.CauseUnreadData),
	{tcp.Closing, tcp.TimeWait}:        {tcp.CauseAckOfFin},
	{tcp.Closing, tcp.Closed}:          failures,
	{tcp.LastAck, tcp.Closed}:          orFailure(tcp.CauseAckOfFin),
	{tcp.FinWait2, tcp.TimeWait}:       {tcp.CauseFin},
	{tcp.FinWait2, tcp.Closed}:         orFailure(tcp.CauseFinWait2Over, tcp.CauseDataAfterClose, tcp.CauseUnreadData, tcp.CauseKeepAlive),
	{tcp.TimeWait, tcp.Closed}:         {tcp.CauseTimeWaitOver, tcp.CauseReuse, tcp.CauseAbort},
}

// move is an arrow of the state diagram.
type move struct{ from, to tcp.State }

// Causes returns why a connection goes from one state to the other; none when
// the state diagram has no such arrow.
func Causes(from, to tcp.State) []tcp.Cause { return causes[move{from, to}] }
