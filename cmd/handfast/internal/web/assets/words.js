// What the page says, in both languages.
export const words = {
	en: {
		live: "live", connecting: "connecting …", lost: "no answer, trying again …", held: "held still",
		hold: "Hold", release: "Go on", light: "Light", dark: "Dark", other: "中文",
		halfOpen: "half-open", cookies: {off: "cookies off", auto: "cookies when needed", always: "cookies always"}, sending: "sending cookies", attack: "attack mode",
		levels: {quiet: "quiet", elevated: "elevated", "flash crowd": "flash crowd", "port scan": "port scan", "broken path": "broken path", flood: "flood"},
		rate: "rate", rtt: "round trip", again: "retransmits", half: "half-open", syns: "SYN, cookie", in: "in", out: "out", syn: "SYN", cookie: "cookie", inSign: "↓ ", outSign: "↑ ", synSign: "", cookieSign: "",
		now: "Connections", recent: "Recent", every: "all states", filter: "filter: address, port, state", news: "What happened", opened: "opened", ended: "ended", verdict: "verdict",
		skipped: n => `${n} events skipped`, missed: "skipped",
		state: "state", local: "local", peer: "peer", columnIn: "in", columnOut: "out", columnRTT: "RTT", columnAgain: "retr.", queue: "queue", trend: "trend", began: "began", lasted: "lasted", cause: "last change",
		none: "No connections.", noneRecent: "Nothing has happened yet.", noneFits: "None fits the filter.", more: n => `… and ${n} more`, halfway: "still open",
		ladder: "Ladder", states: "States", why: "explain", follow: "follow the newest", choose: "A ladder appears with the next connection; or choose one above.", unknown: "Nothing is recorded of this connection yet.", 
		keys: [["↑ ↓", "choose"], ["Enter", "show"], ["l s", "ladder, states"], ["n", "follow the newest"], ["/", "filter"], ["p", "hold still"], ["t", "light, dark"]],
	},
	zh: {
		live: "实时", connecting: "正在连接……", lost: "没有应答，正在重试……", held: "已暂停",
		hold: "暂停", release: "继续", light: "浅色", dark: "深色", other: "English",
		halfOpen: "半连接", cookies: {off: "不用 cookie", auto: "需要时用 cookie", always: "始终用 cookie"}, sending: "正在发送 cookie", attack: "攻击模式",
		levels: {quiet: "平静", elevated: "异常升高", "flash crowd": "访问激增", "port scan": "端口扫描", "broken path": "路径损坏", flood: "泛洪"},
		rate: "吞吐量", rtt: "往返时间", again: "重传", half: "半连接", syns: "SYN、cookie", in: "接收", out: "发送", syn: "SYN", cookie: "cookie", inSign: "↓ ", outSign: "↑ ", synSign: "", cookieSign: "",
		now: "连接", recent: "最近", every: "全部状态", filter: "筛选：地址、端口、状态", news: "发生了什么", opened: "已建立", ended: "已结束", verdict: "结论",
		skipped: n => `略过 ${n} 个事件`, missed: "略过",
		state: "状态", local: "本端", peer: "对端", columnIn: "接收", columnOut: "发送", columnRTT: "RTT", columnAgain: "重传", queue: "队列", trend: "走势", began: "开始", lasted: "持续", cause: "最后变化",
		none: "没有连接。", noneRecent: "尚未发生任何事情。", noneFits: "没有符合筛选条件的。", more: n => `…… 另有 ${n} 个`, halfway: "进行中",
		ladder: "时序图", states: "状态图", why: "解释", follow: "跟随最新", choose: "下一个连接出现时会显示时序图；也可以在上方选择一个。", unknown: "还没有记录到这个连接的内容。",
		keys: [["↑ ↓", "选择"], ["Enter", "显示"], ["l s", "时序图、状态图"], ["n", "跟随最新"], ["/", "筛选"], ["p", "暂停"], ["t", "浅色、深色"]],
	},
};
