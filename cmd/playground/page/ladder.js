// The picture of a run as it is stepped through: what has not happened yet is faint.

const ns = "http://www.w3.org/2000/svg";

// Ladder shows a reel in an element. pick is called with a frame's number and where a packet was clicked.
export class Ladder {
	constructor(where, pick) {
		this.where = where;
		this.pick = pick;
	}

	// load shows another run.
	load(reel, aims) {
		this.frames = reel.frames;
		const svg = document.importNode(new DOMParser().parseFromString(reel.picture, "image/svg+xml").documentElement, true);
		this.where.replaceChildren(svg);
		this.svg = svg;
		this.clip = svg.querySelector(".clip rect");
		this.timed = [...svg.querySelectorAll("[data-y]")].map(g => [g, Number(g.dataset.y)]);
		this.sent = new Map();
		this.landed = new Map();
		reel.frames.forEach((f, k) => (f.arrival ? this.landed : this.sent).set(f.step, k));
		this.parts = [...svg.querySelectorAll("[data-i]")].map(g => [g, Number(g.dataset.i)]);
		for (const [g, i] of this.parts) {
			const k = this.sent.get(i);
			if (k === undefined || !reel.frames[k].packet) continue;
			if (aims[reel.frames[k].packet]) g.classList.add("packet");
			// A line is thin: what is near it counts, too.
			for (const wire of g.querySelectorAll(".wire")) {
				const near = wire.cloneNode(false);
				near.setAttribute("class", "near");
				g.append(near);
			}
			g.addEventListener("click", e => this.pick(k, e.clientX, e.clientY));
		}
	}

	show(k) {
		const last = this.frames.length - 1, f = this.frames[k], y = Number(f.y);
		this.clip?.setAttribute("height", k === last ? "100%" : f.y);
		for (const [g, i] of this.parts) {
			g.classList.toggle("later", this.sent.get(i) > k);
			g.classList.toggle("flying", this.sent.get(i) <= k && this.landed.get(i) > k);
			g.classList.toggle("here", i === f.step && k > 0);
		}
		for (const [g, at] of this.timed) g.classList.toggle("later", at > y + 0.5 && k < last);
	}

	// follow keeps the moment on the screen, below what sticks to its top.
	follow(k, top) {
		const box = this.svg.getBoundingClientRect();
		const y = box.top + Number(this.frames[k].y) * box.height / this.svg.viewBox.baseVal.height;
		if (y < top + 40 || y > innerHeight - 80) scrollBy(0, y - (top + innerHeight) / 2);
	}
}

// picture returns a picture's text as an element.
export const picture = text => document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
