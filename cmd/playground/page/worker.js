"use strict";
// The engine's thread: a flood that takes long does not freeze the page, and can be ended.
importScripts("wasm_exec.js");

const file = "handfast.wasm.gz";

// load fetches the engine. Where a server has unpacked it on the way, it is taken as it is.
async function load() {
	const answer = await fetch(file);
	if (!answer.ok) throw new Error(`${file}: ${answer.status} ${answer.statusText}`);
	const size = Number(answer.headers.get("Content-Length")) || 1.4e6, parts = [];
	let have = 0;
	for (const reader = answer.body.getReader(); ;) {
		const {done, value} = await reader.read();
		if (done) break;
		parts.push(value);
		have += value.length;
		postMessage({progress: Math.min(have / size, 1)});
	}
	const all = new Blob(parts), head = new Uint8Array(await all.slice(0, 2).arrayBuffer());
	const packed = head[0] === 0x1f && head[1] === 0x8b;
	const stream = packed ? all.stream().pipeThrough(new DecompressionStream("gzip")) : all.stream();
	return new Response(stream, {headers: {"Content-Type": "application/wasm"}});
}

async function begin() {
	const go = new Go();
	const {instance} = await WebAssembly.instantiateStreaming(load(), go.importObject);
	go.run(instance).then(() => postMessage({fatal: "it returned"}), e => postMessage({fatal: String(e)}));
	onmessage = e => {
		try {
			postMessage({id: e.data.id, text: handfast(e.data.text)});
		} catch (err) {
			postMessage({id: e.data.id, fatal: String(err)});
		}
	};
	postMessage({ready: true});
}

begin().catch(e => postMessage({fatal: e.message, load: true}));
