/*
 * stat.h - the statistics a person can ask for, and what they come to.
 *
 *     distribution  average (avg, mean) min max median p<rank> count sum rate stddev
 *     counter       sum count (both the total) samples rate
 *     gauge         last min max average samples
 *     set           unique samples
 *
 * One table says which kind has which stat. A value never comes alone: stat_eval() also says
 * how many samples are behind it, whether it is what sorting every sample would give (never
 * when sampled), and what bound is promised when it is not. Pure; time is an argument.
 */
#ifndef QUERYD_STAT_H
#define QUERYD_STAT_H

#include "proto/cell.h"
#include "proto/json.h"
#include "proto/kind.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stat_id {
	STAT_AVERAGE,
	STAT_MIN,
	STAT_MAX,
	STAT_MEDIAN,
	STAT_RANK, /* p<rank> */
	STAT_COUNT,
	STAT_SUM,
	STAT_RATE,
	STAT_STDDEV,
	STAT_SAMPLES,
	STAT_LAST,
	STAT_UNIQUE,
};

#define STAT_NAME_SIZE (JSON_NUMBER_SIZE + 2)
#define STAT_KINDS     4

struct stat_asked {
	enum stat_id id;
	double q;                  /* STAT_RANK, STAT_MEDIAN: 0..1 */
	char name[STAT_NAME_SIZE]; /* as answers spell it: `average` for `avg` */
};

/* The kinds in the order in which a stat picks one. */
extern const enum kind stat_kinds[STAT_KINDS];

/* The place of a kind in that order. */
size_t stat_kind_index(enum kind kind);

/* Reads a kind's name. False for another text. */
bool stat_parse_kind(struct slice text, enum kind *out);

/* Reads a stat's name or alias. False for another text. */
bool stat_parse(struct slice text, struct stat_asked *out);

/* What the text was probably meant to be: `p99.9` for `p999`. Writes it and returns out, or
 * NULL when nothing is near. */
const char *stat_nearest(struct slice text, char out[STAT_NAME_SIZE]);

/* Whether a kind has the stat. */
bool stat_has(enum kind kind, enum stat_id id);

/* The first of some kinds (bits by stat_kind_index()) that has the stat, or 0. */
enum kind stat_first_kind(unsigned kinds, enum stat_id id);

/* The stats of a kind for people, `p<rank>` among them, one after the other; NULL at the end.
 * With kind 0: all there are. */
const char *stat_allowed(enum kind kind, size_t index);

/* The stats that an overview of a key shows; false at the end. */
bool stat_overview(enum kind kind, size_t index, struct stat_asked *out);

/* What is known of one series over some hours. A gauge's hours do not merge as cells do, so
 * its fold is handed in beside the samples; every other kind brings its cell. */
struct stat_subject {
	enum kind kind;
	struct cell *cell;       /* not of a gauge */
	struct cell_gauge gauge; /* of a gauge: last is resolved (gauge_trail.h) */
	uint64_t samples;        /* of a gauge */
	int64_t seconds;         /* of the span that have passed, at least 1: what `rate` is per */
};

struct stat_result {
	bool has; /* false: nothing is known that could be the value */
	double value;
	double count; /* of a distribution and a counter weighted; of the others samples */
	bool exact;
	double rank_error; /* 0 when exact; of a large set the relative standard error */
	bool sampled;
};

/* Works it out. The kind must have the stat. */
struct stat_result stat_eval(const struct stat_asked *stat, const struct stat_subject *subject);

/* The seconds of [from_hour, to_hour) that have passed at now, at least 1. */
int64_t stat_seconds_passed(int64_t from_hour, int64_t to_hour, int64_t now_second);

#endif
