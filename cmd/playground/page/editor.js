// The text of a scenario, with the numbers of its lines and the place of a mistake.
export class Editor {
	constructor(area, lines, changed) {
		this.area = area;
		this.lines = lines;
		area.addEventListener("input", () => {
			this.#number();
			clearTimeout(this.timer);
			this.timer = setTimeout(() => changed(area.value), 300);
		});
		area.addEventListener("scroll", () => lines.scrollTop = area.scrollTop);
	}

	set(text) {
		if (this.area.value === text) return;
		this.area.value = text;
		this.#number();
	}

	#number() {
		const n = this.area.value.split("\n").length;
		if (this.lines.childElementCount === n) return;
		this.lines.replaceChildren(...Array.from({length: n}, (_, i) => {
			const s = document.createElement("span");
			s.textContent = i + 1;
			return s;
		}));
	}

	// mark marks the line of a mistake; 0: none.
	mark(line) {
		for (const [i, s] of [...this.lines.children].entries()) s.classList.toggle("wrong", i + 1 === line);
	}

	// go puts the cursor at a place; columns are characters, and what a browser counts are not.
	go(line, col) {
		const rows = this.area.value.split("\n");
		const at = rows.slice(0, line - 1).reduce((n, r) => n + r.length + 1, 0) + [...(rows[line - 1] ?? "")].slice(0, col - 1).join("").length;
		this.area.focus();
		this.area.setSelectionRange(at, at);
	}
}
