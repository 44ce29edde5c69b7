// SPDX-License-Identifier: Apache-2.0
/*
 * survey_fold.c - cells into spans, spans into points and totals.
 *
 * Hours come in rising order, so each group has one open span: a cell that lies behind its end
 * closes it. A total is made of spans, so that no cell is merged twice. Last values do not
 * merge: of several gauges that were set in an hour the one that was set last speaks, and one
 * that only changed builds on its own trail.
 */
#include "queryd/survey_private.h"

#include "proto/hour.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int push_point(const struct plan_fold *fold, struct survey_output *out)
{
	struct plan_point point = { .from_hour = fold->from_hour, .to_hour = fold->to_hour };
	struct plan_point *points;

	point.result = stat_eval(&out->stat, &fold->subject);
	if (!point.result.has)
		return 0;
	points = grow(out->points, out->count, &out->capacity, sizeof(*points));
	if (!points)
		return -ENOMEM;
	out->points = points;
	points[out->count++] = point;
	return 0;
}

/* Hours come in rising order, so each follows what its day has. */
static int join_hour(struct survey_part *hour)
{
	size_t i;
	int status = 0;

	for (i = 0; i < hour->count && status == 0; i++) {
		struct cell **day = &hour->whole->cells[i], *cell = hour->cells[i];
		if (!cell)
			continue;
		hour->cells[i] = NULL;
		if (!*day) {
			*day = cell;
			continue;
		}
		status = cell_follow(*day, cell);
		cell_free(cell);
	}
	return status;
}

int survey_join_hours(struct survey *s)
{
	size_t i;
	int status = 0;

	for (i = 0; i < s->hours.part_count && status == 0; i++)
		status = join_hour(&s->hours.parts[i]);
	survey_batch_release(&s->hours);
	return status;
}

/* A group's span is over: a point for each stat, and its share of the total. */
static int close_span(struct survey *s, struct survey_group *group)
{
	size_t i;
	int status = 0;

	if (!group->span.any)
		return 0;
	for (i = 0; i < group->stats && status == 0; i++)
		status = push_point(&group->span, &s->outputs[group->first_stat + i]);
	if (status == 0 && s->settings.totals)
		status = plan_fold_join(&group->total, &group->span);
	plan_fold_release(&group->span);
	group->span.any = false;
	return status;
}

static void open_span(const struct survey *s, struct survey_group *group, int64_t hour)
{
	const struct survey_settings *settings = &s->settings;
	int64_t from = settings->from_hour, to = settings->to_hour, start;

	if (settings->step_hours > 0) {
		start = hour - hour % settings->step_hours;
		from = start > from ? start : from;
		to = start + settings->step_hours < to ? start + settings->step_hours : to;
	}
	plan_fold_start(&group->span, group->kind, from, to, settings->now_second);
	group->last_hour = -1;
}

static bool set_later(const struct cell_gauge *a, const struct cell_gauge *b)
{
	if (a->has_last != b->has_last)
		return a->has_last;
	if (a->last_second != b->last_second)
		return a->last_second > b->last_second;
	return a->last > b->last;
}

/* Of several gauges that were set in one hour the one that was set last speaks for all. */
static void keep_latest(struct survey_group *group, int64_t hour, struct cell_gauge *gauge)
{
	const struct cell_gauge *have = &group->span.subject.gauge;

	if (group->last_hour > hour || (group->last_hour == hour && set_later(have, gauge))) {
		gauge->has_last = have->has_last;
		gauge->last = have->last;
		gauge->last_second = have->last_second;
		return;
	}
	group->last_hour = hour;
}

static int fold_cell(struct survey *s, const struct survey_part *part, size_t place)
{
	const struct survey_member *member = &s->members[part->first + place];
	int64_t hour = part->hour, last = part->day ? hour + DAY_HOURS - 1 : hour;
	struct cell **cell = &part->cells[place];
	struct survey_group *group = &s->groups[member->group];
	bool is_gauge = group->kind == KIND_GAUGE;
	struct cell_gauge gauge;
	int status = 0;

	if (is_gauge)
		cell_gauge(*cell, &gauge);
	if (is_gauge && member->trail) {
		gauge_trail_put(member->trail, last, &gauge);
		gauge.last = gauge_trail_last(member->trail, last, &gauge.has_last);
	}
	if (hour < s->settings.from_hour)
		return 0;
	if (group->span.any && group->span.to_hour <= hour)
		status = close_span(s, group);
	if (!group->span.any)
		open_span(s, group, hour);
	if (is_gauge)
		keep_latest(group, last, &gauge);
	return status ? status : plan_fold_add(&group->span, cell, is_gauge ? &gauge : NULL);
}

int survey_fold(struct survey *s)
{
	size_t i, j;
	int status = 0;

	for (i = 0; i < s->main.part_count; i++) {
		const struct survey_part *part = &s->main.parts[i];
		for (j = 0; j < part->count && status == 0; j++) {
			if (part->cells[j])
				status = fold_cell(s, part, j);
		}
	}
	survey_batch_release(&s->main);
	return status;
}

int survey_fold_end(struct survey *s)
{
	size_t i;
	int status = 0;

	for (i = 0; i < s->group_count && status == 0; i++)
		status = close_span(s, &s->groups[i]);
	return status;
}
