// SPDX-License-Identifier: Apache-2.0
// Finding a key by typing: names that begin so first, then names that hold it; a text with * or ?
// is a glob, and can be taken whole. A combobox as WAI-ARIA has it.

import { ask, literal } from "./api.js";
import { byId, fill, make, show } from "./dom.js";
import { pick, state } from "./state.js";

const FOUND_MAX = 12;
const TYPING_MS = 80;

const input = byId("search-input");
const list = byId("search-list");
const found = byId("search-found");
const hint = byId("search-hint");

let options = []; // picks
let active = 0;
let beside = false; // choosing adds to what is shown
let asking = null;
let timer = 0;

const isGlob = (text) => /[*?[]/.test(text);

// ---- asking ----------------------------------------------------------------------------------

async function names(match, signal) {
	const { keys } = await ask("/v1/keys", { match, limit: FOUND_MAX * 2 }, signal);

	return keys;
}

async function look(text, signal) {
	if (isGlob(text)) {
		const keys = await names(text, signal);
		return [...(keys.length > 1 ? [{ text, glob: true }] : []),
			...keys.map((key) => ({ text: key, glob: false }))];
	}
	const first = await names(`${literal(text)}*`, signal);
	const more = first.length < FOUND_MAX && text ? await names(`*${literal(text)}*`, signal) : [];
	const own = (key) => key.startsWith("hourglass.") && !text.startsWith("h");

	return [...new Set([...first, ...more])].sort((a, b) => own(a) - own(b))
		.map((key) => ({ text: key, glob: false }));
}

async function search() {
	const text = input.value.trim();

	asking?.abort();
	asking = new AbortController();
	try {
		options = (await look(text, asking.signal)).slice(0, FOUND_MAX);
		active = 0;
		render(text);
	} catch (trouble) {
		if (trouble.name === "AbortError")
			return;
		options = [];
		render(text, trouble.message);
	}
}

// ---- showing ---------------------------------------------------------------------------------

function marked(key, text) {
	const at = text && !isGlob(text) ? key.indexOf(text) : -1;

	if (at < 0)
		return [key];
	return [key.slice(0, at), make("mark", {}, text), key.slice(at + text.length)];
}

function option(one, i, text) {
	const chosen = state().picks.some((other) => other.text === one.text && other.glob === one.glob);

	return make("li", { id: `option-${i}`, role: "option", "aria-selected": String(i === active),
		mousemove: () => activate(i), click: () => choose(i, beside) },
	make("span", { class: "mono" }, ...(one.glob ? [one.text] : marked(one.text, text))),
	one.glob ? make("span", { class: "quiet" }, "all of them, merged") : null,
	chosen ? make("span", { class: "quiet" }, "shown") :
		make("span", { class: "beside", title: "Add it beside the others (Shift Enter)",
			click: (event) => {
				event.stopPropagation();
				choose(i, true, true);
			} }, "+"));
}

function hintOf(text, problem) {
	if (problem)
		return problem;
	if (options.length > 0)
		return beside ? "Enter adds the key beside the others" :
			"Enter shows the key, Shift Enter or + adds it beside the others";
	return text ? `No key is called so. Try a part of its name, or a glob: *${text}*` :
		"There are no keys yet.";
}

function render(text, problem) {
	fill(list, ...options.map((one, i) => option(one, i, text)));
	hint.textContent = hintOf(text, problem);
	open(true);
}

function open(shown) {
	show(found, shown);
	show(list, options.length > 0);
	input.setAttribute("aria-expanded", String(shown));
	if (shown && options.length > 0)
		input.setAttribute("aria-activedescendant", `option-${active}`);
	else
		input.removeAttribute("aria-activedescendant");
}

function activate(i) {
	if (i === active)
		return;
	active = i;
	[...list.children].forEach((one, at) =>
		one.setAttribute("aria-selected", String(at === i)));
	list.children[i]?.scrollIntoView({ block: "nearest" });
	input.setAttribute("aria-activedescendant", `option-${i}`);
}

function choose(i, adds, stays) {
	if (!options[i])
		return;
	pick(options[i], adds);
	if (stays) {
		beside = true;
		render(input.value.trim());
		input.focus();
		return;
	}
	close();
	byId("chart").focus({ preventScroll: true });
}

export function close() {
	asking?.abort();
	clearTimeout(timer);
	input.value = "";
	options = [];
	beside = false;
	open(false);
}

// Puts the cursor there; what is chosen then is added to what is shown if `adds`.
export function focus(adds) {
	input.focus();
	input.select();
	beside = Boolean(adds) && state().picks.length > 0;
	search();
}

// ---- keys ------------------------------------------------------------------------------------

function onKey(event) {
	const moves = { ArrowDown: 1, ArrowUp: -1 };

	if (event.key in moves) {
		event.preventDefault();
		if (found.hidden)
			search();
		else if (options.length > 0)
			activate((active + moves[event.key] + options.length) % options.length);
	} else if (event.key === "Enter") {
		event.preventDefault();
		choose(active, beside || event.shiftKey, event.shiftKey);
	} else if (event.key === "Escape") {
		close();
		input.blur();
	}
}

export function start() {
	input.addEventListener("keydown", onKey);
	input.addEventListener("input", () => {
		clearTimeout(timer);
		asking?.abort();
		options = [];
		timer = setTimeout(search, TYPING_MS);
	});
	input.addEventListener("focus", () => {
		if (found.hidden && input.value)
			search();
	});
	input.addEventListener("click", () => {
		if (found.hidden)
			search();
	});
	found.addEventListener("mousedown", (event) => event.preventDefault());
	input.addEventListener("blur", () => {
		beside = false;
		open(false);
	});
}
