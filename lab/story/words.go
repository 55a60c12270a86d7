package story

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// The few words that stand on a picture beside the sentences of Explain. The
// spellings of the engine are the English ones.

// words are marks and titles.
var words = struct {
	again, copied, forged, corrupted, marked, lost, scripted, strangers, others, halfOpen, timer, bundle, flood, timers, restarted, comma, space sentence
}{
	again:     sentence{"again", "重发"},
	copied:    sentence{"copy", "副本"},
	forged:    sentence{"not sent now", "并非此刻发送"},
	corrupted: sentence{"corrupted", "比特出错"},
	marked:    sentence{"ce", "ce"}, // as tcpdump has it
	lost:      sentence{"lost", "丢失"},
	scripted:  sentence{"scripted", "按脚本"},
	strangers: sentence{"forged sources", "伪造的来源"},
	others:    sentence{"others", "其他主机"},
	halfOpen:  sentence{"half-open", "半连接"},
	timer:     sentence{"%s timer", "%s定时器"},
	bundle:    sentence{"after %d more like it", "之前省略 %d 个同类报文段"},
	flood:     sentence{"%d more packets like these", "另有 %d 个类似的报文"},
	timers:    sentence{"%d more timers like this", "另有 %d 个类似的定时器"},
	restarted: sentence{"all forgotten", "全部忘记"},
	comma:     sentence{", ", "，"},
	space:     sentence{" ", ""}, // between two sentences
}

var causesZH = map[tcp.Cause]string{
	tcp.CauseActiveOpen: "主动打开", tcp.CausePassiveOpen: "被动打开", tcp.CauseSyn: "收到 SYN", tcp.CauseSynAck: "收到 SYN+ACK",
	tcp.CauseAckOfSyn: "我方的 SYN 已得到确认", tcp.CauseFin: "收到 FIN", tcp.CauseAckOfFin: "我方的 FIN 已得到确认",
	tcp.CauseFinAndAck: "收到 FIN，我方的 FIN 也已得到确认", tcp.CauseClose: "关闭", tcp.CauseAbort: "中止",
	tcp.CauseUnreadData: "关闭时有数据未读", tcp.CauseDataAfterClose: "关闭之后收到数据", tcp.CauseReset: "收到 RST",
	tcp.CauseRefused: "连接被拒绝", tcp.CauseTimeout: "放弃重发", tcp.CauseUserTimeout: "用户超时",
	tcp.CauseKeepAlive: "保活探测无人回答", tcp.CauseTimeWaitOver: "2MSL 已过", tcp.CauseFinWait2Over: "FIN-WAIT-2 期限已到",
	tcp.CauseICMP: "ICMP 不可达", tcp.CauseReuse: "新的 SYN",
}

// CauseName returns why a state changes, in a few words: the engine's own in
// English.
func CauseName(c tcp.Cause, l Lang) string { return causeText(c, l) }

func causeText(c tcp.Cause, l Lang) string {
	if zh, ok := causesZH[c]; ok && l == Chinese {
		return zh
	}
	return c.String()
}

var timersZH = map[tcp.Timer]string{tcp.TimerRetransmit: "重传", tcp.TimerPersist: "坚持", tcp.TimerDelayedAck: "延迟确认",
	tcp.TimerKeepAlive: "保活", tcp.TimerLife: "2MSL "}

func timerText(t tcp.Timer, l Lang) string {
	name := t.String()
	if zh, ok := timersZH[t]; ok && l == Chinese {
		name = zh
	}
	return fmt.Sprintf(words.timer[l], name)
}

// Why returns what says why a state has changed, or which timer has fired.
func Why(l Lang) func(*tcp.Event) string {
	return func(e *tcp.Event) string {
		if e.Kind == tcp.TimerFired {
			return timerText(e.Timer, l)
		}
		return causeText(e.Cause, l)
	}
}

