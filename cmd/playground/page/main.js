// The page: what is chosen goes to the engine, and what it answers is shown.
import {Editor} from "./editor.js";
import {Engine} from "./engine.js";
import {Ladder, picture} from "./ladder.js";
import * as link from "./link.js";
import {StateMap} from "./map.js";
import {Settings, element, rateText} from "./settings.js";
import {format, words} from "./words.js";

const $ = id => document.getElementById(id);
const kept = {
	get: key => { try { return localStorage.getItem(key); } catch { return null; } },
	set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* it is not allowed here */ } },
};

// state is all that a link to the page holds. text is a scenario of the reader's own; "": the one of that name.
const state = {name: "three-way-handshake", text: "", faults: [], settings: link.defaults(), step: -1, lang: "en"};
let list, scene, map, settings, now = 0, opened = true, view = "ladder", turn = 0, timer = 0, w = words.en;

const engine = new Engine(part => $("progress").value = part);
const ladder = new Ladder($("picture"), pick);
const editor = new Editor($("source"), $("lines"), text => {
	state.text = text;
	play();
});
const colours = new CSSStyleSheet();
document.adoptedStyleSheets = [colours];

// Language and colours.

function speak() {
	w = words[state.lang];
	document.documentElement.lang = w.tag;
	document.title = `Handfast ${w.playground}`;
	for (const e of document.querySelectorAll("[data-t]")) if (!(e.id === "title" && list)) e.textContent = w[e.dataset.t];
	for (const e of document.querySelectorAll("[data-title]")) {
		e.setAttribute("aria-label", w[e.dataset.title]);
		if (e.tagName === "BUTTON") e.title = w[e.dataset.title];
	}
	$("language").textContent = w.other;
	$("language").lang = w.otherTag;
	if (!list) return;
	choices();
	settings.show(state.settings, w);
	map.explain(list.meanings, state.lang === "zh" ? 1 : 0);
}

const night = matchMedia("(prefers-color-scheme: dark)");

function paint() {
	const theme = $("theme").value, dark = theme === "dark" || theme === "auto" && night.matches;
	document.documentElement.dataset.theme = theme;
	if (list) colours.replaceSync(dark ? list.dark : list.light);
}

// choices fills the list of scenarios, group by group.
function choices() {
	const zh = state.lang === "zh", groups = new Map();
	for (const s of list.scenarios) {
		const g = zh ? s.GroupZH : s.Group;
		if (!groups.has(g)) groups.set(g, element("optgroup", {label: g}));
		groups.get(g).append(element("option", {value: s.Name}, zh ? s.TitleZH : s.Title));
	}
	$("scenario").replaceChildren(...groups.values());
	if (state.text !== "") $("scenario").prepend(element("option", {value: ""}, w.own));
	$("scenario").value = state.text !== "" ? "" : state.name;
}

// Playing.

const request = more => ({name: state.name, text: state.text, faults: state.faults, lang: state.lang, ...state.settings, ...more});

// play has the engine play what is chosen, and shows it. Of several only the last counts.
async function play(step = -1) {
	const mine = ++turn;
	pause();
	const slow = setTimeout(() => trouble(w.busy, [w.stop, () => engine.stop(w.stopped)]), 2000);
	try {
		const answer = await engine.ask(request({do: "play"}));
		if (mine !== turn) return;
		trouble("");
		if (answer.mistake) mistaken(answer.mistake);
		else show(answer.scene, step);
	} catch (e) {
		if (mine === turn) trouble(e.load ? w.noEngine + e.message : e.message === w.stopped ? w.stopped : w.broken + e.message);
	} finally {
		clearTimeout(slow);
	}
}

function trouble(text, action) {
	$("trouble").hidden = text === "";
	$("trouble").replaceChildren(text);
	if (!action) return;
	const b = element("button", {type: "button"}, action[0]);
	b.addEventListener("click", action[1]);
	$("trouble").append(" ", b);
}

