// SPDX-License-Identifier: Apache-2.0
/*
 * plan_moving.c - hours backwards, until there are enough elements.
 *
 * Hours are read backwards from the key's last one, a window of them at a time, until there are
 * enough elements, or an hour says that what came before its own is not known. Positions within
 * an hour become positions on one axis, so that elements of several hours merge as those of
 * one. `exact` is lost when an hour has samples that its window does not know of, and when the
 * cut falls within a second.
 */
#include "queryd/plan_private.h"

#include "proto/hour.h"

#include <errno.h>

static size_t kind_of_samples(void)
{
	return plan_kind_index(KIND_DISTRIBUTION);
}

/* The oldest hour that is looked at. */
static int64_t lowest(const struct plan *p)
{
	int64_t hours = p->settings.retention_hours < ROUTE_RANGE_HOURS ?
				p->settings.retention_hours :
				ROUTE_RANGE_HOURS;
	int64_t hour = hour_of_second(p->settings.now_second) - hours;

	return hour > 0 ? hour : 0;
}

/* Reads the hours before stop_hour. */
static int start_before(struct plan *p)
{
	int64_t from = p->stop_hour - PLAN_WINDOW_HOURS;

	p->from_hour = from > lowest(p) ? from : lowest(p);
	p->phase = p->from_hour < p->stop_hour ? PHASE_MAIN : PHASE_DONE;
	if (p->phase == PHASE_DONE)
		return 0;
	return plan_window_start(&p->main, p->from_hour, p->stop_hour,
				 1u << kind_of_samples() | 1u << plan_kind_index(KIND_WINDOW),
				 &p->round);
}

int plan_moving_start(struct plan *p)
{
	int64_t last = p->last_hours[kind_of_samples()];

	window_init(&p->last, p->last_count);
	p->moving.exact = true;
	p->stop_hour = last + 1 < p->to_hour ? last + 1 : p->to_hour;
	p->phase = PHASE_DONE;
	return p->known & 1u << kind_of_samples() ? start_before(p) : 0;
}

/* Whether the element before the first that is taken lies in the same second, or may: which of that
 * second's samples are the last is not known then. */
static bool splits_second(const struct window *w, uint32_t taken, bool more)
{
	uint32_t first = window_count(w) - taken;

	if (first == 0)
		return more;
	return window_second(window_at(w, first - 1).position) ==
	       window_second(window_at(w, first).position);
}

/* Adds the latest `count` elements of an hour to those of later hours. 0, -ENOMEM. */
static int take(struct plan *p, int64_t hour, const struct window *w, uint32_t count)
{
	const uint64_t begin = window_position(hour * HOUR_SECONDS, 0);
	struct window taken;
	uint32_t i;
	int status = 0;

	window_init(&taken, p->last_count);
	for (i = window_count(w) - count; i < window_count(w) && status == 0; i++)
		status = window_add(&taken, begin + window_at(w, i).position,
				    window_at(w, i).value);
	if (status == 0)
		status = window_merge(&p->last, &taken);
	window_release(&taken);
	return status;
}

/* An hour with samples. 1 when the hours before it are wanted too, 0 when that is all, -ENOMEM. */
static int take_hour(struct plan *p, const struct plan_hour *hour)
{
	const struct cell *samples = hour->cells[kind_of_samples()];
	const struct cell *kept = hour->cells[plan_kind_index(KIND_WINDOW)];
	const struct window *w = kept ? cell_window(kept) : NULL;
	struct plan_moving *m = &p->moving;
	uint32_t wanted = p->last_count - window_count(&p->last);
	uint32_t count;
	bool more;

	p->unkept = !kept || window_count(w) == 0;
	if (p->unkept)
		return 0;
	/* Relays keep one more than they were told to, which splits_second looks at. */
	if (m->window == 0 || window_capacity(w) - 1 < m->window)
		m->window = window_capacity(w) - 1;
	if (window_count(&p->last) == 0 && p->last_count > m->window)
		return 0;
	count = window_count(w) < wanted ? window_count(w) : wanted;
	more = cell_samples(kept) > window_count(w);
	m->sampled |= cell_sampled(kept);
	m->exact &= samples && cell_samples(samples) == cell_samples(kept) && !m->sampled &&
		    !splits_second(w, count, more);
	if (take(p, hour->hour, w, count) < 0)
		return -ENOMEM;
	return window_count(&p->last) < p->last_count && !more;
}

int plan_moving_next(struct plan *p)
{
	size_t i = p->main.count;
	int status = 1;

	while (i > 0 && status > 0) {
		const struct plan_hour *hour = &p->main.hours[--i];
		if (hour->cells[kind_of_samples()] || hour->cells[plan_kind_index(KIND_WINDOW)])
			status = take_hour(p, hour);
	}
	plan_window_release(&p->main);
	p->stop_hour = p->from_hour;
	if (status > 0)
		return start_before(p);
	p->phase = PHASE_DONE;
	return status;
}

void plan_moving_result(struct plan *p, struct plan_result *out)
{
	struct plan_moving *m = &p->moving;

	m->elements = window_count(&p->last);
	out->kind = KIND_DISTRIBUTION;
	out->moving = m;
	if (m->elements == 0) {
		out->outcome = m->window > 0 ? PLAN_SMALL_WINDOW : PLAN_NO_WINDOW;
		return;
	}
	m->value = window_average(&p->last, m->elements);
	m->first_second = window_second(window_at(&p->last, 0).position);
	m->last_second = window_second(window_at(&p->last, m->elements - 1).position);
}
