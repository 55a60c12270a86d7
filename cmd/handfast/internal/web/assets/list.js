// The list: the connections that there are, or the recorded ones, the newest first.
import {$, $$, el, t, one, chip, size, millis, clock, count} from "./dom.js";

const state = {tab: "now", sort: "rate", chosen: "", board: null, lives: [], choose: () => {}, resort: () => {}};
export {state};

export const keyOf = r => r.l + " " + r.r;

const ns = "http://www.w3.org/2000/svg";
function spark(figures) {
	const svg = document.createElementNS(ns, "svg"), line = document.createElementNS(ns, "polyline");
	svg.setAttribute("viewBox", "0 0 72 16");
	svg.setAttribute("class", "spark");
	svg.setAttribute("aria-hidden", "true");
	if (figures?.length > 1) {
		const top = Math.max(...figures, 1);
		line.setAttribute("points", figures.map((x, i) => `${(72 - (figures.length - 1 - i) * 72 / 59).toFixed(1)},${(15 - 14 * x / top).toFixed(1)}`).join(" "));
		svg.append(line);
	}
	return svg;
}

const rate = x => x > 0 ? size(x) + "/s" : "";
const cell = (text, look) => el("td", {class: look}, text);

// The columns: name, how the list is sorted by it, class, and a cell.
const columns = {
	now: [
		["state", "", "left", r => cell(chip(r.s), "left")],
		["local", "", "left narrow-out", r => cell(r.l, "left narrow-out")],
		["peer", "", "left", r => cell(r.r, "left")],
		["columnIn", "", "narrow-out", r => cell(rate(r.i), "narrow-out")],
		["columnOut", "rate", "", r => cell(rate(r.o))],
		["columnRTT", "rtt", "", r => cell(r.t > 0 ? millis(r.t) : "")],
		["columnAgain", "again", "narrow-out", r => cell(r.x > 0 ? count(r.x) : "", r.n ? "now narrow-out" : "narrow-out")],
		["queue", "queue", "narrow-out", r => cell(r.q > 0 ? size(r.q) : "", "narrow-out")],
		["trend", "", "left narrow-out", r => cell(spark(r.d), "left narrow-out")],
	],
	recent: [
		["began", "", "left narrow-out", r => cell(clock(r.b), "left narrow-out")],
		["state", "", "left", r => cell(chip(r.s), "left")],
		["local", "", "left narrow-out", r => cell(r.l, "left narrow-out")],
		["peer", "", "left", r => cell(r.r, "left")],
		["lasted", "", "", r => cell(r.e ? millis(Math.max(r.e - r.b, 1)) : t("halfway"))],
		["cause", "", "left narrow-out", r => cell(one(r.c), "left narrow-out")],
	],
};

const rows = () => state.tab === "now" ? state.board?.rows ?? [] : state.lives;

function fits(r, words) {
	const text = (r.s + " " + r.l + " " + r.r).toLowerCase();
	return words.every(w => text.includes(w));
}

// head writes the names of the columns.
export function head() {
	for (const b of $$("#list [data-tab]")) {
		b.textContent = t(b.dataset.tab);
		b.setAttribute("aria-selected", b.dataset.tab === state.tab);
	}
	$("#filter").placeholder = t("filter");
	$("#filter").setAttribute("aria-label", t("filter"));
	$(".every").hidden = state.tab !== "now";
	$("#list thead").replaceChildren(el("tr", {}, ...columns[state.tab].map(([name, sort, look]) => {
		const sorted = sort && sort === state.sort;
		return el("th", {class: look, scope: "col", "aria-sort": sorted ? "descending" : undefined},
			sort ? el("button", {type: "button", onclick: () => { state.sort = sort; head(); state.resort(); }}, t(name)) : t(name));
	})));
}

// show writes the rows. Those that are the same connection stay the same element, so that the
// focus stays.
export function show() {
	const body = $("#list tbody"), words = $("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
	const all = rows().filter(r => fits(r, words)), old = new Map($$("tr", body).map(r => [r.dataset.key, r]));
	const focused = document.activeElement?.closest?.("#list tbody tr")?.dataset.key, scrolled = $("#list .scroll").scrollTop;
	body.replaceChildren(...all.map(r => {
		const key = keyOf(r), row = old.get(key) ?? el("tr", {tabindex: -1, "data-key": key});
		old.delete(key);
		row.setAttribute("aria-selected", key === state.chosen);
		row.replaceChildren(...columns[state.tab].map(([, , , make]) => make(r)));
		return row;
	}));
	if (focused) $$("tr", body).find(r => r.dataset.key === focused)?.focus({preventScroll: true});
	$("#list .scroll").scrollTop = scrolled;
	if (body.firstChild) ($("[aria-selected=true]", body) ?? body.firstChild).tabIndex = 0;
	const empty = $("#list .empty");
	empty.hidden = all.length > 0;
	empty.textContent = rows().length > 0 ? t("noneFits") : t(state.tab === "now" ? "none" : "noneRecent");
	$("#more").textContent = state.tab === "now" && state.board?.more > 0 ? t("more")(state.board.more) : "";
}

// choose shows a connection.
export function choose(key) {
	state.chosen = key;
	for (const r of $$("#list tbody tr")) r.setAttribute("aria-selected", r.dataset.key === key);
}

// move moves the focus by so many rows.
export function move(by) {
	const all = $$("#list tbody tr");
	const at = all.findIndex(r => r === document.activeElement);
	const to = at < 0 ? Math.max(all.findIndex(r => r.dataset.key === state.chosen), 0) : Math.min(Math.max(at + by, 0), all.length - 1);
	all[to]?.focus();
}

$("#list tbody").addEventListener("click", e => { const r = e.target.closest("tr"); if (r) state.choose(r.dataset.key); });
$("#list tbody").addEventListener("keydown", e => {
	if (e.key === "Enter" || e.key === " ") { e.preventDefault(); state.choose(e.target.closest("tr").dataset.key); }
});
$("#filter").addEventListener("input", show);
$("#every").addEventListener("change", () => state.resort());
for (const b of $$("#list [data-tab]")) b.addEventListener("click", () => { state.tab = b.dataset.tab; head(); show(); });
