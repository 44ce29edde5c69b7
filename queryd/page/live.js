// SPDX-License-Identifier: Apache-2.0
// The running hour's values so far, asked for again and again while somebody looks.

import { ask } from "./api.js";
import { byId, fill, make } from "./dom.js";
import { HOUR_MS, clock, day, floorHour, hourText } from "./format.js";
import { makePoll } from "./poll.js";
import { describe } from "./series.js";
import { KINDS } from "./stats.js";
import { refill, strip } from "./strip.js";

const POLL_MS = 2000;
const UNLESS_SAMPLED = ["count", "min", "max", "samples"];

let picks = [];

function heading(time, failed) {
	const when = byId("live-when");
	const text = failed ? "no answer; still trying" :
		`${clock(time)}–${clock(time + HOUR_MS)} so far`;

	fill(when, make("i", { class: failed ? "pulse off" : "pulse" }), text);
}

function stripOf(pick, index, info, now) {
	const kind = info.kinds[0];
	const last = info.last ? Date.parse(info.last) : 0;

	if (!kind)
		return strip(pick.text, index, [], "Nothing is known of it yet.");
	if (last < now)
		return strip(pick.text, index, [],
			`Nothing yet in this hour. Last seen ${day(last)}, ${clock(last)}–${clock(last + HOUR_MS)}.`);
	const cells = KINDS[kind].live.map((name) => ({ name, value: info.stats[name],
		exact: info.exact || (!info.sampled && UNLESS_SAMPLED.includes(name)) }));
	return strip(pick.text, index, cells);
}

// A key's overview says nothing of exactness; its hour does.
async function look(pick, now) {
	const info = await describe(pick);
	const kind = info.kinds[0];
	const [date, hour] = hourText(now).split("T");

	if (!kind || Date.parse(info.last) < now)
		return info;
	const { exact, sampled } = await ask("/v1/series", { key: pick.text, kind, stat: KINDS[kind].first, date,
		hour });
	return { ...info, exact, sampled };
}

async function lookAll() {
	const now = floorHour(Date.now());
	const keys = picks.filter((pick) => !pick.glob);

	return { now, keys, infos: await Promise.all(keys.map((pick) => look(pick, now))) };
}

function draw({ now, keys, infos }) {
	heading(now, false);
	refill(byId("live"), keys.map((pick, i) => stripOf(pick, picks.indexOf(pick), infos[i], now)));
	if (keys.length < picks.length)
		byId("live").append(make("p", { class: "quiet" },
			"Merged keys have no live values; pick a key itself for them."));
}

function fail(trouble) {
	heading(floorHour(Date.now()), true);
	return trouble.status !== 401;
}

const poll = makePoll({
	pause: POLL_MS,
	wanted: () => picks.length > 0,
	ask: lookAll,
	draw,
	fail,
});

export const { start } = poll;

export function watch(next) {
	const same = JSON.stringify(next) === JSON.stringify(picks);

	picks = next;
	if (same)
		return;
	fill(byId("live"));
	poll.restart();
}
