// What the page says, in both languages. What the engine says comes from the engine.

export const words = {
	en: {
		tag: "en", other: "中文", otherTag: "zh-Hans",
		skip: "Skip to the picture", playground: "playground", tagline: "The real TCP, in your browser. Step through it. Break it.",
		share: "Copy link", copied: "Copied", theme: "Colours", auto: "Automatic", light: "Light", dark: "Dark",
		scenario: "Scenario", previous: "previous scenario", next: "next scenario", own: "Your own", map: "Where both ends are",
		break: "Break it yourself", breakHint: "Click an arrow in the picture to lose, delay, double or damage that packet.",
		withhold: "Withhold the third ACK", flood: "Flood the queue", remove: "undo: ",
		settings: "The network and the hosts", reset: "As written",
		loading: "Loading the engine…", views: "views", ladder: "Ladder", diagram: "State diagram", text: "Scenario text",
		savePicture: "Save picture", saveText: "Save scenario",
		steps: "steps", first: "to the beginning", back: "one step back (←)", run: "play", pause: "pause", step: "step", on: "one step on (→)", last: "to the end",
		where: "%d of %d", queue: "half-open connections", breakThis: "Break this packet…",
		textHint: "Change what you like: it plays as you type. The language stands in docs/SCENARIOS.md.", original: "Back to the original",
		place: "Line %d, column %d: ", plays: "It plays.", faultPlace: "In your faults: ", all: "All steps",
		otherwise: "With what you changed, the story ends otherwise than its file says:",
		menu: "Break a packet", lose: "Lose it", delayIt: "Delay it by", doubleIt: "A copy after", corrupt: "Damage it", duration: "a duration, as 300ms or 2s",
		nobody: "No rule can name this packet: it is forged, or no TCP.",
		busy: "Playing… it takes long.", stop: "Stop", stopped: "Stopped. Make it shorter, or choose another scenario.",
		broken: "The engine ended: ", noEngine: "The engine cannot be loaded: ",
		loss: "Loss", reorder: "Reordering", delay: "Delay, each way", rate: "Bandwidth", halfOpen: "Half-open queue", cookies: "SYN cookies",
		congestion: "Congestion control", seed: "Seed", dice: "another seed", asWritten: "as written", never: "off", always: "always", when: "under attack",
	},
	zh: {
		tag: "zh-Hans", other: "English", otherTag: "en",
		skip: "跳到图", playground: "试验场", tagline: "真正的 TCP，在浏览器里运行。逐步观察，亲手弄坏。",
		share: "复制链接", copied: "已复制", theme: "颜色", auto: "自动", light: "浅色", dark: "深色",
		scenario: "场景", previous: "上一个场景", next: "下一个场景", own: "自己的场景", map: "两端所处的状态",
		break: "亲手弄坏", breakHint: "点击图中的箭头，让那个报文丢失、延迟、重复或损坏。",
		withhold: "扣住第三个 ACK", flood: "占满半连接队列", remove: "撤销：",
		settings: "网络与主机", reset: "恢复原样",
		loading: "正在载入引擎……", views: "视图", ladder: "时序图", diagram: "状态图", text: "场景文本",
		savePicture: "保存图片", saveText: "保存场景",
		steps: "步骤", first: "到开头", back: "后退一步（←）", run: "播放", pause: "暂停", step: "步骤", on: "前进一步（→）", last: "到结尾",
		where: "第 %d 步，共 %d 步", queue: "半连接", breakThis: "弄坏这个报文……",
		textHint: "可以任意修改：边输入边运行。语言说明见 docs/SCENARIOS.md。", original: "恢复原文",
		place: "第 %d 行第 %d 列：", plays: "可以运行。", faultPlace: "您添加的故障中：", all: "全部步骤",
		otherwise: "经过您的改动，结局与场景文件所写的不同：",
		menu: "弄坏一个报文", lose: "丢失", delayIt: "延迟", doubleIt: "之后再来一份", corrupt: "损坏", duration: "时长，如 300ms 或 2s",
		nobody: "没有规则能指明这个报文：它是伪造的，或不是 TCP。",
		busy: "正在运行，需要较长时间……", stop: "停止", stopped: "已停止。请缩短它，或选择另一个场景。",
		broken: "引擎已终止：", noEngine: "无法载入引擎：",
		loss: "丢包", reorder: "乱序", delay: "单向时延", rate: "带宽", halfOpen: "半连接队列", cookies: "SYN cookie",
		congestion: "拥塞控制", seed: "种子", dice: "换一个种子", asWritten: "按场景", never: "关闭", always: "始终", when: "受攻击时",
	},
};

// format puts numbers in the place of %d.
export function format(text, ...numbers) {
	for (const n of numbers) text = text.replace("%d", n);
	return text;
}
