// One connection: its ladder, or the state diagram with its way lit, as the program draws them.
import {$, $$, el, t, lang} from "./dom.js";

const apart = 300; // milliseconds between two drawings
let view = "ladder", key = "", drawn = "", busy = false, again = false;

const say = text => $("#picture").replaceChildren(el("p", {class: "empty"}, text));

// head writes what stands above the picture.
export function head() {
	for (const b of $$("#one [data-view]")) {
		b.textContent = t(b.dataset.view);
		b.setAttribute("aria-selected", b.dataset.view === view);
	}
	$("#ends").textContent = key.replace(" ", " ⇄ ");
	if (!key) say(t("choose"));
}

// open shows a connection.
export function open(which) {
	if (which === key) return;
	key = which;
	head();
	refresh();
}

// refresh draws it anew: there is more of it.
export async function refresh() {
	if (!key) return;
	if (busy) { again = true; return; }
	busy = true;
	const [local, remote] = key.split(" "), asked = key + view;
	try {
		const answer = await fetch(`/${view}?` + new URLSearchParams({local, remote, lang: lang(), ...($("#why").checked ? {why: 1} : {})}));
		if (answer.ok) put(await answer.text(), asked);
		else if (drawn !== asked) say(answer.status === 404 ? t("unknown") : await answer.text());
	} catch { /* the stream says so, too */ }
	setTimeout(() => { busy = false; if (again || asked !== key + view) { again = false; refresh(); } }, apart);
}

function put(text, asked) {
	if (asked !== key + view) return;
	const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
	if (svg.localName !== "svg") return;
	drawn = asked;
	const shown = document.importNode(svg, true);
	$("#picture").replaceChildren(shown);
	crop(shown);
}

// crop leaves out the room for a title, which stands above the picture here.
function crop(svg) {
	const box = svg.viewBox.baseVal, tops = $$("text, rect:not(.paper), path", svg).map(e => e.getBBox()).filter(b => b.width > 0).map(b => b.y);
	const top = Math.max(Math.min(...tops) - 12, 0);
	svg.setAttribute("viewBox", `0 ${top} ${box.width} ${box.height - top}`);
	for (const size of ["width", "height"]) svg.removeAttribute(size);
}

export function turn(to) {
	view = to;
	drawn = "";
	head();
	refresh();
}

for (const b of $$("#one [data-view]")) b.addEventListener("click", () => turn(b.dataset.view));
$("#why").addEventListener("change", refresh);
