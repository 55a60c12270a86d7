// Before anything is drawn: the colours and the language that were chosen, or those of the system.
"use strict";
const handfast = {
	get(key) { try { return localStorage.getItem("handfast-" + key); } catch { return null; } },
	set(key, value) { try { localStorage.setItem("handfast-" + key, value); } catch { /* it is chosen for this time */ } },
	dark: matchMedia("(prefers-color-scheme: dark)"),
	theme() { return this.get("theme") ?? (this.dark.matches ? "dark" : "light"); },
	apply() {
		const theme = this.theme();
		document.documentElement.dataset.theme = theme;
		for (const l of document.querySelectorAll("[data-story]")) l.media = l.dataset.story === theme ? "all" : "not all";
	},
};
handfast.lang = new URLSearchParams(location.search).get("lang") ?? handfast.get("lang") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
if (handfast.lang !== "zh") handfast.lang = "en";
handfast.apply();
