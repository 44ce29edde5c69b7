// SPDX-License-Identifier: Apache-2.0
/*
 * plan_result.c - what was found, or why nothing was.
 *
 * Of the kinds that were asked for the first with data is the answer. Without any, the names
 * decide between a key that nobody knows, one of another kind, and one that has nothing there:
 * an overview asked them first, all others at the end and only then.
 */
#include "queryd/plan_private.h"

#include "proto/hour.h"

#include <assert.h>

static const char *why_nothing(const struct plan *p)
{
	int64_t now_hour = hour_of_second(p->settings.now_second);

	if (!(p->known & p->asked))
		return "unknown_key";
	if (p->route == ROUTE_KEY)
		return "empty";
	if (p->from_hour > now_hour)
		return "future";
	if (p->to_hour <= now_hour - p->settings.retention_hours)
		return "expired";
	return "empty";
}

static enum kind first_kind(unsigned kinds)
{
	size_t i;

	for (i = 0; i < STAT_KINDS; i++) {
		if (kinds & 1u << i)
			return stat_kinds[i];
	}
	return 0;
}

/* Nothing was found. A range says so by an empty list. */
static void result_nothing(const struct plan *p, struct plan_result *out)
{
	if (p->known && !(p->known & p->asked) && !p->kind) {
		out->outcome = PLAN_WRONG_KIND;
		out->kind = first_kind(p->known);
	} else if (p->route != ROUTE_RANGE) {
		out->outcome = PLAN_NO_DATA;
		out->reason = why_nothing(p);
	} else {
		out->kind = first_kind(p->known & p->asked);
	}
}

static void result_overview(const struct plan *p, struct plan_result *out)
{
	bool any = false;
	size_t i;

	if (!p->known) {
		result_nothing(p, out);
		return;
	}
	out->known = p->known;
	for (i = 0; i < STAT_KINDS; i++) {
		if (!(p->known & 1u << i))
			continue;
		if (!any || p->first_hours[i] < out->first_hour)
			out->first_hour = p->first_hours[i];
		any = true;
		if (p->folds[i].any)
			out->last = &p->folds[i].subject;
	}
	out->last_hour = p->from_hour;
	/* Late data may be of an hour before the one in which the key was first seen. */
	if (out->first_hour > out->last_hour)
		out->first_hour = out->last_hour;
}

struct plan_result plan_result(struct plan *p)
{
	struct plan_result out = { .outcome = PLAN_VALUE };
	size_t kind = 0;

	assert(p->phase == PHASE_DONE && !p->error);
	if (p->route == ROUTE_KEY) {
		result_overview(p, &out);
		return out;
	}
	if (p->route == ROUTE_MOVING && (p->moving.window > 0 || p->unkept)) {
		plan_moving_result(p, &out);
		return out;
	}
	while (kind < STAT_KINDS && !p->folds[kind].any && p->points[kind].count == 0)
		kind++;
	if (kind == STAT_KINDS) {
		result_nothing(p, &out);
		return out;
	}
	out.kind = stat_kinds[kind];
	out.points = p->points[kind].list;
	out.point_count = p->points[kind].count;
	if (p->route == ROUTE_RANGE)
		return out;
	out.total = stat_eval(&p->stat, &p->folds[kind].subject);
	if (!out.total.has) {
		p->known |= 1u << kind;
		out.outcome = PLAN_NO_DATA;
		out.reason = "empty";
	}
	return out;
}