// mistaken says where the text is wrong. What was played before stays.
function mistaken(m) {
	if (state.text !== "") editor.set(state.text);
	const rows = (state.text || scene?.source || "").trimEnd().split("\n").length;
	const ours = m.line > 0 && m.line <= rows + 1;
	editor.mark(ours ? m.line : 0);
	const say = (ours ? format(w.place, m.line, m.col) : m.line > 0 ? w.faultPlace : "") + m.text;
	$("mistake").className = "mistake wrong";
	if (ours) {
		const b = element("button", {type: "button", class: "quiet"}, say);
		b.addEventListener("click", () => editor.go(m.line, m.col));
		$("mistake").replaceChildren(b);
	} else $("mistake").replaceChildren(say);
	if (!scene) return unplayed();
	if (view !== "text") trouble(say);
	address();
}

// unplayed opens the page when a link leads to what cannot be played: to its text where there
// is one, and else without what it asks for.
function unplayed() {
	if (state.text === "") {
		Object.assign(state, {faults: [], settings: link.defaults()});
		settings.show(state.settings, w);
		return play();
	}
	document.body.classList.add("ready");
	$("progress").hidden = true;
	$("title").textContent = w.own;
	look("text");
}

// show shows a run: at a step, or whole.
function show(s, step) {
	scene = s;
	document.body.classList.add("ready");
	$("progress").hidden = true;
	$("title").textContent = s.title;
	$("summary").textContent = s.summary;
	$("see").replaceChildren(...(s.see ?? []).map(p => p.url ? element("a", {href: p.url, rel: "noreferrer"}, p.text) : p.text));
	$("tries").replaceChildren(...(s.tries ?? []).map(t => {
		const b = element("button", {type: "button"}, t.text);
		b.addEventListener("click", () => attempt(t));
		return b;
	}));
	$("mistake").className = "mistake";
	$("mistake").textContent = state.text !== "" ? w.plays : "";
	editor.set(state.text || s.source);
	editor.mark(0);
	ladder.load(s.reel, s.aims);
	$("slider").max = s.reel.frames.length - 1;
	moments();
	$("legend").replaceChildren(...(s.reel.legend ?? []).flatMap((t, i) => i ? [document.createElement("br"), t] : [t]));
	$("failed").replaceChildren(...(s.failed?.length ? [element("li", {class: "lead"}, w.otherwise), ...s.failed.map(f => element("li", {}, f))] : []));
	$("gauge").hidden = !s.reel.limit;
	faults();
	command();
	opened = step < 0;
	go(opened ? s.reel.frames.length - 1 : step, !opened);
}

function moments() {
	$("moments").replaceChildren(...scene.reel.frames.map((f, k) => {
		const b = element("button", {type: "button"}, element("time", {}, f.time), " ", element("span", {class: "what"}, f.text));
		b.addEventListener("click", () => go(k));
		return element("li", {}, b, ...(f.why ? [" ", element("span", {class: "why"}, f.why)] : []));
	}));
}

// Stepping.

function chip(name) {
	const family = scene.reel.family[name] ?? "closed";
	return element("span", {class: "chip chip-" + family, title: list.meanings[name]?.[state.lang === "zh" ? 1 : 0] ?? ""}, name);
}

