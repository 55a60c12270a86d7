package top

import "github.com/handfast-tcp/handfast/cmd/handfast/internal/say"

// words are what stands on the screen.
var words = struct {
	in, out, connections, rtt, again, syns, halfOpen, cookies, attack, noVerdict, none, paused, lost, gone, more, small  say.Text
	ladder, states, numbers, listKeys, listKeysShort, openKeys, noEvents, waiting, seen, firstLook                       say.Text
	rttLine, rto, window, mss, flight, sent, received, retransmitted, queues, options, timer, memory, congestion, pacing say.Text
}{
	in: say.Text{"in", "接收"}, out: say.Text{"out", "发送"},
	connections: say.Text{"connections", "连接数"}, rtt: say.All("RTT"),
	again: say.Text{"retransmits", "重传  "}, syns: say.All("SYN"),
	halfOpen:  say.Text{"half-open", "半连接"},
	cookies:   say.Text{"cookies %s", "cookie %s"},
	attack:    say.Text{"attack mode", "攻击模式"},
	noVerdict: say.Text{"no verdict of the flood detector yet", "泛洪检测器尚无结论"},
	none:      say.Text{"no connections", "没有连接"},
	paused:    say.Text{"held still", "已暂停"},
	lost:      say.Text{"no answer", "没有应答"},
	gone:      say.Text{"ended", "已结束"},
	more:      say.Text{"… and %d more", "…… 另有 %d 个"},
	small:     say.Text{"this needs %d columns and %d lines", "至少需要 %d 列 %d 行"},

	ladder: say.Text{"ladder", "时序图"}, states: say.Text{"states", "状态图"}, numbers: say.Text{"numbers", "数值"},
	listKeys:      say.Text{"r rate  t RTT  x retransmits  u queue   ↑↓ choose  ⏎ open  a all  p hold  q quit", "r 速率  t RTT  x 重传  u 队列   ↑↓ 选择  ⏎ 打开  a 全部  p 暂停  q 退出"},
	listKeysShort: say.Text{"r rate  t RTT  x retr  u queue  ↑↓ choose  ⏎ open  a all  p hold  q quit", "r 速率  t RTT  x 重传  u 队列  ↑↓ 选择  ⏎ 打开  a 全部  p 暂停  q 退出"},
	openKeys:      say.Text{"tab other view  ↑↓ scroll  p hold  esc back  q quit", "tab 切换视图  ↑↓ 滚动  p 暂停  esc 返回  q 退出"},
	noEvents:      say.Text{"What passes between the ends is not recorded here. The states that were seen:", "这里没有记录两端之间往来的报文段。看到过的状态："},
	waiting:       say.Text{"asking what has happened …", "正在查询发生了什么……"},
	seen:          say.Text{"first seen %s ago", "%s 前首次看到"},
	firstLook:     say.Text{"looking …", "正在观察……"},

	rttLine: say.Text{"round trip", "往返时间"}, rto: say.Text{"time-out", "重传超时"}, window: say.Text{"window", "窗口"}, mss: say.Text{"segment size", "报文段大小"},
	flight: say.Text{"in flight", "在途"}, sent: say.Text{"sent", "已发送"}, received: say.Text{"received", "已接收"}, retransmitted: say.Text{"sent again", "重传"},
	queues: say.Text{"queues", "队列"}, options: say.Text{"options", "选项"}, timer: say.Text{"timer", "定时器"}, memory: say.Text{"buffers", "缓冲区"},
	congestion: say.Text{"congestion", "拥塞控制"}, pacing: say.Text{"delivery", "交付速率"},
}
