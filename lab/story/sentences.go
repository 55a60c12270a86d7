package story

import (
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// The sentences of Explain: what happens, why, and where it is written.

var (
	lostSentence = sentence{
		"The wire loses this segment. Neither end is told: only the missing ACK will show it.",
		"这个报文段在链路上丢失。没有谁会得到通知：只有等不到确认才能发现。"}
	nobodySentence = sentence{
		"No host has the address that it goes to: no answer will ever come.",
		"它的目的地址不属于任何主机：永远不会有回答。"}
	alteredSentence = sentence{
		"The wire flips bits in this segment; its checksum will tell (RFC 9293 §3.1).",
		"链路改变了这个报文段中的比特；校验和会发现这一点（RFC 9293 §3.1）。"}
	doubledSentence = sentence{
		"The wire delivers this segment twice; the second copy has nothing new (RFC 9293 §3.10.7.4).",
		"链路把这个报文段送达两次；第二份没有任何新内容（RFC 9293 §3.10.7.4）。"}
	markedSentence = sentence{
		"A queue on the way is long and marks this segment (CE) instead of dropping it (RFC 3168 §5).",
		"途中的队列过长：标记这个报文段（CE），而不是丢弃它（RFC 3168 §5）。"}
	asksECNSentence = sentence{
		"ECE and CWR ask for ECN: routers may mark instead of dropping (RFC 3168 §6.1.1).",
		"ECE 与 CWR 请求使用 ECN：路由器可以用标记代替丢弃（RFC 3168 §6.1.1）。"}
	agreesECNSentence = sentence{
		"ECE alone agrees to ECN (RFC 3168 §6.1.1).",
		"单独的 ECE 表示同意使用 ECN（RFC 3168 §6.1.1）。"}
	asksAccECNSentence = sentence{
		"AE, CWR and ECE ask for AccECN: each mark is to be counted (RFC 9768 §3.1.1).",
		"AE、CWR 与 ECE 请求使用 AccECN：每个标记都要计数（RFC 9768 §3.1.1）。"}
	agreesAccECNSentence = sentence{
		"The three flags agree to AccECN, and say how the SYN was marked (RFC 9768 §3.1.1).",
		"这三个标志同意使用 AccECN，并说明 SYN 带着什么标记到达（RFC 9768 §3.1.1）。"}
	reflectionSentence = sentence{
		"AE, CWR and ECE say how the SYN-ACK was marked (RFC 9768 §3.2.2.1).",
		"AE、CWR 与 ECE 说明 SYN-ACK 带着什么标记到达（RFC 9768 §3.2.2.1）。"}
	marksSentence = sentence{
		"AE, CWR and ECE count the marked segments that have come: from 5 on, modulo 8 (RFC 9768 §3.2.2).",
		"AE、CWR 与 ECE 对到达的被标记报文段计数：从 5 开始，模 8（RFC 9768 §3.2.2）。"}
	echoSentence = sentence{
		"ECE tells the sender that a marked segment has arrived, until CWR answers (RFC 3168 §6.1.3).",
		"ECE 告知发送方收到了被标记的报文段，直到对方以 CWR 回答（RFC 3168 §6.1.3）。"}
	reducedSentence = sentence{
		"CWR tells that the congestion window has been reduced (RFC 3168 §6.1.2).",
		"CWR 告知拥塞窗口已经减小（RFC 3168 §6.1.2）。"}
	asksCookieSentence = sentence{
		"An empty Fast Open option asks for a cookie, to be used next time (RFC 7413 §4.1.1).",
		"空的 Fast Open 选项索取一个 cookie，供下次使用（RFC 7413 §4.1.1）。"}
	givesCookieSentence = sentence{
		"It brings a cookie: whoever shows it has this address, and may send data on a SYN (RFC 7413 §4.1.2).",
		"它带来一个 cookie：出示它的一方确实拥有这个地址，可以在 SYN 上发送数据（RFC 7413 §4.1.2）。"}
	showsCookieSentence = sentence{
		"The cookie lets the data ride on the SYN: where it is right the program has them a round trip earlier (RFC 7413 §4.2).",
		"凭借 cookie，数据随 SYN 同行：cookie 正确时，程序早一个往返得到数据（RFC 7413 §4.2）。"}
	forgedSentence = sentence{
		"No end sent this now: it is an old segment that was late, or one that a stranger forged.",
		"此刻没有谁发送它：这是一个迟到的旧报文段，或是第三者伪造的报文段。"}
	otherDrop = sentence{
		"The receiver cannot use this segment and drops it without an answer.",
		"接收方无法使用这个报文段，不作回答就把它丢弃。"}
)

// segmentSentences are tried from the top.
var segmentSentences = []segmentCase{
	{name: "syn-ack again", has: wire.SYN | wire.ACK, again: true, sentence: sentence{
		"The SYN-ACK is repeated, because its ACK has not come in time (RFC 6298 §5.4).",
		"由于没有及时收到确认，重发 SYN+ACK（RFC 6298 §5.4）。"}},
	{name: "syn again", has: wire.SYN, not: wire.ACK, again: true, sentence: sentence{
		"The SYN is repeated, because no answer has come in time; each wait is twice the last one (RFC 6298 §5.5).",
		"由于没有及时收到回答，重发 SYN；每次等待的时间是上一次的两倍（RFC 6298 §5.5）。"}},
	{name: "syn-ack", has: wire.SYN | wire.ACK, sentence: sentence{
		"Second step of the handshake: acknowledges the peer's SYN and sends its own first sequence number (RFC 9293 §3.5).",
		"握手的第二步：确认对方的 SYN，同时发送自己的初始序号（RFC 9293 §3.5）。"}},
	{name: "syn", has: wire.SYN, sentence: sentence{
		"First step of the handshake: asks for a connection and tells the first sequence number (RFC 9293 §3.5).",
		"握手的第一步：请求建立连接，并告知初始序号（RFC 9293 §3.5）。"}},
	{name: "rst-ack", has: wire.RST | wire.ACK, sentence: sentence{
		"Resets the connection: it is refused, or ended at once; waiting data is discarded (RFC 9293 §3.5.2).",
		"复位连接：拒绝它，或立即终止它；等待中的数据全部丢弃（RFC 9293 §3.5.2）。"}},
	{name: "rst", has: wire.RST, sentence: sentence{
		"Answers a segment that belongs to no connection here; its number is the one that was acknowledged (RFC 9293 §3.5.2).",
		"回答一个在本方不属于任何连接的报文段；序号取自对方的确认号（RFC 9293 §3.5.2）。"}},
	{name: "fin again", has: wire.FIN, again: true, sentence: sentence{
		"The FIN is repeated, because its ACK has not come in time (RFC 6298 §5.4).",
		"由于没有及时收到确认，重发 FIN（RFC 6298 §5.4）。"}},
	{name: "fin with text", has: wire.FIN, when: hasText, sentence: sentence{
		"The last data, and with it the FIN: this side will send nothing more (RFC 9293 §3.6).",
		"最后的数据，并带上 FIN：这一方不再发送数据（RFC 9293 §3.6）。"}},
	{name: "fin", has: wire.FIN, sentence: sentence{
		"FIN: this side will send nothing more; it takes a sequence number, so that it can be acknowledged (RFC 9293 §3.6).",
		"FIN：这一方不再发送数据；它占用一个序号，因此可以被确认（RFC 9293 §3.6）。"}},
	{name: "window probe", when: probesWindow, sentence: sentence{
		"Probes a window that is shut: had the segment that opens it been lost, both would wait forever (RFC 9293 §3.8.6.1).",
		"探测已关闭的窗口：如果打开窗口的报文段丢失，双方会永远等待（RFC 9293 §3.8.6.1）。"}},
	{name: "keep-alive", when: keepsAlive, sentence: sentence{
		"A keep-alive probe: an old number, which a living peer must answer (RFC 9293 §3.8.4).",
		"保活探测：使用旧的序号，活着的对方必须回答（RFC 9293 §3.8.4）。"}},
	{name: "text again", again: true, when: hasText, sentence: sentence{
		"The data is repeated: it has not been acknowledged (RFC 8985 §6.2, RFC 6298 §5.4).",
		"重发数据：它还没有得到确认（RFC 8985 §6.2，RFC 6298 §5.4）。"}},
	{name: "urgent", has: wire.URG, sentence: sentence{
		"Data with an urgent pointer, which says where the urgent part ends (RFC 6093 §3.1).",
		"带紧急指针的数据，指针指出紧急部分在哪里结束（RFC 6093 §3.1）。"}},
	{name: "text", has: wire.ACK, when: hasText, sentence: sentence{
		"Data; every segment also acknowledges what has arrived so far (RFC 9293 §3.4).",
		"数据；每个报文段同时确认到目前为止收到的内容（RFC 9293 §3.4）。"}},
	{name: "sack", has: wire.ACK, when: hasSACK, sentence: sentence{
		"Acknowledges up to the first gap, and tells with SACK what has arrived behind it (RFC 2018 §3).",
		"确认到第一个缺口为止，并用 SACK 告知缺口之后已收到的内容（RFC 2018 §3）。"}},
	{name: "shut window", has: wire.ACK, when: shutWindow, sentence: sentence{
		"Acknowledges, and shuts the window: there is no room for more until the program reads (RFC 9293 §3.8.6).",
		"确认，并关闭窗口：在程序读取之前没有更多空间（RFC 9293 §3.8.6）。"}},
	{name: "third ack", has: wire.ACK, when: func(s *Moment) bool {
		sequence, ack := trace.Relative(&s.Event)
		return sequence == 1 && ack == 1 && s.State == tcp.Established
	}, sentence: sentence{
		"Third step of the handshake: acknowledges the peer's SYN; both sides now know both numbers (RFC 9293 §3.5).",
		"握手的第三步：确认对方的 SYN；双方现在都知道两个初始序号（RFC 9293 §3.5）。"}},
	{name: "ack", has: wire.ACK, sentence: sentence{
		"Acknowledges what has arrived: its number is the next one that is expected (RFC 9293 §3.4).",
		"确认已收到的内容：确认号是期望收到的下一个序号（RFC 9293 §3.4）。"}},
	{name: "other", sentence: sentence{
		"A segment without ACK, which no peer in a connection sends (RFC 9293 §3.10.7.4).",
		"没有 ACK 的报文段，连接中的任何一方都不会这样发送（RFC 9293 §3.10.7.4）。"}},
}

// moveSentences say of a move what its cause alone does not.
var moveSentences = map[move]sentence{
	{tcp.Closed, tcp.SynSent}: {
		"The program asks for a connection: active open (RFC 9293 §3.10.1).",
		"程序请求建立连接：主动打开（RFC 9293 §3.10.1）。"},
	{tcp.SynSent, tcp.SynReceived}: {
		"A SYN came where a SYN-ACK was expected: both sides open at once (RFC 9293 §3.5).",
		"期望收到 SYN+ACK，却收到了 SYN：双方同时打开（RFC 9293 §3.5）。"},
	{tcp.SynReceived, tcp.Listen}: {
		"What looked like a new connection is none: back to listening (RFC 9293 §3.10.7.4).",
		"看似新的连接并不存在：回到监听状态（RFC 9293 §3.10.7.4）。"},
	{tcp.FinWait1, tcp.Closing}: {
		"The peer's FIN came before the ACK of ours: both close at once (RFC 9293 §3.6).",
		"对方的 FIN 先于对我方 FIN 的确认到达：双方同时关闭（RFC 9293 §3.6）。"},
	{tcp.FinWait1, tcp.FinWait2}: {
		"Our FIN is acknowledged: this direction is closed, the other one is still open (RFC 9293 §3.6).",
		"我方的 FIN 得到确认：这个方向已关闭，另一个方向仍然打开（RFC 9293 §3.6）。"},
	{tcp.FinWait2, tcp.TimeWait}: {
		"Both directions are closed; waits 2MSL, should the last ACK be lost and the FIN come again (RFC 9293 §3.6.1).",
		"两个方向都已关闭；等待 2MSL，以防最后的确认丢失、FIN 再次到来（RFC 9293 §3.6.1）。"},
	{tcp.Closing, tcp.TimeWait}: {
		"Our FIN is acknowledged as well; both sides wait 2MSL after a simultaneous close (RFC 9293 §3.6).",
		"我方的 FIN 也得到确认；同时关闭之后双方都等待 2MSL（RFC 9293 §3.6）。"},
	{tcp.LastAck, tcp.Closed}: {
		"The last FIN is acknowledged: this side is done, and need not wait (RFC 9293 §3.6).",
		"最后的 FIN 得到确认：这一方结束，无须等待（RFC 9293 §3.6）。"},
}

var causeSentences = [...]sentence{
	tcp.CauseNone: {
		"The host has restarted and forgotten the connection; the peer does not know (RFC 9293 §3.5.1).",
		"主机重新启动，忘记了这个连接；对方并不知道（RFC 9293 §3.5.1）。"},
	tcp.CauseActiveOpen: {
		"The program asks for a connection: active open (RFC 9293 §3.10.1).",
		"程序请求建立连接：主动打开（RFC 9293 §3.10.1）。"},
	tcp.CausePassiveOpen: {
		"The program waits for connections: passive open (RFC 9293 §3.10.1).",
		"程序等待连接：被动打开（RFC 9293 §3.10.1）。"},
	tcp.CauseSyn: {
		"A SYN arrived: the connection is half open until our SYN-ACK is acknowledged (RFC 9293 §3.10.7.2).",
		"收到 SYN：在我方的 SYN+ACK 得到确认之前，连接处于半开状态（RFC 9293 §3.10.7.2）。"},
	tcp.CauseSynAck: {
		"The SYN-ACK acknowledges our SYN: for this side the connection is open (RFC 9293 §3.10.7.3).",
		"SYN+ACK 确认了我方的 SYN：对这一方来说连接已经建立（RFC 9293 §3.10.7.3）。"},
	tcp.CauseAckOfSyn: {
		"Our SYN is acknowledged: the connection is open for this side too (RFC 9293 §3.10.7.4).",
		"我方的 SYN 得到确认：对这一方来说连接也已建立（RFC 9293 §3.10.7.4）。"},
	tcp.CauseFin: {
		"The peer will send nothing more; we still may (RFC 9293 §3.6).",
		"对方不再发送数据；我方仍可发送（RFC 9293 §3.6）。"},
	tcp.CauseAckOfFin: {
		"Our FIN is acknowledged (RFC 9293 §3.10.7.4).",
		"我方的 FIN 得到确认（RFC 9293 §3.10.7.4）。"},
	tcp.CauseFinAndAck: {
		"One segment brings the peer's FIN and the ACK of ours, so FIN-WAIT-2 is skipped (RFC 9293 §3.10.7.4).",
		"一个报文段同时带来对方的 FIN 和对我方 FIN 的确认，因此跳过 FIN-WAIT-2（RFC 9293 §3.10.7.4）。"},
	tcp.CauseClose: {
		"The program closes: a FIN goes out behind the data that still waits (RFC 9293 §3.10.4).",
		"程序关闭连接：FIN 排在等待发送的数据之后发出（RFC 9293 §3.10.4）。"},
	tcp.CauseAbort: {
		"The program aborts: data that waits is thrown away and a RST tells the peer (RFC 9293 §3.10.5).",
		"程序中止连接：丢弃等待的数据，并用 RST 通知对方（RFC 9293 §3.10.5）。"},
	tcp.CauseUnreadData: {
		"The program closes without having read all: a RST tells the peer that data was lost (RFC 2525 §2.17).",
		"程序没有读完数据就关闭：用 RST 告知对方数据已丢失（RFC 2525 §2.17）。"},
	tcp.CauseDataAfterClose: {
		"Data came for a program that has gone: a RST says that it will not be read (RFC 9293 §3.6.1).",
		"数据到达时程序已经离开：用 RST 告知没有谁会读取（RFC 9293 §3.6.1）。"},
	tcp.CauseReset: {
		"A RST with exactly the expected number ends the connection at once (RFC 9293 §3.10.7.4, RFC 5961 §3).",
		"序号恰好符合期望的 RST 立即终止连接（RFC 9293 §3.10.7.4，RFC 5961 §3）。"},
	tcp.CauseRefused: {
		"A RST answers our SYN: no program listens there (RFC 9293 §3.10.7.3).",
		"RST 回答了我方的 SYN：对方没有程序在监听（RFC 9293 §3.10.7.3）。"},
	tcp.CauseTimeout: {
		"It was repeated as often as allowed and never acknowledged: gives up (RFC 9293 §3.8.3).",
		"已重发到允许的次数，始终没有得到确认：放弃（RFC 9293 §3.8.3）。"},
	tcp.CauseUserTimeout: {
		"Nothing was acknowledged for as long as the program allows: gives up (RFC 9293 §3.10.8).",
		"在程序允许的时间内没有任何确认：放弃（RFC 9293 §3.10.8）。"},
	tcp.CauseKeepAlive: {
		"No keep-alive probe was answered: the peer is taken for dead (RFC 9293 §3.8.4).",
		"所有保活探测都没有得到回答：认为对方已经失效（RFC 9293 §3.8.4）。"},
	tcp.CauseTimeWaitOver: {
		"2MSL are over: the network holds no more segments of this connection (RFC 9293 §3.4.1).",
		"2MSL 已过：网络中不再有这个连接的报文段（RFC 9293 §3.4.1）。"},
	tcp.CauseFinWait2Over: {
		"The peer's FIN has not come, and no program waits for it: gives up, as most systems do (RFC 1122 §4.2.2.13).",
		"对方的 FIN 没有到来，也没有程序在等待：放弃，大多数系统都这样做（RFC 1122 §4.2.2.13）。"},
	tcp.CauseICMP: {
		"An ICMP message says that the peer cannot be reached (RFC 9293 §3.9.2.2).",
		"ICMP 报文说明无法到达对方（RFC 9293 §3.9.2.2）。"},
	tcp.CauseReuse: {
		"A new SYN is surely newer than the old connection: TIME-WAIT makes room for it (RFC 6191 §2).",
		"新的 SYN 肯定晚于旧连接：TIME-WAIT 为它让位（RFC 6191 §2）。"},
}

var timerSentences = [...]sentence{
	tcp.TimerRetransmit: {
		"No acknowledgement came in time: first repeats the last segment, as a probe, then the oldest, and doubles the timeout (RFC 8985 §7, RFC 6298 §5.4, §5.5).",
		"没有及时收到确认：先重发最后的报文段作为探测，然后重发最早的，并把超时时间加倍（RFC 8985 §7，RFC 6298 §5.4、§5.5）。"},
	tcp.TimerPersist: {
		"The peer's window is shut, or smaller than a segment: sends what fits, or asks whether it has opened (RFC 9293 §3.8.6.1, §3.8.6.2.1).",
		"对方的窗口已关闭，或小于一个报文段：发送放得下的部分，或询问窗口是否已经打开（RFC 9293 §3.8.6.1、§3.8.6.2.1）。"},
	tcp.TimerDelayedAck: {
		"An ACK was held back in the hope of data to travel with; now it goes alone (RFC 9293 §3.8.6.3).",
		"确认被推迟，希望与数据同行；现在单独发出（RFC 9293 §3.8.6.3）。"},
	tcp.TimerKeepAlive: {
		"Nothing has been heard for long: asks whether the peer still lives (RFC 9293 §3.8.4).",
		"很久没有任何消息：询问对方是否仍然存活（RFC 9293 §3.8.4）。"},
	tcp.TimerLife: {
		"The last wait of this connection is over (RFC 9293 §3.6.1).",
		"这个连接的最后等待结束（RFC 9293 §3.6.1）。"},
}

var dropSentences = map[wire.Drop]sentence{
	wire.BadTCPChecksum: {
		"The checksum is wrong: the segment is dropped as if it had never come (RFC 9293 §3.1).",
		"校验和错误：丢弃这个报文段，就像它从未到达（RFC 9293 §3.1）。"},
	wire.NoAuth: {
		"Segments of this peer are signed, and this one is not: it is dropped as if it had never come (RFC 5925 §7.5).",
		"对方的报文段都有签名，而它没有：丢弃，就像它从未到达（RFC 5925 §7.5）。"},
	wire.BadAuth: {
		"The signature is wrong: another key, or something was changed on the way; it is dropped as if it had never come (RFC 5925 §7.5).",
		"签名错误：密钥不同，或途中被改动；丢弃，就像它从未到达（RFC 5925 §7.5）。"},
	wire.UnknownAuthKey: {
		"It is signed with a key that is not known here: it is dropped as if it had never come (RFC 5925 §7.5).",
		"它用本方不知道的密钥签名：丢弃，就像它从未到达（RFC 5925 §7.5）。"},
	wire.NoSocket: {
		"It belongs to no connection here, and no listener takes it: a RST answers (RFC 9293 §3.10.7.1, §3.10.7.2).",
		"它不属于本方的任何连接，也没有监听者接受它：用 RST 回答（RFC 9293 §3.10.7.1、§3.10.7.2）。"},
	wire.BadFlags: {
		"These flags make no sense together: the segment is dropped (RFC 9293 §3.10.7).",
		"这些标志的组合没有意义：丢弃这个报文段（RFC 9293 §3.10.7）。"},
	wire.BadSequence: {
		"It lies outside the receive window: it is dropped, and an ACK tells what is expected (RFC 9293 §3.10.7.4, first check).",
		"它在接收窗口之外：丢弃，并用 ACK 告知期望的序号（RFC 9293 §3.10.7.4 第一项检查）。"},
	wire.BadAck: {
		"It acknowledges what was never sent, or something too old: it is not believed (RFC 5961 §5).",
		"它确认了从未发送的内容，或过于陈旧的内容：不予相信（RFC 5961 §5）。"},
	wire.OldAck: {
		"It acknowledges less than an earlier one: nothing to learn from it (RFC 9293 §3.10.7.4).",
		"它确认的内容少于更早的确认：没有新信息（RFC 9293 §3.10.7.4）。"},
	wire.PAWS: {
		"Its timestamp is older than the last one: an old duplicate (RFC 7323 §5).",
		"它的时间戳早于上一个：是旧的重复报文段（RFC 7323 §5）。"},
	wire.MissingTimestamp: {
		"Timestamps were agreed on, and it has none: dropped (RFC 7323 §3.2).",
		"双方约定使用时间戳，而它没有：丢弃（RFC 7323 §3.2）。"},
	wire.BlindReset: {
		"A RST in the window but not exact could be a stranger's: a challenge ACK asks for proof (RFC 5961 §3).",
		"RST 在窗口之内但序号不精确，可能来自第三者：用挑战 ACK 要求证明（RFC 5961 §3）。"},
	wire.BlindSyn: {
		"A SYN inside a connection could be a stranger's: it is not believed, the peer is asked (RFC 5961 §4).",
		"连接中的 SYN 可能来自第三者：不予相信，而是询问对方（RFC 5961 §4）。"},
	wire.NoAckFlag: {
		"Inside a connection every segment acknowledges; this one does not (RFC 9293 §3.10.7.4, fifth check).",
		"连接中的每个报文段都带确认，而它没有（RFC 9293 §3.10.7.4 第五项检查）。"},
	wire.TimeWaitReset: {
		"A RST must not end TIME-WAIT early: it is ignored (RFC 1337).",
		"RST 不得提前结束 TIME-WAIT：忽略它（RFC 1337）。"},
	wire.Duplicate: {
		"All of it has arrived before: it is dropped, and an ACK repeats what is expected (RFC 9293 §3.10.7.4).",
		"它的全部内容以前已经收到：丢弃，并再次用 ACK 告知期望的序号（RFC 9293 §3.10.7.4）。"},
	wire.ReassemblyFull: {
		"It arrived out of order and there is no room for it: it must be sent again (RFC 9293 §3.10.7.4).",
		"它提前到达，而没有空间保存：必须再次发送（RFC 9293 §3.10.7.4）。"},
	wire.NoMemory: {
		"All connections together hold as much as they may: it must be sent again, when some of that has been read.",
		"所有连接的缓冲总量已达上限：要等其中一部分被读走之后，再重新发送。"},
	wire.AcceptDeferred: {
		"The listener wants connections that have said something (TCP_DEFER_ACCEPT): the ACK is remembered, and the connection waits for text.",
		"监听者只接收已经发来数据的连接（TCP_DEFER_ACCEPT）：记下这个 ACK，连接继续等待数据。"},
	wire.WindowFull: {
		"It lies past the window that was offered: there is no room for it (RFC 9293 §3.8.6).",
		"它超出了所提供的窗口：没有空间存放（RFC 9293 §3.8.6）。"},
	wire.ListenFull: {
		"Too many connections wait already: the SYN is dropped, the client will repeat it (RFC 4987 §2).",
		"等待的连接已经太多：丢弃这个 SYN，客户端会重发（RFC 4987 §2）。"},
	wire.Closed: {
		"The program has closed and will not read this: a RST says so (RFC 9293 §3.6.1).",
		"程序已经关闭，不会读取它：用 RST 告知对方（RFC 9293 §3.6.1）。"},
}
