// SPDX-License-Identifier: Apache-2.0
/*
 * plan_day.c - days where they may stand for their hours.
 *
 * A range goes in stretches: days as far as they may be used, hours as far as they may not. A
 * window of days is folded up to the first that is not rolled up; that one and those like it
 * behind it are read by hours, and the fold goes on where it stopped (day_at), so everything is
 * folded in rising order.
 */
#include "queryd/plan_day.h"

#include "proto/hour.h"
#include "queryd/plan_private.h"

/* Hours are kept so much longer than they can be written: KEYS.md. */
#define HOURS_KEPT DAY_HOURS

bool plan_day_serves(const struct plan_day_terms *terms, int64_t hour)
{
	int64_t end = hour + DAY_HOURS, now = hour_of_second(terms->now_second);

	if (hour % DAY_HOURS != 0 || end > terms->to_hour || end > now)
		return false;
	return !terms->last || end + terms->retention_hours + HOURS_KEPT <= now;
}

static bool may_use(const struct plan *p, int64_t hour)
{
	const struct plan_day_terms terms = {
		.to_hour = p->to_hour,
		.now_second = p->settings.now_second,
		.retention_hours = p->settings.retention_hours,
		.last = p->stat.id == STAT_LAST,
	};

	return p->route == ROUTE_RANGE && p->step != ROUTE_STEP_HOUR &&
	       plan_day_serves(&terms, hour);
}

static int start_days(struct plan *p, int64_t from, int64_t to)
{
	p->phase = PHASE_DAYS;
	p->day_at = 0;
	p->next_hour = to;
	return plan_window_start_days(&p->days, from, to, p->kinds, &p->round);
}

int plan_start_next(struct plan *p)
{
	int64_t from = p->next_hour, to = from;

	while (may_use(p, to) && to < from + plan_window_reach(&p->days) * DAY_HOURS)
		to += DAY_HOURS;
	if (to > from)
		return start_days(p, from, to);
	while (to < p->to_hour && !may_use(p, to))
		to++;
	/* Of hours that have gone one is looked for, so that there is a round at all. */
	if (p->route == ROUTE_RANGE && p->next_hour < p->settings.kept_from)
		p->next_hour = p->settings.kept_from < to ? p->settings.kept_from : to - 1;
	p->stop_hour = to;
	return plan_start_hours(p);
}

/* Folds the days that are rolled up until one is not: the hours of that one, and of those like it
 * behind it, are started. As plan_day_next. */
static int fold_days(struct plan *p)
{
	struct plan_window *days = &p->days;
	int status = 0;

	for (; p->day_at < days->count && status == 0; p->day_at++) {
		struct plan_hour *day = &days->hours[p->day_at];
		if (day->listed.count > 0)
			status = plan_fold_cells(p, day, true);
		else if (!p->days_last && day->hour >= p->settings.kept_from)
			break;
	}
	if (p->day_at >= days->count || status < 0)
		return status;
	p->next_hour = p->stop_hour = days->hours[p->day_at].hour;
	while (p->day_at < days->count && days->hours[p->day_at].listed.count == 0) {
		p->stop_hour += DAY_HOURS;
		p->day_at++;
	}
	status = plan_start_hours(p);
	return status < 0 ? status : 1;
}

int plan_day_next(struct plan *p)
{
	int status = fold_days(p);

	if (status != 0)
		return status;
	if (p->days.count > 0) {
		p->next_hour = p->days.hours[p->days.count - 1].hour + DAY_HOURS;
		p->digest = plan_window_digest(&p->days, p->digest);
		plan_window_release(&p->days);
	}
	if (p->next_hour < p->to_hour) {
		status = plan_start_next(p);
		return status < 0 ? status : 1;
	}
	if (p->route != ROUTE_DAY || p->days_last || plan_found_any(p) ||
	    p->to_hour > hour_of_second(p->settings.now_second))
		return 0;
	/* Its hours have gone, or never were. */
	p->days_last = true;
	status = start_days(p, p->from_hour, p->to_hour);
	return status < 0 ? status : 1;
}
