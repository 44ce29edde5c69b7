// SPDX-License-Identifier: Apache-2.0
/*
 * plan_back.c - what a gauge that only changed builds on.
 *
 * A change says nothing without a value that was set before it. When the first hours of a span
 * have none, their window is kept while the 24 hours before the span are read, once, into the
 * trail; then it is folded as if nothing had been in between.
 */
#include "queryd/plan_private.h"

bool plan_must_look_back(struct plan *p)
{
	struct cell_gauge gauge;
	size_t i, kind = stat_kind_index(KIND_GAUGE);
	bool must = false;

	if (p->looked_back || (p->route != ROUTE_KEY && p->stat.id != STAT_LAST))
		return false;
	for (i = 0; i < p->main.count && !p->based && !must; i++) {
		const struct plan_hour *hour = &p->main.hours[i];
		if (!hour->cells[kind])
			continue;
		cell_gauge(hour->cells[kind], &gauge);
		p->based = gauge.has_last;
		must = !p->based && hour->hour - GAUGE_TRAIL_HOURS < p->from_hour;
	}
	return must;
}

int plan_start_back(struct plan *p)
{
	int64_t from = p->from_hour - GAUGE_TRAIL_HOURS;

	p->phase = PHASE_BACK;
	p->looked_back = true;
	return plan_window_start(&p->back, from > 0 ? from : 0, p->from_hour,
				 1u << stat_kind_index(KIND_GAUGE), &p->round);
}

void plan_follow_trail(struct plan *p)
{
	size_t i, kind = stat_kind_index(KIND_GAUGE);
	struct cell_gauge gauge;

	p->digest = plan_window_digest(&p->back, p->digest);
	for (i = 0; i < p->back.count; i++) {
		if (!p->back.hours[i].cells[kind])
			continue;
		cell_gauge(p->back.hours[i].cells[kind], &gauge);
		gauge_trail_put(&p->trail, p->back.hours[i].hour, &gauge);
	}
	plan_window_release(&p->back);
}
