// SPDX-License-Identifier: Apache-2.0
// Before a key is chosen: the busiest keys; or, when there are none at all, how to send one.

import { ask } from "./api.js";
import { copy } from "./controls.js";
import { byId, fill, make, show } from "./dom.js";
import { brief, hourText } from "./format.js";
import { pick } from "./state.js";

const TOP = 60;   // asked for; the pipeline's own are left out
const SHOWN = 12;
const LINE = "printf 'a.b:1|ms\\na.b:2|ms\\na.b:10|ms\\n' | nc -u -w1 127.0.0.1 8125";

const ours = (key) => key.startsWith("hourglass.");

// [{ key, kind, count }], the busiest first; when there are too many keys to weigh, by name.
async function busiest(range) {
	try {
		const { top } = await ask("/v1/top", { match: "*", stat: "count", n: TOP,
			from: hourText(range.from), to: hourText(range.to) });
		if (top.some((one) => !ours(one.key)))
			return { keys: top, title: "Busiest in the last 24 hours" };
	} catch (trouble) {
		if (trouble.code !== "too_large")
			throw trouble;
	}
	const { keys } = await ask("/v1/keys", { limit: 1000 });
	return { keys: keys.map((key) => ({ key })), title: "Keys" };
}

function card(one) {
	return make("li", {}, make("button", { type: "button", class: "key",
		click: () => pick({ text: one.key, glob: false }, false) },
	make("span", { class: "mono" }, one.key),
	make("span", { class: "quiet" },
		one.kind ? `${one.kind}, ${brief(one.count)} in 24 hours` : "open")));
}

function welcome() {
	fill(byId("welcome"),
		make("h1", {}, "Waiting for the first sample"),
		make("p", {}, "Send one on a host where an agent runs; this page shows it as soon as it is counted."),
		make("div", { class: "command" }, make("code", {}, LINE),
			make("button", { type: "button", class: "plain",
				click: () => copy(LINE, "Command copied.") }, "Copy")),
		make("p", { class: "quiet" }, make("i", { class: "pulse" }), "looking for it"));
}

// Shows one of the two. Whether there are keys.
export async function render(range) {
	const { keys, title } = await busiest(range);
	const theirs = keys.filter((one) => !ours(one.key)).slice(0, SHOWN);

	show(byId("welcome"), theirs.length === 0);
	show(byId("home"), theirs.length > 0);
	if (theirs.length === 0) {
		if (!byId("welcome").firstChild)
			welcome();
		return false;
	}
	fill(byId("home"), make("h1", {}, title),
		make("ul", { class: "keys" }, ...theirs.map(card)));
	return true;
}

export function hide() {
	show(byId("welcome"), false);
	show(byId("home"), false);
}
