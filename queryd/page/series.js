// SPDX-License-Identifier: Apache-2.0
// From picks to what is drawn: asks /v1/query, whose every answer has a value for the whole range
// and one for each hour, merged from samples and never from other values.

import { ask, literal, url } from "./api.js";
import { floorHour, hourText } from "./format.js";
import { KINDS, answering, has } from "./stats.js";

const BANDS_MAX = 3; // more than three overlaid bands hide one another

// What is known of a pick: { kinds, first, last, stats }; kinds is empty for a key nobody has sent.
export async function describe(pick, signal) {
	let key = pick.text;

	if (pick.glob) {
		const { keys } = await ask("/v1/keys", { match: pick.text, limit: 1 }, signal);
		if (keys.length === 0)
			return { kinds: [] };
		key = keys[0];
	}
	try {
		return await ask("/v1/series", { key }, signal);
	} catch (trouble) {
		if (trouble.code === "no_data")
			return { kinds: [] };
		throw trouble;
	}
}

function question(pick, stat, kind, range, step) {
	return {
		match: pick.glob ? pick.text : literal(pick.text),
		stat,
		kind,
		from: hourText(range.from),
		to: hourText(range.to),
		step,
	};
}

// The same question for curl.
export function address(pick, stat, kind, range) {
	return url("/v1/query", question(pick, stat, kind, range));
}

async function query(pick, stat, kind, range, step, signal) {
	const answer = await ask("/v1/query", question(pick, stat, kind, range, step), signal);

	return { ...answer, group: answer.groups[0] || null };
}

// Which stats are drawn by the hour; the rest is asked for as a total.
function drawn(kind, stat, view) {
	const band = KINDS[kind].band;
	const wanted = [stat];

	if (band && band.of === stat && view.picks.length <= BANDS_MAX)
		wanted.push(band.low, band.high);
	if (view.extremes && view.picks.length === 1 && has(kind, "min"))
		wanted.push("min", "max");
	return [...new Set(wanted)];
}

// Whether all hours before the running one are complete.
async function pastIsComplete(pick, stat, kind, range, signal) {
	const now = floorHour(Date.now());

	if (range.to <= now || range.from >= now)
		return range.to > now;
	return (await query(pick, stat, kind, { from: range.from, to: now }, "total", signal)).complete;
}

function pointsOf(answers, stat) {
	const points = new Map();

	for (const [name, answer] of Object.entries(answers)) {
		for (const point of answer.group?.points || []) {
			const time = Date.parse(point.time);
			const at = points.get(time) || { values: {} };
			at.values[name] = point.value;
			if (name === stat)
				Object.assign(at, { value: point.value, count: point.count, exact: point.exact });
			points.set(time, at);
		}
	}
	return points;
}

// One pick over the range:
// { pick, kinds, kind, stat, answers: by stat, points: Map of ms, main: the stat's answer, pastComplete }
// Without `kind` there is nothing to draw, and `why` says so.
export async function load(pick, info, view, range, signal) {
	const { stat } = view;
	const kind = answering(info.kinds, stat);
	const made = { pick, kinds: info.kinds, last: info.last, stat, points: new Map(), answers: {} };

	if (info.kinds.length === 0)
		return { ...made, why: pick.glob ? "no key matches" : "not known, no sample of it is kept" };
	if (!kind)
		return { ...made, why: `a ${info.kinds.join(" and ")} has no ${stat}` };
	const hourly = drawn(kind, stat, view);
	const totals = KINDS[kind].summary.filter((one) => !hourly.includes(one));
	const answers = {};
	const fetch = async (one, step) => {
		answers[one] = await query(pick, one, kind, range, step, signal);
	};

	await Promise.all([...hourly.map((one) => fetch(one)),
		...totals.map((one) => fetch(one, "total"))]);
	const main = answers[stat];
	const pastComplete = main.complete ||
		await pastIsComplete(pick, stat, kind, range, signal);
	const lines = Object.fromEntries(hourly.map((one) => [one, answers[one]]));
	return { ...made, kind, answers, main, pastComplete, points: pointsOf(lines, stat) };
}
