// Small things for the page: elements, figures, the language.
import {words} from "./words.js";

export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// el makes an element. What others have sent becomes text, never markup.
export function el(name, attributes = {}, ...children) {
	const e = document.createElement(name);
	for (const [k, v] of Object.entries(attributes)) {
		if (v === undefined || v === false) continue;
		if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
		else e.setAttribute(k, v === true ? "" : v);
	}
	e.append(...children);
	return e;
}

export const lang = () => handfast.lang;
export const t = key => words[handfast.lang][key];
// one is the page's language of a text that comes in both.
export const one = both => both[handfast.lang === "zh" ? 1 : 0];

function scaled(x, units) {
	let u = 0;
	while (x >= 999.5 && u < units.length - 1) { x /= 1000; u++; }
	return (x < 9.95 && (u > 0 || x % 1) ? x.toFixed(1) : x.toFixed(0)) + units[u];
}
export const size = x => scaled(x, [" B", " kB", " MB", " GB", " TB"]);
export const speed = x => size(x) + "/s";
export const count = x => scaled(x, ["", "k", "M", "G"]);
export const millis = x => x < 0.995 ? (x * 1000).toFixed(0) + " µs" : x < 9.95 ? x.toFixed(1) + " ms" : x < 999.5 ? x.toFixed(0) + " ms" : (x / 1000).toFixed(1) + " s";
export const clock = at => new Date(at).toLocaleTimeString("en-GB");

// What a state is called in the sheet of colours.
const families = {"CLOSED": "closed", "LISTEN": "listen", "SYN-SENT": "opening", "SYN-RECEIVED": "opening", "ESTABLISHED": "open",
	"FIN-WAIT-1": "active", "FIN-WAIT-2": "active", "CLOSING": "active", "CLOSE-WAIT": "passive", "LAST-ACK": "passive", "TIME-WAIT": "wait"};
export const chip = state => el("span", {class: "chip chip-" + (families[state] ?? "closed")}, state);
