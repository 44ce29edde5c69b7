// SPDX-License-Identifier: Apache-2.0
// The two graphs, one above the other over the same hours: values, and how many samples they are
// of. A point stands in the middle of its hour. Labels given to Dygraphs are numbers of ours
// only, since it makes HTML of them.

import { byId, fill, make } from "./dom.js";
import { HOUR_MS, brief, clock, day, floorHour, hourSpan, number } from "./format.js";
import { bandAndLine, bars } from "./plotters.js";
import { KINDS } from "./stats.js";

const HALF_MS = HOUR_MS / 2;
const AXIS_PX = 52;

let values = null;
let counts = null;
let cross = null;
let shown = null; // { series, hours }
let onZoom = () => {};

const plot = byId("plot");
const under = byId("bars");

function resolved(name) {
	const probe = make("span", { class: `probe ${name}` });

	document.body.append(probe);
	const { color } = getComputedStyle(probe);
	probe.remove();
	return color;
}

const faded = (color, alpha) => color.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);

// ---- data ------------------------------------------------------------------------------------

function hoursOf({ from, to }) {
	const hours = [];

	for (let at = from; at < to; at += HOUR_MS)
		hours.push(at);
	return hours;
}

const GAP = [null, null, null];

function triple(point, line) {
	const value = point?.values[line.stat];

	if (typeof value !== "number")
		return GAP;
	return [point.values[line.low] ?? value, value, point.values[line.high] ?? value];
}

// The lines of one series: its own with a band, and faint ones for min and max.
function linesOf(one, index) {
	const limits = KINDS[one.kind]?.band;
	const isBand = limits && limits.of === one.stat;
	const lines = [{ one, index, stat: one.stat, low: isBand && limits.low,
		high: isBand && limits.high }];

	for (const stat of ["min", "max"])
		if (one.answers[stat]?.group?.points && stat !== one.stat && lines[0].low !== "min")
			lines.push({ one, index, stat, low: stat, high: stat, faint: true });
	return lines;
}

// ---- drawing ---------------------------------------------------------------------------------

// Ticks within an hour have none.
function xLabel(time) {
	const at = new Date(time);

	if (at.getUTCMinutes() !== 0)
		return "";
	return at.getUTCHours() === 0 ? day(time) : clock(time);
}

function common(range, colours) {
	return {
		legend: "never",
		labelsUTC: true,
		colors: colours.lines,
		dateWindow: [range.from, range.to],
		axisLineColor: "transparent",
		gridLineColor: colours.grid,
		highlightCircleSize: 3.5,
		gridLineWidth: 1,
		xRangePad: 0,
		rightGap: 0,
		// Its own touch handlers would keep a phone from scrolling over the chart.
		interactionModel: { mousedown: Dygraph.defaultInteractionModel.mousedown,
			willDestroyContextMyself: true },
		highlightCallback: (event, x, points, row) => select(row),
		unhighlightCallback: () => select(-1),
		zoomCallback: (from, to) => zoomed(range, floorHour(from), floorHour(to - 1) + HOUR_MS),
	};
}

// A drag up or down changes no hours, and is undone: a scale cut short misleads.
function zoomed(range, from, to) {
	if (from === range.from && to === range.to)
		[values, counts].forEach((graph) => graph.updateOptions({ valueRange: [null, null] }));
	else
		onZoom({ from, to });
}

// The running hour has a ground of its own.
function shadeOpen(openFrom, colour) {
	return (context, area, graph) => {
		const left = graph.toDomXCoord(openFrom);

		if (left >= area.x + area.w)
			return;
		context.fillStyle = colour;
		context.fillRect(left, area.y, area.x + area.w - left, area.h);
	};
}

function drawValues(hours, lines, range, view, colours) {
	const series = {};

	lines.forEach((line, i) => {
		series[`s${i}`] = line.faint ?
			{ strokeWidth: 1, plotter: Dygraph.Plotters.linePlotter, highlightCircleSize: 2,
				pointSize: 0.8 } :
			{ strokeWidth: 2, plotter: bandAndLine };
	});
	const rows = hours.map((hour) => [new Date(hour + HALF_MS),
		...lines.map((line) => triple(line.one.points.get(hour), line))]);
	const low = Math.min(...rows.flatMap((row) => row.slice(1).map((three) => three[0] ?? 0)));

	values = new Dygraph(plot, rows, {
		...common(range, colours),
		labels: ["hour", ...lines.map((line, i) => `s${i}`)],
		series,
		customBars: true,
		fillAlpha: 0.16,
		pointSize: 3,
		drawGapEdgePoints: true,
		logscale: view.log && low >= 0,
		includeZero: !view.log,
		yRangePad: 8,
		underlayCallback: shadeOpen(view.openFrom, colours.open),
		axes: {
			x: { drawAxis: false, drawGrid: false },
			y: { axisLabelWidth: AXIS_PX, pixelsPerLabel: 42, axisLabelFormatter: brief },
		},
	});
}

