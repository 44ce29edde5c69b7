// SPDX-License-Identifier: Apache-2.0
#include "queryd/survey_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts ---------------------------------------------------------------------------------- */

/* How many members from `first` on make one part: of one partition, within limit. */
static size_t part_size(const struct survey *s, size_t first, size_t limit)
{
	size_t end = first + 1;

	while (end < limit && end - first < SURVEY_CHUNK &&
	       s->members[end].partition == s->members[first].partition)
		end++;
	return end - first;
}

/* Before the range only gauges are followed. */
static size_t members_of_hour(const struct survey *s, int64_t hour)
{
	return hour < s->settings.from_hour ? s->trailed : s->member_count;
}

int survey_next_parts(struct survey *s)
{
	size_t cells = 0, i;

	if (s->member_count == 0 || s->next_hour >= s->settings.to_hour)
		return 0;
	s->parts = calloc(SURVEY_ROUND_PARTS, sizeof(*s->parts));
	if (!s->parts)
		return -ENOMEM;
	while (s->part_count < SURVEY_ROUND_PARTS && cells < SURVEY_ROUND_KEYS &&
	       s->next_hour < s->settings.to_hour) {
		struct survey_part *part = &s->parts[s->part_count++];
		size_t limit = members_of_hour(s, s->next_hour);
		part->hour = s->next_hour;
		part->first = s->next_member;
		part->count = part_size(s, part->first, limit);
		cells += part->count;
		s->next_member += part->count;
		if (s->next_member == limit) {
			s->next_member = 0;
			s->next_hour++;
		}
	}
	s->cells = calloc(cells, sizeof(*s->cells));
	if (!s->cells)
		return -ENOMEM;
	s->cell_count = cells;
	for (cells = 0, i = 0; i < s->part_count; i++) {
		s->parts[i].cells = s->cells + cells;
		cells += s->parts[i].count;
	}
	return 1;
}

/* ---- folding -------------------------------------------------------------------------------- */

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

	if (group->last_hour == hour && set_later(have, gauge)) {
		gauge->has_last = have->has_last;
		gauge->last = have->last;
		gauge->last_second = have->last_second;
	}
	group->last_hour = hour;
}

static int fold_cell(struct survey *s, const struct survey_member *member, int64_t hour,
		     struct cell **cell)
{
	struct survey_group *group = &s->groups[member->group];
	bool is_gauge = group->kind == KIND_GAUGE;
	struct cell_gauge gauge;
	int status = 0;

	if (is_gauge)
		cell_gauge(*cell, &gauge);
	if (is_gauge && member->trail) {
		gauge_trail_put(member->trail, hour, &gauge);
		gauge.last = gauge_trail_last(member->trail, hour, &gauge.has_last);
	}
	if (hour < s->settings.from_hour)
		return 0;
	if (group->span.any && group->span.to_hour <= hour)
		status = close_span(s, group);
	if (!group->span.any)
		open_span(s, group, hour);
	if (is_gauge)
		keep_latest(group, hour, &gauge);
	return status ? status : plan_fold_add(&group->span, cell, is_gauge ? &gauge : NULL);
}

int survey_fold(struct survey *s)
{
	size_t i, j;
	int status = 0;

	for (i = 0; i < s->part_count; i++) {
		const struct survey_part *part = &s->parts[i];
		for (j = 0; j < part->count && status == 0; j++) {
			if (part->cells[j])
				status = fold_cell(s, &s->members[part->first + j], part->hour,
						   &part->cells[j]);
		}
	}
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