// go shows a frame. Unless the reader is not the one who asked, the address follows, and the screen.
function go(k, asked = true) {
	if (!scene) return;
	const frames = scene.reel.frames;
	now = k = Math.max(0, Math.min(k, frames.length - 1));
	const f = frames[k];
	ladder.show(k);
	$("slider").value = k;
	$("slider").setAttribute("aria-valuetext", f.text);
	$("where").textContent = format(w.where, k, frames.length - 1) + " · " + f.time;
	const lanes = f.states.split("|").map(s => s.split(" ").filter(Boolean));
	$("ends").replaceChildren(...scene.reel.ends.map((e, i) => element("p", {class: "end end-" + (i + 1)}, element("strong", {}, e.name), " ", ...lanes[e.lane].map(chip))));
	if (scene.reel.limit) {
		const meter = $("gauge").querySelector("meter");
		meter.max = scene.reel.limit;
		meter.value = f.level ?? 0;
		$("gauge").querySelector(".level").textContent = `${f.level ?? 0}/${scene.reel.limit}`;
	}
	$("now").replaceChildren(element("b", {}, f.text), ...(f.why ? [document.createElement("br"), f.why] : []));
	$("break").disabled = !scene.aims[f.packet];
	for (const [i, li] of [...$("moments").children].entries()) {
		li.toggleAttribute("data-later", i > k);
		if (i === k) li.setAttribute("aria-current", "step");
		else li.removeAttribute("aria-current");
	}
	map.show(scene.reel.ends.map(e => e.name), scene.reel.ends.map(e => path(e.lane, k)));
	if (view === "diagram") diagram();
	if (!asked) return address();
	opened = false;
	if (view === "ladder") ladder.follow(k, $("panel").getBoundingClientRect().bottom);
	address();
}

// path lists the states of a lane's first connection up to a frame.
function path(lane, k) {
	const all = [];
	for (const f of scene.reel.frames.slice(0, k + 1)) {
		const s = f.states.split("|")[lane].split(" ")[0];
		if (s && s !== all.at(-1)) all.push(s);
	}
	return all;
}

const forward = () => go(opened ? 1 : now + 1);

function pause() {
	clearInterval(timer);
	timer = 0;
	$("run").textContent = "▶▶";
	$("run").title = w.run;
	$("run").setAttribute("aria-label", w.run);
}

function run() {
	if (!scene) return;
	if (timer) return pause();
	if (now === scene.reel.frames.length - 1) go(0);
	timer = setInterval(() => {
		go(now + 1);
		if (now === scene.reel.frames.length - 1) pause();
	}, 700);
	$("run").textContent = "❚❚";
	$("run").title = w.pause;
	$("run").setAttribute("aria-label", w.pause);
}

// diagram draws the state diagram as it is lit so far.
async function diagram() {
	const mine = turn, k = now;
	try {
		const a = await engine.ask(request({do: "states", theme: "bare", upto: k}));
		if (mine === turn && k === now && a.svg) $("states").replaceChildren(picture(a.svg));
	} catch { /* play says why */ }
}

// Breaking.

let picked = 0;

// pick offers what can be done to a frame's packet.
function pick(k, x, y) {
	if (!scene) return;
	pause();
	go(k);
	const f = scene.reel.frames[k], menu = $("menu"), aim = scene.aims[f.packet];
	picked = k;
	$("menu-title").textContent = aim ?? w.nobody;
	for (const e of menu.querySelectorAll("button, input")) e.disabled = !aim;
	menu.hidden = false;
	const box = menu.getBoundingClientRect();
	menu.style.left = Math.max(8, Math.min(x + 8, innerWidth - box.width - 8)) + "px";
	menu.style.top = Math.max(8, Math.min(y + 8, innerHeight - box.height - 8)) + "px";
	menu.querySelector("button:enabled")?.focus();
}

function closeMenu() {
	if ($("menu").hidden) return false;
	$("menu").hidden = true;
	return true;
}

function breakIt(kind) {
	const aim = scene.aims[scene.reel.frames[picked].packet];
	const more = {delay: ` by ${$("delay-by").value.trim()}`, duplicate: ` after ${$("copy-after").value.trim()}`}[kind] ?? "";
	closeMenu();
	add(`${kind} ${aim}${more}`, picked);
}

// add adds a fault, and plays on from the frame that it changes.
function add(fault, step = -1) {
	if (state.faults.includes(fault)) return;
	state.faults = [...state.faults, fault];
	play(step);
}

