// SPDX-License-Identifier: Apache-2.0
// A row of values under one key's name.

import { fill, make } from "./dom.js";
import { number } from "./format.js";

// cells: [{ name, value, exact, rank_error, changed }]
export function strip(heading, colour, cells, note) {
	return make("section", { class: "strip" },
		make("h3", {}, make("i", { class: `dot series-${colour}` }),
			make("span", { class: "mono" }, heading)),
		make("dl", {}, ...cells.map(cell)),
		note ? make("p", { class: "quiet" }, note) : null);
}

function cell({ name, value, exact, rank_error: error, chosen }) {
	const about = exact === false ?
		error ? `approximate: within ${number(error)} of the true rank` : "approximate" : undefined;
	const text = exact === false ? `≈ ${number(value)}` : number(value);

	return make("div", { class: chosen ? "cell chosen" : "cell", title: about,
		"data-stat": name }, make("dt", {}, name), make("dd", {}, text));
}

// Replaces strips, and lets a value that is another one now be seen to change.
export function refill(parent, strips) {
	const before = new Map([...parent.querySelectorAll(".cell")]
		.map((one, i) => [`${i} ${one.dataset.stat}`, one.textContent]));

	fill(parent, ...strips);
	[...parent.querySelectorAll(".cell")].forEach((one, i) => {
		const was = before.get(`${i} ${one.dataset.stat}`);
		if (was !== undefined && was !== one.textContent)
			one.classList.add("changed");
	});
}
