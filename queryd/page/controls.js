// SPDX-License-Identifier: Apache-2.0
// The chosen keys, the range, the statistic, and the link to it all.

import { byId, fill, make, show } from "./dom.js";
import { hourText } from "./format.js";
import { toast } from "./notice.js";
import * as search from "./search.js";
import { PICKS_MAX, RANGES, change, pinned, span, state, unpick } from "./state.js";
import { offered } from "./stats.js";

export const RANGE_NAMES = { today: "Today", "24h": "24 hours", "7d": "7 days", "35d": "35 days",
	custom: "Custom" };

// ---- keys ------------------------------------------------------------------------------------

function chip(pick, index, why) {
	return make("span", { class: why ? "pick off" : "pick", title: why || pick.text },
		make("i", { class: `dot series-${index}` }),
		make("span", { class: "mono" }, pick.text),
		why ? make("span", { class: "quiet" }, why) : null,
		make("button", { type: "button", "aria-label": `Remove ${pick.text}`,
			click: () => unpick(pick) }, "×"));
}

// whys: for each pick what is wrong with it, or undefined.
export function renderPicks(picks, whys = []) {
	fill(byId("picks"), ...picks.map((pick, i) => chip(pick, i, whys[i])),
		picks.length < PICKS_MAX ? make("button", { class: "plain", id: "compare", type: "button",
			click: () => search.focus(true) }, "+ Compare") : null);
}

// ---- statistic -------------------------------------------------------------------------------

export function renderStats(kinds, chosen) {
	fill(byId("stats"), ...offered(kinds, chosen).map((stat) =>
		make("button", { type: "button", "aria-pressed": String(stat === chosen),
			click: () => change({ stat }) }, stat)));
	byId("stats").querySelector('[aria-pressed="true"]')?.scrollIntoView({ block: "nearest",
		inline: "nearest" });
}

// ---- range -----------------------------------------------------------------------------------

export function setRange(range) {
	if (range !== "custom") {
		change({ range, from: "", to: "" });
		return;
	}
	const { from, to } = span(state());
	change({ range, from: hourText(from), to: hourText(to) });
	byId("custom-from").focus();
}

function takeCustom() {
	const read = (id) => byId(id).value.slice(0, 13);
	const [from, to] = [read("custom-from"), read("custom-to")];

	if (!from || (to && from >= to))
		toast("From lies before to, both are whole hours.");
	else
		change({ range: "custom", from, to });
}

export function renderRange(of) {
	const custom = of.range === "custom";

	fill(byId("ranges"), ...RANGES.map((range) => make("button", { type: "button",
		"aria-pressed": String(range === of.range), click: () => setRange(range) },
	RANGE_NAMES[range])));
	show(byId("custom"), custom);
	if (!custom)
		return;
	const { from, to } = span(of);
	byId("custom-from").value = `${hourText(from)}:00`;
	byId("custom-to").value = `${hourText(to)}:00`;
}

// ---- link ------------------------------------------------------------------------------------

// Browsers give the clipboard to secure pages only (https, localhost).
function copyBySelection(text) {
	const area = make("textarea", { class: "unseen", "aria-hidden": "true" });

	area.value = text;
	document.body.append(area);
	area.select();
	const copied = document.execCommand("copy");
	area.remove();
	return copied;
}

export async function copy(text, said) {
	let copied = true;

	try {
		await navigator.clipboard.writeText(text);
	} catch {
		copied = copyBySelection(text);
	}
	toast(copied ? said : `Could not copy; it is ${text}`);
}

export function share() {
	copy(new URL(pinned(state()), location.href).href,
		"Link copied. It shows these hours to whoever opens it.");
}

export function start() {
	byId("share").addEventListener("click", share);
	byId("custom-go").addEventListener("click", takeCustom);
	for (const id of ["custom-from", "custom-to"])
		byId(id).addEventListener("keydown", (event) => {
			if (event.key === "Enter")
				takeCustom();
		});
	byId("toggle-log").addEventListener("click", () => change({ log: !state().log }));
	byId("toggle-extremes").addEventListener("click",
		() => change({ extremes: !state().extremes }));
}