function faults() {
	$("faults").replaceChildren(...state.faults.map(f => {
		const b = element("button", {type: "button", "aria-label": w.remove + f, title: w.remove + f}, "✕");
		b.addEventListener("click", () => {
			state.faults = state.faults.filter(o => o !== f);
			play();
		});
		return element("li", {}, element("code", {}, f), b);
	}));
	const c = scene.cast;
	$("withhold").disabled = !c.client;
	$("flood").disabled = !c.server;
}

// withhold loses all that acknowledges the server's SYN and nothing more: its ACK, and data that says the same.
const withhold = () => add(`lose every segment from ${scene.cast.client} with ack 1`);

// attempt does what the scenario suggests.
function attempt(t) {
	if (t.fault) return add(t.fault);
	state.settings = {...link.defaults(), ...t.settings};
	settings.show(state.settings, w);
	play();
}

// flood fills a queue that is short enough to be seen, before the client comes.
function flood() {
	const c = scene.cast;
	if (!state.settings.halfOpen) state.settings.halfOpen = 16;
	settings.show(state.settings, w);
	const wait = c.client ? `\ndelay the 1st segment from ${c.client} with SYN by 200ms` : "";
	add(`host ${c.free} scripted\n${c.free}:\n    flood ${c.server} ${c.port} with 100 SYNs every 2ms${wait}`);
}

// Links, commands, files.

let addressed = 0;

// address puts the state into the address, a moment later: a slider moves often.
function address() {
	clearTimeout(addressed);
	addressed = setTimeout(async () => history.replaceState(null, "", await fragment()), 250);
}

const fragment = () => link.write({...state, step: opened ? -1 : now});

// whole is the scenario with the faults, as lab/play plays it.
function whole() {
	const above = ("\n" + (state.text || scene.source)).split("\n----")[0].slice(1).trimEnd();
	return above + "\n" + (state.faults.length ? "\n" + state.faults.join("\n") + "\n" : "");
}

function command() {
	const s = state.settings, plain = state.text === "" && state.faults.length === 0;
	const flags = [["loss", s.loss], ["reorder", s.reorder], ["delay", s.delay && s.delay + "ms"], ["rate", s.rate && rateText(s.rate)], ["half-open", s.halfOpen],
		["cookies", s.cookies], ["congestion", s.congestion], ["seed", s.seed === 1 ? 0 : s.seed], ["lang", state.lang === "zh" && "zh"]];
	$("command").textContent = `handfast lab ${plain ? state.name : (state.name || "my") + ".txt"} --explain` + flags.filter(f => f[1]).map(f => ` --${f[0]} ${f[1]}`).join("");
}

function save(name, type, text) {
	const url = URL.createObjectURL(new Blob([text], {type}));
	element("a", {href: url, download: name}).click();
	setTimeout(() => URL.revokeObjectURL(url), 10000);
}

async function savePicture() {
	const states = view === "diagram";
	const a = await engine.ask(request({do: states ? "states" : "picture", upto: -1, theme: "auto", explain: !states}));
	if (a.svg) save(state.name + (states ? "-states.svg" : ".svg"), "image/svg+xml", a.svg);
}

// open shows what a link says.
async function open(s) {
	const known = list.scenarios.some(i => i.Name === s.name);
	Object.assign(state, s, {name: known ? s.name : "three-way-handshake", lang: words[s.lang] ? s.lang : state.lang});
	speak();
	await play(state.step);
}

function choose(name) {
	Object.assign(state, {name, text: "", faults: []});
	choices();
	play();
}

function beside(n) {
	const all = list.scenarios.map(s => s.Name);
	choose(all[(all.indexOf(state.name) + n + all.length) % all.length]);
}

function look(name, focus = false) {
	view = name;
	for (const v of ["ladder", "diagram", "text"]) {
		$(v).hidden = v !== name;
		const tab = $("tab-" + v);
		tab.setAttribute("aria-selected", v === name);
		tab.tabIndex = v === name ? 0 : -1;
		if (v === name && focus) tab.focus();
	}
	$("panel").hidden = name === "text";
	if (name === "diagram" && scene) diagram();
}

