// SPDX-License-Identifier: Apache-2.0
// The chart's hours as a table, for reading, copying and for those who cannot see the chart.

import { byId, fill, make, show } from "./dom.js";
import { clock, day, number } from "./format.js";

let shown = [];

function cells(one, hour) {
	const point = one.points.get(hour);

	return point ? [make("td", {}, point.exact ? number(point.value) : `≈ ${number(point.value)}`),
		make("td", { class: "zero" }, number(point.count))] :
		[make("td", { class: "zero" }, "—"), make("td", { class: "zero" }, "—")];
}

function rebuild() {
	const hours = [...new Set(shown.flatMap((one) => [...one.points.keys()]))].sort((a, b) => b - a);

	if (!byId("table").open)
		return;
	fill(byId("table-rows"), make("table", {},
		make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "hour"),
			...shown.flatMap((one) => [
				make("th", { scope: "col", class: "mono" }, `${one.pick.text} ${one.stat}`),
				make("th", { scope: "col" }, "count")]))),
		make("tbody", {}, ...hours.map((hour) => make("tr", {},
			make("th", { scope: "row" }, `${day(hour)} ${clock(hour)}`),
			...shown.flatMap((one) => cells(one, hour)))))));
}

export function render(series) {
	shown = series;
	show(byId("table"), series.length > 0);
	rebuild();
}

export function start() {
	byId("table").addEventListener("toggle", rebuild);
}
