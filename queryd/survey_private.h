/*
 * survey_private.h - what a survey holds: for survey.c and survey_fold.c.
 *
 * Members (keys) are sorted so that the keys of a partition stand together, those of gauges
 * whose last value is wanted first of all: the hours before the range are read for these alone.
 */
#ifndef QUERYD_SURVEY_PRIVATE_H
#define QUERYD_SURVEY_PRIVATE_H

#include "proto/cell.h"
#include "queryd/gauge_trail.h"
#include "queryd/grow.h"
#include "queryd/partials.h"
#include "queryd/plan_fold.h"
#include "queryd/survey.h"

struct survey_member {
	uint8_t *field; /* kind byte + series */
	size_t size;
	uint32_t group;
	uint32_t partition;
	struct gauge_trail *trail; /* of a gauge whose last value is wanted; else NULL */
};

struct survey_output {
	struct stat_asked stat;
	size_t group;
	struct plan_point *points;
	size_t count, capacity;
};

struct survey_group {
	enum kind kind;
	size_t first_stat, stats;
	bool trailed;        /* last is among the stats of a gauge */
	struct plan_fold span;
	struct plan_fold total;
	int64_t last_hour;   /* of a gauge: the hour merged last */
};

/* Keys of one partition in one hour, read between two manifests. */
struct survey_part {
	int64_t hour;
	size_t first, count; /* members */
	struct partials listed, again;
	struct cell **cells; /* of count members */
	bool settled;
	unsigned tries;
};

struct survey {
	struct survey_settings settings;
	struct survey_group *groups;
	struct survey_output *outputs;
	struct survey_member *members;
	size_t group_count, output_count, member_count;
	size_t group_capacity, output_capacity, member_capacity;
	size_t trailed; /* members with a trail, which come first */

	int64_t next_hour; /* of the first part of the next round */
	size_t next_member;
	struct survey_part *parts;
	struct cell **cells; /* those of all parts */
	size_t part_count, cell_count;
	struct survey_command *commands;
	size_t command_count, command_capacity;
	bool reading; /* the round under way reads cells */
	struct plan_costs costs;
	int error;
};

/* Takes the parts of the next round. 1, 0 when there are no more, -ENOMEM. */
int survey_next_parts(struct survey *s);

/* Merges a settled round's cells into their groups; frees them. 0, -ENOMEM, and what cell_merge
 * says. */
int survey_fold(struct survey *s);

/* All hours are through: the spans that are open become points. 0, -ENOMEM. */
int survey_fold_end(struct survey *s);

#endif