// What the reader touches.

function listen() {
	$("scenario").addEventListener("change", e => e.target.value && choose(e.target.value));
	$("previous").addEventListener("click", () => beside(-1));
	$("next").addEventListener("click", () => beside(1));
	$("slider").addEventListener("input", () => (pause(), go($("slider").valueAsNumber)));
	for (const b of document.querySelectorAll("[data-go]")) b.addEventListener("click", () => {
		pause();
		({first: () => go(0), back: () => go(now - 1), on: forward, last: () => go(Infinity)})[b.dataset.go]();
	});
	$("run").addEventListener("click", run);
	$("break").addEventListener("click", () => {
		const box = $("break").getBoundingClientRect();
		pick(now, box.left - 8, box.bottom);
	});
	for (const b of document.querySelectorAll("[data-fault]")) b.addEventListener("click", () => breakIt(b.dataset.fault));
	$("withhold").addEventListener("click", withhold);
	$("flood").addEventListener("click", flood);
	$("reset").addEventListener("click", () => {
		state.settings = link.defaults();
		state.faults = [];
		settings.show(state.settings, w);
		play();
	});
	$("original").addEventListener("click", () => choose(state.name));
	$("save-picture").addEventListener("click", savePicture);
	$("save-text").addEventListener("click", () => save(state.name + ".txt", "text/plain", whole()));
	$("share").addEventListener("click", async () => {
		history.replaceState(null, "", await fragment());
		try {
			await navigator.clipboard.writeText(location.href);
			$("share").textContent = w.copied;
			setTimeout(() => $("share").textContent = w.share, 1500);
		} catch { /* the address bar has it */ }
	});
	for (const v of ["ladder", "diagram", "text"]) $("tab-" + v).addEventListener("click", () => look(v));
	document.querySelector(".tabs").addEventListener("keydown", e => {
		const n = {ArrowRight: 1, ArrowLeft: -1}[e.key], all = ["ladder", "diagram", "text"];
		if (!n) return;
		e.preventDefault();
		e.stopPropagation();
		look(all[(all.indexOf(view) + n + 3) % 3], true);
	});
	addEventListener("hashchange", async () => open(await link.read(location.hash)));
	document.addEventListener("pointerdown", e => e.target.closest("#menu, .packet") || closeMenu());
	document.addEventListener("keydown", keys);
}

function keys(e) {
	if (e.key === "Escape") closeMenu() && $("break").focus();
	if (!scene || view === "text" || e.altKey || e.ctrlKey || e.metaKey || e.shiftKey || e.target.matches("input, select, textarea")) return;
	const step = {ArrowRight: forward, ArrowLeft: () => go(now - 1), Home: () => go(0), End: () => go(Infinity)}[e.key];
	if (!step || !$("menu").hidden) return;
	e.preventDefault();
	pause();
	step();
}

async function begin() {
	$("theme").value = kept.get("theme") ?? "auto";
	const first = await link.read(location.hash);
	state.lang = words[first.lang] ? first.lang : kept.get("lang") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
	if (!words[state.lang]) state.lang = "en";
	speak();
	paint();
	night.addEventListener("change", paint);
	$("theme").addEventListener("change", () => (kept.set("theme", $("theme").value), paint()));
	$("language").addEventListener("click", () => {
		state.lang = state.lang === "en" ? "zh" : "en";
		kept.set("lang", state.lang);
		speak();
		play(opened ? -1 : now);
	});
	try {
		list = (await engine.ask({do: "list", lang: state.lang})).list;
	} catch (e) {
		$("progress").hidden = true;
		$("title").textContent = "";
		return trouble(w.noEngine + e.message);
	}
	settings = new Settings($("settings"), list.congestion, () => play());
	map = new StateMap($("map"), {moves: list.moves, family: list.family});
	paint();
	listen();
	await open(first);
}

globalThis.playground = {ask: request => engine.ask(request), state};
begin();
