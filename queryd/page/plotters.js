// SPDX-License-Identifier: Apache-2.0
// What Dygraphs does not draw by itself: bars beside each other, and the band of an hour that
// stands alone, which as an area would have no width.

import { HOUR_MS } from "./format.js";

const ALONE_PX = 7;
const THIN_PX = 3;

const pixelsAnHour = (graph) => graph.toDomXCoord(HOUR_MS) - graph.toDomXCoord(0);

function band(e) {
	const bare = (point) => !point || Number.isNaN(point.y) || point.y === null;
	const { drawingContext: context, plotArea, points } = e;

	Dygraph.Plotters.errorPlotter(e);
	points.forEach((point, i) => {
		if (bare(point) || !bare(points[i - 1]) || !bare(points[i + 1]))
			return;
		const top = plotArea.y + plotArea.h * point.y_top;
		const bottom = plotArea.y + plotArea.h * point.y_bottom;
		if (Math.abs(bottom - top) > 1)
			context.fillRect(point.canvasx - ALONE_PX / 2, top, ALONE_PX, bottom - top);
	});
}

// A series: Dygraphs takes one plotter for it.
export function bandAndLine(e) {
	band(e);
	Dygraph.Plotters.linePlotter(e);
}

// Where bars side by side would be thinner than can be told apart: the tops of the hours as a line.
function steps(context, points, room) {
	let before = null;

	context.globalAlpha = 0.85;
	context.lineWidth = 1.5;
	context.beginPath();
	for (const point of points) {
		const bare = !(point.yval > 0);
		const [left, right] = [point.canvasx - room / 2, point.canvasx + room / 2];
		if (!bare && before !== null && left - before < 1)
			context.lineTo(left, point.canvasy);
		else if (!bare)
			context.moveTo(left, point.canvasy);
		if (!bare)
			context.lineTo(right, point.canvasy);
		before = bare ? null : right;
	}
	context.stroke();
	context.globalAlpha = 1;
}

// All series at once, in each hour side by side.
export function bars(openFrom) {
	return (e) => {
		if (e.seriesIndex !== 0)
			return;
		const context = e.drawingContext;
		const room = Math.max(1, pixelsAnHour(e.dygraph));
		const gap = room > 6 ? Math.min(3, room * 0.2) : 0;
		const each = Math.max(1, (room - gap) / e.seriesCount);
		const floor = e.dygraph.toDomYCoord(0);

		e.allSeriesPoints.forEach((points, index) => {
			context.fillStyle = context.strokeStyle = e.dygraph.getColors()[index];
			if (e.seriesCount > 1 && each < THIN_PX) {
				steps(context, points, room);
				return;
			}
			for (const point of points) {
				if (!(point.yval > 0))
					continue;
				const left = point.canvasx - room / 2 + gap / 2 + index * each;
				context.globalAlpha = point.xval >= openFrom ? 0.3 : 0.6;
				context.fillRect(left, point.canvasy, each, Math.max(1, floor - point.canvasy));
			}
			context.globalAlpha = 1;
		});
	};
}
