// A small state diagram that shows where both ends are, and which ways they have taken.

const ns = "http://www.w3.org/2000/svg";
const width = 94, height = 24;
const at = {
	"CLOSED": [165, 18], "LISTEN": [55, 62], "SYN-SENT": [275, 62], "SYN-RECEIVED": [55, 112], "ESTABLISHED": [165, 150],
	"FIN-WAIT-1": [55, 200], "CLOSING": [165, 222], "CLOSE-WAIT": [275, 200], "FIN-WAIT-2": [55, 254], "LAST-ACK": [275, 254],
	"TIME-WAIT": [165, 276], "end": [165, 324],
};
const lanes = ["one", "two"];

function make(tag, attributes, parent, text) {
	const e = document.createElementNS(ns, tag);
	for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
	if (text !== undefined) e.textContent = text;
	parent?.append(e);
	return e;
}

// place is where a state stands: a connection that ends is CLOSED at the bottom.
const place = (from, to) => to === "CLOSED" && from !== "LISTEN" && from !== "SYN-SENT" ? "end" : to;

// border is where the line from one box to another leaves or reaches it.
function border([x, y], [tx, ty], gap) {
	const dx = tx - x, dy = ty - y;
	const t = Math.min(dx ? (width / 2 + gap) / Math.abs(dx) : Infinity, dy ? (height / 2 + gap) / Math.abs(dy) : Infinity);
	return [x + dx * t, y + dy * t];
}

// StateMap draws it. moves are those that the engine's table has, meanings says what each state is.
export class StateMap {
	#edges = new Map();
	#boxes = new Map();
	#marks;

	constructor(where, {moves, family}) {
		const svg = make("svg", {viewBox: "-5 0 340 344", role: "img"}, where);
		this.title = make("title", {}, svg);
		const wires = make("g", {}, svg);
		for (const [from, to] of moves) {
			const end = place(from, to);
			// Any state may be aborted: as lines these would hide the others.
			if (end === "end" && from !== "TIME-WAIT" && from !== "LAST-ACK") continue;
			if (from === "SYN-RECEIVED" && to === "LISTEN" || to === "CLOSED" && end !== "end") continue;
			const a = border(at[from], at[end], 0), b = border(at[end], at[from], 3);
			const g = make("g", {class: "map-edge"}, wires);
			make("line", {x1: a[0], y1: a[1], x2: b[0], y2: b[1], class: "edge"}, g);
			const dx = b[0] - a[0], dy = b[1] - a[1], n = Math.hypot(dx, dy), ux = dx / n, uy = dy / n;
			make("path", {class: "spot", d: `M${b[0] + 2 * ux} ${b[1] + 2 * uy}L${b[0] - 5 * ux - 3.4 * uy} ${b[1] - 5 * uy + 3.4 * ux}L${b[0] - 5 * ux + 3.4 * uy} ${b[1] - 5 * uy - 3.4 * ux}Z`}, g);
			this.#edges.set(from + ">" + end, g);
		}
		for (const [name, [x, y]] of Object.entries(at)) {
			const state = name === "end" ? "CLOSED" : name;
			const g = make("g", {class: "map-box"}, svg);
			make("rect", {class: "paper", x: x - width / 2, y: y - height / 2, width, height, rx: 6}, g);
			make("rect", {class: family[state] + (state === "CLOSED" ? " dashed" : ""), x: x - width / 2, y: y - height / 2, width, height, rx: 6}, g);
			make("text", {class: "strong on-" + family[state], x, y: y + 4, "text-anchor": "middle", "font-size": 11}, g, state);
			this.#boxes.set(name, {g, title: make("title", {}, g), state});
		}
		this.#marks = make("g", {}, svg);
	}

	// explain says in a language, 0 or 1, what each state is.
	explain(meanings, language) {
		for (const b of this.#boxes.values()) b.title.textContent = b.state + ": " + meanings[b.state][language];
	}

	// show lights the ways of two ends: paths are lists of states, in order.
	show(ends, paths) {
		this.#marks.replaceChildren();
		for (const g of [...this.#edges.values()]) g.setAttribute("class", "map-edge");
		for (const b of this.#boxes.values()) b.g.setAttribute("class", "map-box");
		paths.slice(0, 2).forEach((path, i) => {
			let here = path[0] ?? "", was = "";
			this.#boxes.get(here)?.g.classList.add("been");
			for (const next of path.slice(1)) {
				const to = place(here, next);
				this.#edges.get((here === "end" ? "CLOSED" : here) + ">" + to)?.classList.add("lit-" + lanes[i]);
				this.#boxes.get(to)?.g.classList.add("been");
				was = here;
				here = to;
			}
			if (!here || !at[here]) return;
			const [x, y] = at[here], side = i === 0 ? -1 : 1;
			make("rect", {class: "map-here l-" + lanes[i], x: x - width / 2 - 2.5 - i * 2, y: y - height / 2 - 2.5 - i * 2, width: width + 5 + i * 4, height: height + 5 + i * 4, rx: 8}, this.#marks);
			const cx = x + side * (width / 2 + 1);
			make("circle", {class: "t-" + lanes[i], cx, cy: y - height / 2, r: 8}, this.#marks);
			make("text", {class: "inverse strong", x: cx, y: y - height / 2 + 3.6, "text-anchor": "middle", "font-size": 10.5}, this.#marks, (ends[i] ?? "?").slice(0, 1).toUpperCase());
		});
		this.title.textContent = paths.map((p, i) => `${ends[i]}: ${p.at(-1) ?? ""}`).join(", ");
	}
}
