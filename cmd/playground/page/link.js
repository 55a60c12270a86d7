// What is on the page as the fragment of its address, and back. Nothing of it is sent to a server.

const numbers = ["seed", "loss", "reorder", "delay", "rate", "halfOpen"], texts = ["cookies", "congestion"];

export const defaults = () => ({seed: 1, loss: 0, reorder: 0, delay: 0, rate: 0, halfOpen: 0, cookies: "", congestion: ""});

// write returns the fragment of a state: {name, text, faults, settings, step, lang}.
export async function write(s) {
	const q = new URLSearchParams({s: s.name}), plain = defaults();
	for (const key of [...numbers, ...texts]) if (s.settings[key] !== plain[key]) q.set(key, s.settings[key]);
	for (const f of s.faults) q.append("f", f);
	if (s.step >= 0) q.set("k", s.step);
	q.set("lang", s.lang);
	if (s.text !== "") q.set("t", await pack(s.text));
	return "#" + q;
}

// read returns what a fragment says, with defaults for what it does not.
export async function read(fragment) {
	const q = new URLSearchParams(fragment.replace(/^#/, "")), settings = defaults();
	for (const key of numbers) {
		const n = Number(q.get(key));
		if (q.has(key) && Number.isFinite(n) && n >= 0) settings[key] = n;
	}
	for (const key of texts) if (q.has(key)) settings[key] = q.get(key);
	let text = "";
	try {
		if (q.has("t")) text = await unpack(q.get("t"));
	} catch {
		text = ""; // a link that was cut short
	}
	return {name: q.get("s") ?? "", text, faults: q.getAll("f").slice(0, 50), settings, step: q.has("k") ? Math.trunc(Number(q.get("k"))) || 0 : -1, lang: q.get("lang") ?? ""};
}

async function pack(text) {
	const bytes = new Uint8Array(await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"))).arrayBuffer());
	return btoa(Array.from(bytes, b => String.fromCharCode(b)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// unpack stops at a megabyte: a link may hold what unpacks to much more.
async function unpack(packed) {
	const bytes = Uint8Array.from(atob(packed.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
	const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).pipeThrough(new TextDecoderStream()).getReader();
	let text = "";
	for (;;) {
		const {done, value} = await reader.read();
		if (done) return text;
		text += value;
		if (text.length > 1 << 20) throw new Error("too long");
	}
}
