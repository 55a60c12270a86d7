package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/story"
)

// whyText says of each cause what happened. {by} is the side whose doing it is, {other}
// the other one.
var whyText = map[capture.Cause]say.Text{
	capture.Closed:             {"Both sides have closed, the {by} first.", "双方都已关闭，{by}先关闭。"},
	capture.OpenAtEnd:          {"It is open when the capture ends.", "抓包结束时连接仍处于打开状态。"},
	capture.CutByCapture:       {"It was being closed when the capture ended: the {by} has sent its FIN.", "抓包结束时连接正在关闭：{by}已发送 FIN。"},
	capture.HalfClosed:         {"The {by} has closed, the {other} has not.", "{by}已关闭，{other}没有关闭。"},
	capture.Refused:            {"The server's host answers the SYN with a RST: nothing listens on the port, or a firewall rejects.", "服务器主机以 RST 回应 SYN：端口上没有监听，或被防火墙拒绝。"},
	capture.Unanswered:         {"Nothing answers the SYN: a firewall drops it, the host is gone, or the way back does not pass here.", "SYN 没有得到任何回应：可能被防火墙丢弃、主机不在线，或返回路径不经过此处。"},
	capture.Unreachable:        {"ICMP says that the {by} cannot be reached.", "ICMP 报告{by}不可达。"},
	capture.AbandonedHandshake: {"The server answers the SYN, and the client never acknowledges that: a forged source, a scan, or the ACK was lost.", "服务器回应了 SYN，但客户端从未确认：源地址伪造、扫描，或 ACK 丢失。"},
	capture.ResetByClient:      {"The client has reset the connection.", "客户端重置了连接。"},
	capture.ResetByServer:      {"The server has reset the connection.", "服务器重置了连接。"},
	capture.ResetInjected:      {"A RST in the name of the {by} ended it, and does not look like one of the {by}: it has come another way, or the {by} went on sending.", "一个以{by}名义发出的 RST 终止了连接，但它不像来自{by}：到达路径不同，或{by}此后仍在发送。"},
	capture.AbortedUnread:      {"The {by} has reset the connection with data of the {other} perhaps unread: a close with unread data looks so (RFC 2525 §2.17), and so does SO_LINGER 0.", "{by}重置了连接，可能还有{other}的数据未读：带未读数据的关闭（RFC 2525 §2.17）和 SO_LINGER 0 都是这样。"},
	capture.TimedOut:           {"The {by} does not acknowledge what the {other} sends again and again.", "{other}一再重传，{by}始终没有确认。"},
	capture.PeerVanished:       {"The {by} does not answer probes: its host is gone, or the path.", "{by}不再回应探测：主机或路径已失效。"},
	capture.StalledWindow:      {"The window of the {by} stays shut: its program does not read.", "{by}的窗口一直为零：程序没有读取数据。"},
	capture.BlackHole:          {"Small segments reach the {by}, large ones do not: a path-MTU black hole.", "小报文段能到达{by}，大报文段不能：路径 MTU 黑洞。"},
}

var (
	whySides = [2]say.Text{{"client", "客户端"}, {"server", "服务器"}}

	whyConfidence = map[capture.Confidence]say.Text{
		capture.Inferred: {" This is inferred.", "（推断）"},
		capture.Guess:    {" This is a guess.", "（猜测）"},
	}
	whyPackets  = say.Text{" See packet %s.", "见第 %s 号包。"}
	whyOneSided = say.Text{" No packet of the other side was captured: perhaps it takes another way.", "没有抓到另一方的任何包：它可能走了另一条路径。"}
	whyNoSYN    = say.Text{" The capture began later than it, so who is the client is a guess.", "抓包晚于连接开始，因此哪一方是客户端只是猜测。"}
	whyAgain    = say.Text{" Sent again: %s by the client, %s by the server.", "重传：客户端 %s 个，服务器 %s 个。"}
	whyCut      = say.Text{" More of it may have come: too many connections were open.", "之后可能还有内容：同时打开的连接过多。"}
)

// why says in sentences how a connection ended, and what was odd about it.
func why(c *capture.Conn, l story.Lang) string {
	v := &c.Verdict
	text := strings.NewReplacer("{by}", whySides[v.By][l], "{other}", whySides[1-v.By][l]).Replace(whyText[v.Cause][l])
	if len(v.Evidence) > 0 {
		var numbers []string
		for _, n := range v.Evidence {
			numbers = append(numbers, strconv.Itoa(n))
		}
		text += fmt.Sprintf(whyPackets[l], strings.Join(numbers, ", "))
	}
	text += whyConfidence[v.Confidence][l]
	if v.OneSided {
		text += whyOneSided[l]
	}
	if !c.Opened {
		text += whyNoSYN[l]
	}
	if again(c) > 0 {
		text += fmt.Sprintf(whyAgain[l], formatCount(c.Sides[0].Repeats.All()), formatCount(c.Sides[1].Repeats.All()))
	}
	if c.Cut {
		text += whyCut[l]
	}
	return text
}