function drawCounts(hours, series, range, view, colours) {
	const rows = hours.map((hour) => [new Date(hour + HALF_MS),
		...series.map((one) => one.points.get(hour)?.count ?? null)]);

	counts = new Dygraph(under, rows, {
		...common(range, colours),
		colors: series.map((one) => resolved(`series-${one.colour}`)),
		labels: ["hour", ...series.map((one, i) => `c${i}`)],
		plotter: bars(view.openFrom),
		includeZero: true,
		highlightCircleSize: 0,
		yRangePad: 2,
		underlayCallback: shadeOpen(view.openFrom, colours.open),
		axes: {
			x: { axisLabelFormatter: xLabel, drawGrid: false, pixelsPerLabel: 62,
				axisLabelWidth: 60 },
			y: { axisLabelWidth: AXIS_PX, pixelsPerLabel: 20, axisLabelFormatter: brief },
		},
	});
}

export function clear() {
	values?.destroy();
	counts?.destroy();
	cross?.remove();
	values = counts = shown = cross = null;
	byId("chart-card").classList.add("blank");
	fill(byId("readout"));
}

// series: as series.js loads them, those that have data. view: { log, openFrom }.
export function draw(series, range, view) {
	const hours = hoursOf(range);
	const lines = series.flatMap(linesOf);
	const colours = {
		grid: resolved("grid"),
		open: resolved("open-hour"),
		lines: lines.map((line) => {
			const colour = resolved(`series-${line.one.colour}`);
			return line.faint ? faded(colour, 0.45) : colour;
		}),
	};

	const before = shown?.hours[shown.row];
	clear();
	byId("chart-card").classList.remove("blank");
	shown = { series, hours, row: -1 };
	drawValues(hours, lines, range, view, colours);
	drawCounts(hours, series, range, view, colours);
	cross = make("div", { class: "cross", hidden: true });
	plot.parentElement.append(cross);
	select(hours.indexOf(before));
}

// ---- looking at one hour ---------------------------------------------------------------------

function readoutOf(one, hour) {
	const point = one.points.get(hour);
	const limits = KINDS[one.kind].band;
	const banded = limits && limits.of === one.stat;
	const value = point ? number(point.value) : "no data";
	const extra = [];

	if (point && banded && limits.low in point.values)
		extra.push(`${limits.low} ${number(point.values[limits.low])}`,
			`${limits.high} ${number(point.values[limits.high])}`);
	for (const stat of ["min", "max"])
		if (point && one.answers[stat]?.group?.points && !extra.some((text) => text.startsWith(stat)))
			extra.push(`${stat} ${number(point.values[stat])}`);
	if (point && !["count", "sum", "samples"].includes(one.stat))
		extra.push(`of ${number(point.count)}`);
	return make("span", { class: "value" },
		make("i", { class: `dot series-${one.colour}` }),
		make("b", {}, point && !point.exact ? `≈ ${value}` : value),
		extra.length ? make("span", { class: "quiet" }, ` ${extra.join(", ")}`) : null);
}

function select(row) {
	const hour = shown?.hours[row];

	if (!shown)
		return;
	shown.row = hour === undefined ? -1 : row;
	if (hour === undefined) {
		values.clearSelection();
		counts.clearSelection();
		cross.hidden = true;
		fill(byId("readout"), make("span", { class: "quiet" },
			"Point at an hour to read it; drag across to zoom"));
		return;
	}
	values.setSelection(row);
	counts.setSelection(row);
	cross.hidden = false;
	cross.style.left = `${values.toDomXCoord(hour + HALF_MS)}px`;
	fill(byId("readout"), make("span", { class: "when" }, hourSpan(hour)),
		...shown.series.map((one) => readoutOf(one, hour)));
}

function step(by) {
	const filled = shown.hours.map((hour, row) => row)
		.filter((row) => shown.series.some((one) => one.points.has(shown.hours[row])));
	const at = shown.row < 0 ? (by > 0 ? -1 : filled.length) :
		filled.findIndex((row) => row >= shown.row);
	const next = filled[Math.min(Math.max(at + by, 0), filled.length - 1)];

	if (next !== undefined)
		select(next);
}

export function start(zoomed) {
	const moves = { ArrowLeft: -1, ArrowRight: 1 };

	// The others are not used, and the legend's sets a style attribute, which the page's policy
	// refuses.
	Dygraph.PLUGINS = [Dygraph.Plugins.Axes, Dygraph.Plugins.Grid];

	onZoom = zoomed;
	byId("chart").addEventListener("keydown", (event) => {
		if (!shown)
			return;
		if (event.key === "Escape")
			select(-1);
		if (!(event.key in moves))
			return;
		event.preventDefault();
		step(moves[event.key]);
	});
}
