// The charts: five small ones above each other in time. A point is [seconds, in, out, round
// trip in ms, sent again, half-open, limit, SYNs, cookies].
import {$, $$, el, t, speed, millis, count} from "./dom.js";

const depth = 600;
const points = Array.from({length: 9}, () => []);
const perSecond = x => count(x) + "/s";

// Each chart: its name, what is drawn (which figure, what it is called, its colour), how figures are written,
// and how far the scale goes at least.
const charts = [
	{name: "rate", lines: [[1, "in", "b", "--green"], [2, "out", "a", "--blue"]], text: speed, least: 1000},
	{name: "rtt", lines: [[3, "", "e", "--purple"]], text: millis, least: 0.01},
	{name: "again", lines: [[4, "", "d", "--red"]], text: perSecond, least: 4},
	{name: "half", lines: [[5, "", "c", "--amber"]], text: count, least: 4},
	{name: "syns", lines: [[7, "syn", "c", "--amber"], [8, "cookie", "a", "--blue"]], text: perSecond, least: 4},
];

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(c) {
	const box = $(".plot", c.figure);
	c.plot?.destroy();
	const grid = {stroke: colour("--hair"), width: 1}, axis = {stroke: colour("--soft"), font: "11px system-ui, sans-serif", grid, ticks: {show: false}};
	c.plot = new uPlot({
		width: box.clientWidth, height: 104, padding: [8, 12, 0, 0], legend: {show: false}, cursor: {sync: {key: "handfast"}, y: false, points: {size: 5}, drag: {setScale: false}},
		scales: {y: {range: (_, low, high) => [0, Math.max(high * 1.1, c.least)]}},
		axes: [
			{...axis, size: 22, space: 70, values: (_, all) => all.map(s => new Date(s * 1000).toLocaleTimeString("en-GB", all.length > 1 && all[1] - all[0] < 60 ? {} : {hour: "2-digit", minute: "2-digit"}))},
			{...axis, size: 56, space: 30, values: (_, all) => all.map(c.text)},
		],
		series: [{}, ...c.lines.map(([, , , line]) => ({stroke: colour(line), width: 1.6, fill: c.lines.length === 1 ? colour(line) + "1c" : undefined, points: {show: false}, spanGaps: false}))],
		hooks: {setCursor: [u => tell(c, u.cursor.idx)]},
	}, data(c), box);
}

const data = c => [points[0], ...c.lines.map(([figure]) => points[figure])];

// tell writes the figures at a moment: where the pointer is, or the newest.
function tell(c, at) {
	const last = points[0].length - 1;
	c.lines.forEach(([figure], i) => {
		const x = last < 0 ? null : points[figure][at ?? last];
		$$("b", c.figure)[i].textContent = x == null ? "–" : c.text(x);
	});
}

// begin makes the charts, again when colours or the language have changed.
export function begin() {
	$("#charts").replaceChildren(...charts.map(c => {
		const values = el("span", {});
		for (const [, name, look] of c.lines) values.append(el("span", {title: name ? t(name) : t(c.name)}, name ? t(name + "Sign") : "", el("b", {class: look}, "–")));
		return c.figure = el("figure", {class: "card"}, el("figcaption", {}, el("span", {}, t(c.name)), values), el("div", {class: "plot"}));
	}));
	for (const c of charts) { draw(c); tell(c); }
}

// add takes a point; one that was seen already comes again after a break.
export function add(point) {
	if (point[0] <= (points[0].at(-1) ?? 0)) return;
	point.forEach((x, i) => {
		points[i].push(x);
		if (points[i].length > depth) points[i].shift();
	});
}

export function show() {
	for (const c of charts) { c.plot.setData(data(c)); if (c.plot.cursor.idx == null) tell(c); }
}

new ResizeObserver(() => { for (const c of charts) c.plot?.setSize({width: $(".plot", c.figure).clientWidth, height: 104}); }).observe(document.querySelector("#charts"));
