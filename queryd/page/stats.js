// SPDX-License-Identifier: Apache-2.0
// Which statistics a kind has (API.md), and what is shown of it unasked.

export const KINDS = {
	distribution: {
		stats: ["median", "p90", "p95", "p99", "p99.9", "average", "min", "max", "count", "rate",
			"sum", "stddev"],
		first: "median",
		band: { of: "median", low: "p10", high: "p90" },
		summary: ["count", "min", "median", "average", "p90", "p99", "max"],
		live: ["count", "min", "median", "average", "p90", "p99", "max"],
	},
	counter: {
		stats: ["sum", "rate", "samples"],
		first: "sum",
		summary: ["sum", "rate", "samples"],
		live: ["sum", "rate", "samples"],
	},
	gauge: {
		stats: ["last", "average", "min", "max", "samples"],
		first: "last",
		band: { of: "last", low: "min", high: "max" },
		summary: ["last", "average", "min", "max", "samples"],
		live: ["last", "average", "min", "max", "samples"],
	},
	set: {
		stats: ["unique", "samples"],
		first: "unique",
		summary: ["unique", "samples"],
		live: ["unique", "samples"],
	},
};

const PERCENTILE = /^p\d{1,2}(\.\d+)?$|^p100$/;

export function has(kind, stat) {
	return KINDS[kind].stats.includes(stat) ||
		(kind === "distribution" && PERCENTILE.test(stat));
}

// What several kinds can be asked for, the first's first.
export function offered(kinds, chosen) {
	const all = [...new Set(kinds.flatMap((kind) => KINDS[kind].stats))];

	return chosen && !all.includes(chosen) ? [...all, chosen] : all;
}

// The statistic that is shown: the one asked for, if any pick has it, else what suits the first.
export function settled(infos, asked) {
	const kinds = infos.flatMap((info) => info.kinds);

	if (asked && (kinds.length === 0 || answering(kinds, asked)))
		return asked;
	return kinds.length > 0 ? KINDS[kinds[0]].first : "";
}

// The kind among those of a key that answers a stat.
export function answering(kinds, stat) {
	return kinds.find((kind) => has(kind, stat));
}
