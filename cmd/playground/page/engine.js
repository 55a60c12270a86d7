// Engine is the lab in a thread of its own. Requests and answers are those of package lab/play.
export class Engine {
	#worker = null;
	#waiting = new Map();
	#ready;
	#next = 1;

	// progress is called with the part that has been loaded, 0 to 1.
	constructor(progress) {
		this.progress = progress;
		this.#begin();
	}

	#begin() {
		const worker = this.#worker = new Worker("worker.js");
		this.#ready = new Promise((ready, fail) => {
			worker.onmessage = ({data}) => {
				if (worker !== this.#worker) return;
				if (data.progress !== undefined) this.progress(data.progress);
				else if (data.ready) ready();
				else if (data.fatal !== undefined) {
					const e = new Error(data.fatal);
					e.load = Boolean(data.load);
					fail(e);
					this.#end(e);
				} else {
					this.#waiting.get(data.id)?.ok(JSON.parse(data.text));
					this.#waiting.delete(data.id);
				}
			};
			worker.onerror = e => fail(new Error(e.message || "worker.js"));
		});
		this.#ready.catch(() => {}); // whoever asks is told
	}

	// ask returns the answer to a request. It fails when the engine ends.
	async ask(request) {
		await this.#ready;
		const id = this.#next++;
		return new Promise((ok, fail) => {
			this.#waiting.set(id, {ok, fail});
			this.#worker.postMessage({id, text: JSON.stringify(request)});
		});
	}

	// stop ends what is being played; the engine begins anew.
	stop(why) { this.#end(new Error(why)); }

	#end(e) {
		this.#worker.terminate();
		for (const w of this.#waiting.values()) w.fail(e);
		this.#waiting.clear();
		if (!e.load) this.#begin();
	}
}
