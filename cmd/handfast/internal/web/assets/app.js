// The page about a host. One stream tells everything; what is drawn is asked for beside it.
import {$, $$, el, t, one, clock} from "./dom.js";
import * as charts from "./charts.js";
import * as list from "./list.js";
import * as picture from "./picture.js";

const keptNews = 200, settled = 1500; // milliseconds that a connection is shown at least while the newest is followed
let source, lastID = "", held = false, shownSince = 0, skipped = 0;
let news = [], counts = new Map();

// connect opens the stream, from where it was.
function connect() {
	source?.close();
	status("connecting");
	source = new EventSource("/events?" + new URLSearchParams({sort: list.state.sort, ...($("#every").checked ? {all: 1} : {}), ...(lastID ? {since: lastID} : {})}));
	source.onopen = () => status("live");
	source.onerror = () => { status("lost"); if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000); };
	on("point", data => charts.add(data), () => charts.show());
	on("news", data => { news.unshift(data); news.length = Math.min(news.length, keptNews); }, showNews);
	on("skipped", n => { skipped += n; }, showNews);
	on("beat", data => { list.state.board = data; }, () => { showBoard(); list.show(); });
	on("lives", takeLives, () => { if (list.state.tab === "recent") list.show(); });
}

// on takes what an event brings, and shows it: once for all that come together, and not
// while the page is held.
const pending = new Set();
function on(name, take, show) {
	source.addEventListener(name, e => {
		if (e.lastEventId) lastID = e.lastEventId;
		take(JSON.parse(e.data));
		if (pending.size === 0) queueMicrotask(flush);
		pending.add(show);
	});
}

function flush() {
	if (held) return;
	for (const show of pending) show();
	pending.clear();
}

function takeLives(all) {
	list.state.lives = all;
	const fresh = new Map(all.map(r => [list.keyOf(r), r.n]));
	const newest = all.find(r => r.o) ?? all[0];
	if (!held && newest && $("#follow").checked && list.keyOf(newest) !== list.state.chosen && Date.now() - shownSince > settled) choose(list.keyOf(newest));
	else if (!held && fresh.get(list.state.chosen) !== counts.get(list.state.chosen)) picture.refresh();
	counts = fresh;
}

function choose(key) {
	shownSince = Date.now();
	list.choose(key);
	picture.open(key);
}

function status(what) {
	$("#pulse").className = what;
	$("#pulse span").textContent = t(held && what === "live" ? "held" : what);
}

function showBoard() {
	const b = list.state.board;
	if (!b) return;
	$("#name").textContent = `${b.name} ${b.pid}`;
	document.title = `${b.name} · Handfast`;
	$("#flood").className = "card" + (b.level === "flood" ? " hot" : b.level === "quiet" ? "" : " warm");
	$("#level").textContent = t("levels")[b.level] ?? b.level;
	$("#verdict").textContent = one(b.verdict);
	$("#reasons").replaceChildren(...b.reasons.map(r => el("li", {}, one(r))));
	const half = $("#half"), limit = Math.max(b.limit, 1); // in this order: a bound below a value changes it
	Object.assign(half, {max: limit, low: limit / 10, high: limit / 2, optimum: 0, value: b.half});
	half.setAttribute("aria-label", t("halfOpen"));
	$("#fill").textContent = `${b.half} / ${b.limit}`;
	$("#defence").replaceChildren(el("span", {}, b.sending ? t("sending") : t("cookies")[b.cookies] ?? b.cookies), el("span", {}, b.attack ? t("attack") : ""));
}

function showNews() {
	$("#news ol").replaceChildren(...news.map(n => el("li", {class: n.kind},
		el("time", {}, clock(n.at)), el("span", {class: "what"}, n.kind === "skipped" ? t("missed") : t(n.kind)),
		n.kind === "skipped" ? el("span", {class: "rest"}, t("skipped")(n.count)) : n.r ? el("span", {class: "rest"}, el("button", {type: "button", onclick: () => pick(n.l + " " + n.r)}, n.r), " ", n.kind === "ended" ? one(n.text) : "")
			: el("span", {class: "rest"}, one(n.text)))));
	$("#skipped").textContent = skipped > 0 ? t("skipped")(skipped) : "";
}

// pick is a choice by hand: the newest is followed no more.
function pick(key) {
	$("#follow").checked = false;
	choose(key);
	$("#one").scrollIntoView({block: "nearest", behavior: "smooth"});
}

// speak writes all that does not come from the host.
function speak() {
	document.documentElement.lang = handfast.lang === "zh" ? "zh-Hans" : "en";
	for (const e of $$("[data-t]")) e.textContent = t(e.dataset.t);
	$("#hold").textContent = t(held ? "release" : "hold");
	$("#theme").textContent = t(handfast.theme() === "dark" ? "light" : "dark");
	$("#lang").textContent = t("other");
	$("#lang").lang = handfast.lang === "zh" ? "en" : "zh-Hans";
	$("#keys").replaceChildren(...t("keys").map(([keys, what]) => el("span", {}, ...keys.split(" ").flatMap(k => [el("kbd", {}, k), " "]), what)));
	status($("#pulse").className || "connecting");
	charts.begin();
	list.head();
	list.show();
	picture.head();
	showBoard();
	showNews();
}

function hold() {
	held = !held;
	$("#hold").setAttribute("aria-pressed", held);
	$("#hold").textContent = t(held ? "release" : "hold");
	status($("#pulse").className);
	flush();
}

function theme() {
	handfast.set("theme", handfast.theme() === "dark" ? "light" : "dark");
	handfast.apply();
	speak();
}

const keys = {
	ArrowDown: () => list.move(1), ArrowUp: () => list.move(-1), l: () => picture.turn("ladder"), s: () => picture.turn("states"),
	n: () => $("#follow").click(), "/": () => $("#filter").focus(), p: hold, t: theme,
};
document.addEventListener("keydown", e => {
	if (e.ctrlKey || e.altKey || e.metaKey) return;
	if (e.target.matches("input[type=search]")) { if (e.key === "Escape") e.target.blur(); return; }
	if (!keys[e.key]) return;
	e.preventDefault();
	keys[e.key]();
});
$("#hold").addEventListener("click", hold);
$("#theme").addEventListener("click", theme);
$("#lang").addEventListener("click", () => {
	handfast.lang = handfast.lang === "zh" ? "en" : "zh";
	handfast.set("lang", handfast.lang);
	speak();
	picture.refresh();
});
handfast.dark.addEventListener("change", () => { handfast.apply(); speak(); });

list.state.choose = pick;
list.state.resort = connect;
speak();
connect();
