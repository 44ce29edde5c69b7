// SPDX-License-Identifier: Apache-2.0
// What is shown, all of it in the URL: a link is the state, and Back undoes a choice.
//
//     /?key=a.b&match=c.*&stat=p99&range=7d&log=1
//     /?key=a.b&from=2026-11-20T13&to=2026-11-21T02&extremes=0
//
// A pick is { text, glob }: one key, or a glob whose keys are merged.

import { HOUR_MS, floorHour, hourText } from "./format.js";

export const PICKS_MAX = 8; // as many colours as can be told apart
export const RANGES = ["today", "24h", "7d", "35d", "custom"];

const HOUR_FORM = /^\d{4}-\d{2}-\d{2}(T\d{2})?$/;
const listeners = [];
let current = parse(location.search);

function parse(search) {
	const query = new URLSearchParams(search);
	const picks = [...query]
		.filter(([name, value]) => (name === "key" || name === "match") && value !== "")
		.map(([name, text]) => ({ text, glob: name === "match" }))
		.slice(0, PICKS_MAX);
	const from = query.get("from") || "";
	const to = query.get("to") || "";
	const custom = HOUR_FORM.test(from) && (to === "" || HOUR_FORM.test(to));
	const range = query.get("range") || "";

	return {
		picks,
		stat: query.get("stat") || "",
		range: custom ? "custom" : RANGES.slice(0, 4).includes(range) ? range : "24h",
		from: custom ? from : "",
		to: custom ? to : "",
		log: query.get("log") === "1",
		extremes: query.get("extremes") !== "0",
	};
}

export function link(state) {
	const parts = state.picks.map(
		(pick) => `${pick.glob ? "match" : "key"}=${encodeURIComponent(pick.text)}`);

	if (state.stat)
		parts.push(`stat=${encodeURIComponent(state.stat)}`);
	if (state.range === "custom")
		parts.push(`from=${state.from}`, ...(state.to ? [`to=${state.to}`] : []));
	else if (state.range !== "24h")
		parts.push(`range=${state.range}`);
	if (state.log)
		parts.push("log=1");
	if (!state.extremes)
		parts.push("extremes=0");
	return parts.length ? `/?${parts.join("&")}` : "/";
}

export const state = () => current;

export function onChange(listener) {
	listeners.push(listener);
}

export function change(patch) {
	const next = { ...current, ...patch };

	if (link(next) === link(current))
		return;
	current = next;
	history.pushState(null, "", link(current));
	listeners.forEach((listener) => listener(current));
}

window.addEventListener("popstate", () => {
	current = parse(location.search);
	listeners.forEach((listener) => listener(current));
});

// The whole hours that a state means now: { from, to } in ms, to exclusive.
export function span(of, now = Date.now()) {
	const end = floorHour(now) + HOUR_MS;
	const date = (text) => Date.parse(text.length > 10 ? `${text}:00Z` : `${text}T00:00Z`);

	switch (of.range) {
	case "custom":
		return { from: date(of.from), to: of.to ? date(of.to) : end };
	case "today":
		return { from: Date.parse(`${hourText(now).slice(0, 10)}T00:00Z`), to: end };
	default:
		return { from: end - { "24h": 24, "7d": 168, "35d": 840 }[of.range] * HOUR_MS, to: end };
	}
}

// A link that shows the same hours tomorrow.
export function pinned(of) {
	const { from, to } = span(of);

	return link({ ...of, range: "custom", from: hourText(from), to: hourText(to) });
}

export const samePick = (a, b) => a.text === b.text && a.glob === b.glob;

// Adds a pick beside the others, or in their place.
export function pick(chosen, beside) {
	const others = beside ? current.picks.filter((one) => !samePick(one, chosen)) : [];

	change({ picks: [...others.slice(0, PICKS_MAX - 1), chosen] });
}

export function unpick(gone) {
	change({ picks: current.picks.filter((one) => !samePick(one, gone)) });
}
