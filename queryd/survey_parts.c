// SPDX-License-Identifier: Apache-2.0
/*
 * survey_parts.c - which keys of which hours are read together.
 *
 * A strand walks hours, and within an hour its members, cutting where the partition changes,
 * after SURVEY_CHUNK, and at the end; a batch takes parts until it has SURVEY_ROUND_KEYS cells,
 * so what a survey holds does not depend on what it was asked. Cells, places and kept bytes of
 * all parts of a batch are one array each: three allocations, and one release.
 */
#include "queryd/survey_private.h"

#include "proto/hour.h"
#include "queryd/plan_day.h"

#include <errno.h>
#include <stdlib.h>

/* ---- batches -------------------------------------------------------------------------------- */

void survey_batch_release(struct survey_batch *batch)
{
	size_t i;

	for (i = 0; i < batch->part_count; i++) {
		partials_release(&batch->parts[i].listed);
		partials_release(&batch->parts[i].again);
	}
	for (i = 0; i < batch->cell_count; i++)
		cell_free(batch->cells[i]);
	for (i = 0; batch->kept && i < batch->cell_count; i++)
		buf_release(&batch->kept[i]);
	free(batch->parts);
	free(batch->cells);
	free(batch->kept);
	free(batch->places);
	*batch = (struct survey_batch){ 0 };
}

/* Adds a part to a batch that is being filled; false when there is room for no more behind it. */
static bool add_part(struct survey_batch *batch, const struct survey_part *part)
{
	batch->parts[batch->part_count++] = *part;
	batch->cell_count += part->count;
	return batch->cell_count < SURVEY_ROUND_KEYS;
}

/* A batch is filled: gives the parts room for their cells. 1, -ENOMEM. */
static int give_cells(const struct survey *s, struct survey_batch *batch)
{
	size_t cells = 0, i;

	batch->cells = calloc(batch->cell_count, sizeof(*batch->cells));
	batch->places = malloc(batch->cell_count);
	if (!batch->cells || !batch->places) {
		batch->cell_count = 0;
		return -ENOMEM;
	}
	/* Short of memory it goes without. */
	if (s->share_left > 0)
		batch->kept = calloc(batch->cell_count, sizeof(*batch->kept));
	for (i = 0; batch->kept && i < batch->cell_count; i++)
		buf_init(&batch->kept[i], s->share_left);
	for (i = 0; i < batch->part_count; i++) {
		struct survey_part *part = &batch->parts[i];
		part->cells = batch->cells + cells;
		part->places = batch->places + cells;
		part->kept = batch->kept ? batch->kept + cells : NULL;
		cells += part->count;
	}
	return 1;
}

/* Room for parts: each has a key at least. */
static int start_batch(struct survey_batch *batch)
{
	batch->parts = calloc(SURVEY_ROUND_KEYS, sizeof(*batch->parts));
	return batch->parts ? 0 : -ENOMEM;
}

/* ---- hours and days ------------------------------------------------------------------------- */

/* Whether the day that begins with the strand's next hour is asked for rolled up. */
static bool takes_day(const struct survey *s, const struct survey_strand *strand)
{
	const struct plan_day_terms terms = {
		.to_hour = s->settings.to_hour,
		.now_second = s->settings.now_second,
		.retention_hours = s->retention_hours,
		.last = strand->trailed,
	};

	return s->settings.step_hours % DAY_HOURS == 0 &&
	       strand->next_hour >= s->settings.from_hour &&
	       plan_day_serves(&terms, strand->next_hour);
}

/* Goes over hours that have gone, up to the next day that may be read rolled up. */
static void skip_gone(const struct survey *s, struct survey_strand *strand)
{
	while (strand->next_hour < s->settings.kept_from &&
	       strand->next_hour < s->settings.to_hour && !takes_day(s, strand))
		strand->next_hour++;
}

void survey_strands_init(struct survey *s)
{
	int64_t from = s->settings.from_hour, before = from - GAUGE_TRAIL_HOURS;

	s->strands[0] = (struct survey_strand){
		.end = s->trailed,
		.trailed = true,
		.next_hour = before > 0 ? before : 0,
	};
	s->strands[1] = (struct survey_strand){
		.first = s->trailed,
		.end = s->member_count,
		.next_hour = from,
		.next_member = s->trailed,
	};
	skip_gone(s, &s->strands[0]);
	skip_gone(s, &s->strands[1]);
}

/* The strand that is not through; NULL when both are. */
static struct survey_strand *open_strand(struct survey *s)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		struct survey_strand *strand = &s->strands[i];
		if (strand->first < strand->end && strand->next_hour < s->settings.to_hour)
			return strand;
	}
	return NULL;
}

/* How many members from first on make one part: of one partition, before end. */
static size_t part_size(const struct survey *s, size_t first, size_t end)
{
	size_t at = first + 1;

	while (at < end && at - first < SURVEY_CHUNK &&
	       s->members[at].partition == s->members[first].partition)
		at++;
	return at - first;
}

static struct survey_part take_part(struct survey *s, struct survey_strand *strand)
{
	struct survey_part part = {
		.hour = strand->next_hour,
		.day = takes_day(s, strand),
		.first = strand->next_member,
	};

	part.count = part_size(s, part.first, strand->end);
	strand->next_member += part.count;
	if (strand->next_member == strand->end) {
		strand->next_member = strand->first;
		strand->next_hour += part.day ? DAY_HOURS : 1;
		skip_gone(s, strand);
	}
	return part;
}

int survey_next_parts(struct survey *s)
{
	struct survey_strand *strand = open_strand(s);
	bool room = true;

	s->next_part = 0;
	if (!strand)
		return 0;
	if (start_batch(&s->main) < 0)
		return -ENOMEM;
	for (; room && strand; strand = open_strand(s)) {
		struct survey_part part = take_part(s, strand);
		room = add_part(&s->main, &part);
	}
	return give_cells(s, &s->main);
}

/* The first part of main, from next_part on, that is a day not rolled up; NULL when none is. */
static struct survey_part *open_day(struct survey *s)
{
	for (; s->next_part < s->main.part_count; s->next_part++) {
		struct survey_part *part = &s->main.parts[s->next_part];
		if (part->day && part->listed.count == 0 && part->hour >= s->settings.kept_from)
			return part;
	}
	return NULL;
}

int survey_next_hours(struct survey *s)
{
	struct survey_part *day = open_day(s);
	bool room = true;

	if (!day)
		return 0;
	if (start_batch(&s->hours) < 0)
		return -ENOMEM;
	for (; room && day; day = open_day(s)) {
		struct survey_part part = {
			.hour = day->hour + s->next_offset,
			.whole = day,
			.first = day->first,
			.count = day->count,
		};
		room = add_part(&s->hours, &part);
		s->next_offset = (s->next_offset + 1) % DAY_HOURS;
		if (s->next_offset == 0)
			s->next_part++;
	}
	return give_cells(s, &s->hours);
}
