/*
 * survey_private.h - what a survey holds: for survey.c and its survey_*.c.
 *
 * Members (keys) are sorted so that the keys of a partition stand together, those of gauges
 * whose last value is wanted first of all: these are a strand of their own, which begins some hours
 * before the range and takes fewer days. A group's keys are all of one strand, so that each strand goes
 * through the range for itself, one after the other.
 */
#ifndef QUERYD_SURVEY_PRIVATE_H
#define QUERYD_SURVEY_PRIVATE_H

#include "proto/buf.h"
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

/* Members that go through the hours together. */
struct survey_strand {
	size_t first, end;
	bool trailed;      /* their last value is wanted */
	int64_t next_hour; /* of the next part */
	size_t next_member;
};

/* Keys of one partition in one hour or day, read between two manifests. */
struct survey_part {
	int64_t hour;        /* of a day the first */
	bool day;            /* rolled up; when there is no such day, its hours are read */
	struct survey_part *whole; /* of such an hour: the day it is added to; else NULL */
	size_t first, count; /* members */
	struct partials listed, again;
	struct cell **cells; /* of count members */
	struct buf *kept;    /* of the same, with a cache: their cells as they came; or NULL */
	uint8_t *places;     /* of those that are asked for, counted from first */
	size_t asked;
	bool settled;
	unsigned tries;
};

/* What is read together. */
struct survey_batch {
	struct survey_part *parts;
	struct cell **cells; /* those of all parts */
	struct buf *kept;    /* the same, and places */
	uint8_t *places;
	size_t part_count, cell_count;
	bool reading; /* the round under way reads cells, not the first manifests */
};

struct survey {
	struct survey_settings settings;
	int64_t retention_hours;
	struct survey_group *groups;
	struct survey_output *outputs;
	struct survey_member *members;
	size_t group_count, output_count, member_count;
	size_t group_capacity, output_capacity, member_capacity;
	struct cache *cache;  /* or NULL */
	size_t share_left;    /* of it, in bytes */
	size_t trailed; /* members with a trail, which come first */

	struct survey_strand strands[2];
	struct survey_batch main;  /* hours and days, in rising order within a strand */
	struct survey_batch hours; /* some hours of those days of main that are not rolled up */
	struct survey_batch *batch; /* the one under way */
	size_t next_part;          /* of main, to be read by hours */
	int64_t next_offset;       /* and the hour of it */
	struct survey_command *commands;
	size_t command_count, command_capacity;
	struct plan_costs costs;
	int error;
};

/* Sets the strands up, once the members are sorted. */
void survey_strands_init(struct survey *s);

/* Takes the next parts into main. 1, 0 when there are no more, -ENOMEM. */
int survey_next_parts(struct survey *s);

/* Takes the next hours of days in main that are settled and not rolled up into hours. As above. */
int survey_next_hours(struct survey *s);

/* Frees a batch's parts and cells. */
void survey_batch_release(struct survey_batch *batch);

/* ---- survey_recall.c -------------------------------------------------------------------------- */

/* Takes the cells of a part whose manifest says `listed` from the cache, and notes which members are
 * still to be asked for. 0, and what plan_fold_blob says. */
int survey_recall(struct survey *s, struct survey_part *part);

/* Notes a cell of a member for the cache. */
void survey_recall_note(struct survey *s, struct survey_part *part, size_t member, struct slice blob);

/* All cells of a part are there, and settled: keeps them. */
void survey_recall_keep(struct survey *s, struct survey_part *part);

/* Forgets what was noted. */
void survey_recall_forget(struct survey_part *part);

/* ---- survey_fold.c ---------------------------------------------------------------------------- */

/* Adds the settled cells of hours to those of their days; frees them. 0, and what cell_follow says. */
int survey_join_hours(struct survey *s);

/* Merges the settled cells of main into their groups; frees them. 0, -ENOMEM, and what cell_merge
 * says. */
int survey_fold(struct survey *s);

/* All hours are through: the spans that are open become points. 0, -ENOMEM. */
int survey_fold_end(struct survey *s);

#endif
