// The sliders: what each changes, and how its value is said.

const percent = v => `${Math.round(v * 1000) / 10} %`;
const rates = [0, 64e3, 128e3, 256e3, 512e3, 1e6, 2e6, 5e6, 10e6, 20e6, 50e6, 100e6, 1e9];
const delays = [0, 1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000];
const queues = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024];
const parts = [0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1];

// rateText writes bits per second as --rate reads them.
export function rateText(v) {
	for (const [unit, n] of [["gbit", 1e9], ["mbit", 1e6], ["kbit", 1e3]]) if (v >= n) return v / n + unit;
	return v + "bit";
}

const sliders = [
	{key: "loss", values: parts, text: percent},
	{key: "reorder", values: parts, text: percent},
	{key: "delay", values: delays, text: v => `${v} ms`},
	{key: "rate", values: rates, text: v => rateText(v).replace("bit", "bit/s").replace(/^([\d.]+)(.)/, (_, n, u) => `${n} ${u === "k" ? "k" : u.toUpperCase()}`)},
	{key: "halfOpen", values: queues, text: v => String(v)},
];

// nearest is the position of the value that is closest to v.
const nearest = (values, v) => values.reduce((best, x, i) => Math.abs(x - v) < Math.abs(values[best] - v) ? i : best, 0);

// Settings draws them into an element, and calls changed with the values of all.
export class Settings {
	#rows = new Map();

	constructor(where, congestion, changed) {
		this.changed = changed;
		for (const s of sliders) {
			const range = element("input", {type: "range", min: 0, max: s.values.length - 1, id: "set-" + s.key});
			const row = this.#row(where, s.key, range);
			range.addEventListener("input", () => {
				this.values[s.key] = s.values[range.valueAsNumber];
				this.#say();
				this.changed();
			});
			Object.assign(row, {show: v => range.value = nearest(s.values, v), say: (v, w) => v ? s.text(v) : s.key === "loss" || s.key === "reorder" ? "0" : w.asWritten, range});
		}
		this.#choice(where, "cookies", ["", "off", "auto", "always"], (v, w) => ({"": w.asWritten, off: w.never, auto: w.when, always: w.always})[v]);
		this.#choice(where, "congestion", ["", ...congestion], (v, w) => v || w.asWritten);
		this.#seed(where);
	}

	#row(where, key, control) {
		const label = element("label", {for: control.id}), value = element("output", {for: control.id});
		where.append(label, control, value);
		const row = {label, value};
		this.#rows.set(key, row);
		return row;
	}

	#choice(where, key, values, text) {
		const select = element("select", {id: "set-" + key});
		for (const v of values) select.append(element("option", {value: v}));
		const row = this.#row(where, key, select);
		select.addEventListener("change", () => {
			this.values[key] = select.value;
			this.changed();
		});
		Object.assign(row, {show: v => select.value = v, say: (_, w) => {
			for (const o of select.options) o.textContent = text(o.value, w);
			return "";
		}});
	}

	#seed(where) {
		const input = element("input", {type: "number", min: 0, max: 2 ** 32, step: 1, id: "set-seed"});
		const row = this.#row(where, "seed", input);
		const dice = element("button", {type: "button", id: "dice", class: "quiet"});
		dice.textContent = "⚄";
		row.value.replaceWith(dice);
		const set = v => {
			this.values.seed = Math.min(Math.max(Math.trunc(v) || 0, 0), 2 ** 32);
			this.changed();
		};
		input.addEventListener("change", () => set(input.valueAsNumber));
		dice.addEventListener("click", () => {
			set(this.values.seed + 1);
			input.value = this.values.seed;
		});
		Object.assign(row, {show: v => input.value = v, say: (_, w) => (dice.title = w.dice, dice.setAttribute("aria-label", w.dice), "")});
	}

	// show puts all controls where the values say.
	show(values, words) {
		this.values = values;
		this.words = words;
		for (const [key, row] of this.#rows) row.show(values[key]);
		this.#say();
	}

	#say() {
		for (const [key, row] of this.#rows) {
			row.label.textContent = this.words[key];
			row.value.textContent = row.say(this.values[key], this.words);
			row.range?.setAttribute("aria-valuetext", row.value.textContent);
		}
	}
}

// element makes an element with attributes.
export function element(tag, attributes = {}, ...children) {
	const e = document.createElement(tag);
	for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
	e.append(...children);
	return e;
}