var dropsZH = map[wire.Drop]string{
	wire.BadTCPChecksum: "TCP 校验和错误", wire.BadIPChecksum: "IP 校验和错误", wire.NoSocket: "没有对应的套接字", wire.BadFlags: "标志组合无效",
	wire.BadSequence: "序号不可接受", wire.BadAck: "确认号不可接受", wire.OldAck: "旧的确认", wire.PAWS: "时间戳过旧", wire.MissingTimestamp: "缺少时间戳", wire.NoAuth: "没有签名", wire.BadAuth: "签名错误", wire.UnknownAuthKey: "未知的密钥",
	wire.BlindReset: "可疑的 RST", wire.BlindSyn: "可疑的 SYN", wire.NoAckFlag: "没有 ACK 标志", wire.TimeWaitReset: "TIME-WAIT 中的 RST",
	wire.Duplicate: "重复", wire.ReassemblyFull: "重组缓冲区已满", wire.NoMemory: "内存预算已用完", wire.WindowFull: "超出窗口", wire.ListenFull: "监听队列已满", wire.Closed: "程序已关闭", wire.AcceptDeferred: "还没有数据",
	wire.ForgedICMP: "ICMP 引用了不存在的报文段",
	wire.None:       "已采用", wire.TooShort: "过短", wire.BadVersion: "IP 版本错误", wire.BadHeaderLength: "首部长度错误",
	wire.BadTotalLength: "总长度错误", wire.BadExtension: "IPv6 扩展首部错误", wire.BadUDPChecksum: "UDP 校验和错误",
	wire.BadICMPChecksum: "ICMP 校验和错误", wire.BadOption: "选项错误", wire.UnknownProtocol: "未知协议",
	wire.UnknownEtherType: "未知的 EtherType", wire.BadNeighbour: "NDP 或 ARP 报文错误", wire.BadMembership: "IGMP 或 MLD 报文错误", wire.NotOurs: "不是本机地址",
	wire.BadSource: "源地址错误", wire.BadDestination: "目的地址错误", wire.NoRoute: "没有路由", wire.NeighbourPending: "邻居队列已满",
	wire.FragmentPending: "等待其余分片", wire.FragmentOverlap: "分片重叠", wire.FragmentLimit: "分片过多", wire.FragmentECN: "各分片的 ECN 不一致", wire.NoPort: "没有这个端口",
	wire.QueueFull: "接收队列已满", wire.MTUExceeded: "超过 MTU",
}

// The engine has one name for two things that a reader tells apart.
var (
	noListener   = sentence{"no listener", "无人监听"}
	noConnection = sentence{"no such connection", "没有这个连接"}
)

// dropText says in a few words why a segment with these flags was not used.
func dropText(d wire.Drop, f wire.Flags, l Lang) string {
	switch {
	case d == wire.NoSocket && f&(wire.SYN|wire.ACK) == wire.SYN:
		return noListener[l]
	case d == wire.NoSocket:
		return noConnection[l]
	}
	if zh, ok := dropsZH[d]; ok && l == Chinese {
		return zh
	}
	return d.String()
}

var fatesZH = map[trace.Fate]string{trace.Lost: "丢失", trace.TooBig: "过大", trace.Duplicated: "被复制", trace.Delayed: "被延迟",
	trace.Corrupted: "比特出错", trace.Marked: "被标记 CE", trace.Forged: "伪造", trace.ICMPSent: "发出 ICMP", trace.ICMPArrived: "收到 ICMP", trace.Refused: "未被采用"}

// noSuchHost is how the lab says that a packet has no receiver.
const noSuchHost = "no host has this address"

// reasons are why a wire loses what it loses, where it is not chance.
var reasons = map[string]sentence{
	noSuchHost:          {"no such host", "无此主机"},
	"the wire is cut":   {"wire cut", "链路中断"},
	"the queue is full": {"queue full", "队列已满"},
}

func fateText(f trace.Fate, reason string, l Lang) string {
	if s, ok := reasons[reason]; ok {
		return s[l]
	}
	if zh, ok := fatesZH[f]; ok && l == Chinese {
		return zh
	}
	return f.String()
}
