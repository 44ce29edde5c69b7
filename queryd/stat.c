// SPDX-License-Identifier: Apache-2.0
/*
 * stat.c - one table of stats, and how each is read off a cell.
 *
 * Names, aliases, kinds and the order in which people see them are rows of the table; the
 * functions ask it. Near misses are first read as a rank with its point lost, `p999`, then
 * compared with all names by the letters that differ. What is exact follows from what is kept:
 * count, least and greatest stand beside a sketch and stay exact when it is not.
 */
#include "queryd/stat.h"

#include "proto/hour.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The standard error of 2^14 registers, 1.04 / sqrt(2^14) (proto/cell.h). */
#define UNIQUE_ERROR 0.0081

#define RANK_TEXT_MAX 20 /* `p` and digits as people type them */

enum {
	D = 1 << 0, /* the bits follow stat_kinds */
	C = 1 << 1,
	G = 1 << 2,
	S = 1 << 3,
};

struct stat_row {
	const char *name;
	enum stat_id id;
	unsigned kinds;
	bool alias;
};

/* In the order in which `allowed` lists them. */
static const struct stat_row rows[] = {
	{ "average", STAT_AVERAGE, D | G, false },
	{ "avg", STAT_AVERAGE, D | G, true },
	{ "mean", STAT_AVERAGE, D | G, true },
	{ "min", STAT_MIN, D | G, false },
	{ "max", STAT_MAX, D | G, false },
	{ "median", STAT_MEDIAN, D, false },
	{ "p<rank>", STAT_RANK, D, false },
	{ "last", STAT_LAST, G, false },
	{ "unique", STAT_UNIQUE, S, false },
	{ "count", STAT_COUNT, D | C, false },
	{ "sum", STAT_SUM, D | C, false },
	{ "samples", STAT_SAMPLES, C | G | S, false },
	{ "rate", STAT_RATE, D | C, false },
	{ "stddev", STAT_STDDEV, D, false },
};

#define ROW_COUNT (sizeof(rows) / sizeof(*rows))

const enum kind stat_kinds[STAT_KINDS] = {
	KIND_DISTRIBUTION,
	KIND_COUNTER,
	KIND_GAUGE,
	KIND_SET,
};

size_t stat_kind_index(enum kind kind)
{
	size_t i = 0;

	while (stat_kinds[i] != kind) {
		i++;
		assert(i < STAT_KINDS);
	}
	return i;
}

bool stat_parse_kind(struct slice text, enum kind *out)
{
	size_t i;

	for (i = 0; i < STAT_KINDS; i++) {
		if (slice_equal(text, slice_text(kind_name(stat_kinds[i])))) {
			*out = stat_kinds[i];
			return true;
		}
	}
	return false;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* Digits with at most one point between digits, 0..100. */
static bool parse_rank(struct slice text, double *out)
{
	char copy[RANK_TEXT_MAX + 1];
	size_t digits, more;

	if (text.size == 0 || text.size > RANK_TEXT_MAX)
		return false;
	memcpy(copy, text.ptr, text.size);
	copy[text.size] = '\0';
	digits = strspn(copy, "0123456789");
	if (digits == 0)
		return false;
	if (copy[digits] == '.') {
		more = strspn(copy + digits + 1, "0123456789");
		if (more == 0)
			return false;
		digits += 1 + more;
	}
	if (digits != text.size)
		return false;
	*out = strtod(copy, NULL); /* no daemon calls setlocale: the point is a point */
	return *out <= 100;
}

static void set_rank(struct stat_asked *out, double rank)
{
	char number[JSON_NUMBER_SIZE];
	char hundredths[JSON_NUMBER_SIZE + 4];

	(void)json_format_number(rank, number);
	/* 99.9 / 100 is not the double nearest to 0.999; reading `99.9e-2` gives that. */
	(void)snprintf(hundredths, sizeof(hundredths), "%se-2", number);
	out->id = STAT_RANK;
	out->q = strchr(number, 'e') ? rank / 100 : strtod(hundredths, NULL);
	(void)snprintf(out->name, sizeof(out->name), "p%s", number);
}

static void set_named(struct stat_asked *out, enum stat_id id)
{
	size_t i = 0;

	while (rows[i].id != id)
		i++;
	out->id = id;
	out->q = id == STAT_MEDIAN ? 0.5 : 0;
	(void)snprintf(out->name, sizeof(out->name), "%s", rows[i].name);
}

bool stat_parse(struct slice text, struct stat_asked *out)
{
	double rank;
	size_t i;

	if (text.size > 1 && text.ptr[0] == 'p' &&
	    parse_rank(slice_of(text.ptr + 1, text.size - 1), &rank)) {
		set_rank(out, rank);
		return true;
	}
	for (i = 0; i < ROW_COUNT; i++) {
		if (rows[i].id != STAT_RANK && slice_equal(text, slice_text(rows[i].name))) {
			set_named(out, rows[i].id);
			return true;
		}
	}
	return false;
}

/* `p999`, `p99_9`, `P99.9`, `99.9`, `p99,9`: the digits with the point put where it must have
 * been. */
static const char *nearest_rank(struct slice text, char out[STAT_NAME_SIZE])
{
	char digits[RANK_TEXT_MAX + 2];
	size_t size = 0, i = 0;
	struct stat_asked stat;
	bool point = false;
	double rank;

	if (text.size > 0 && (text.ptr[0] | 0x20) == 'p')
		i++;
	for (; i < text.size && size < RANK_TEXT_MAX; i++) {
		bool mark = text.ptr[i] == '.' || text.ptr[i] == '_' || text.ptr[i] == ',';
		if (!mark && (text.ptr[i] < '0' || text.ptr[i] > '9'))
			return NULL;
		if (mark && point)
			return NULL;
		point |= mark;
		digits[size++] = mark ? '.' : (char)text.ptr[i];
	}
	if (i < text.size || size == 0)
		return NULL;
	if (!point && size > 2) {
		memmove(digits + 3, digits + 2, size - 2);
		digits[2] = '.';
		size++;
	}
	if (!parse_rank(slice_of(digits, size), &rank))
		return NULL;
	set_rank(&stat, rank);
	memcpy(out, stat.name, STAT_NAME_SIZE);
	return out;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool same_letter(struct slice a, size_t i, struct slice b, size_t j)
{
	return (a.ptr[i] | 0x20) == (b.ptr[j] | 0x20);
}

/* How many letters must be inserted, removed, replaced or swapped with their neighbour (optimal
 * string alignment), without regard to case. Both are shorter than STAT_NAME_SIZE. */
static size_t distance(struct slice a, struct slice b)
{
	size_t rows_of[3][STAT_NAME_SIZE];
	size_t i, j;

	for (j = 0; j <= b.size; j++)
		rows_of[0][j] = j;
	for (i = 1; i <= a.size; i++) {
		const size_t *above = rows_of[(i - 1) % 3];
		size_t *row = rows_of[i % 3];
		row[0] = i;
		for (j = 1; j <= b.size; j++) {
			row[j] = least(above[j], row[j - 1]) + 1;
			row[j] = least(row[j], above[j - 1] + !same_letter(a, i - 1, b, j - 1));
			if (i > 1 && j > 1 && same_letter(a, i - 1, b, j - 2) &&
			    same_letter(a, i - 2, b, j - 1))
				row[j] = least(row[j], rows_of[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows_of[a.size % 3][b.size];
}

const char *stat_nearest(struct slice text, char out[STAT_NAME_SIZE])
{
	size_t best = 4, i;
	const char *name = NULL;

	if (text.size == 0 || text.size >= STAT_NAME_SIZE)
		return NULL;
	if (nearest_rank(text, out))
		return out;
	for (i = 0; i < ROW_COUNT; i++) {
		size_t far = distance(text, slice_text(rows[i].name));
		/* Three letters of three changed is another word. */
		if (rows[i].id != STAT_RANK && far < best && far * 2 <= strlen(rows[i].name)) {
			best = far;
			name = rows[i].name;
		}
	}
	if (!name)
		return NULL;
	(void)snprintf(out, STAT_NAME_SIZE, "%s", name);
	return out;
}

bool stat_has(enum kind kind, enum stat_id id)
{
	unsigned bit = 1u << stat_kind_index(kind);
	size_t i = 0;

	while (rows[i].id != id)
		i++;
	return (rows[i].kinds & bit) != 0;
}

enum kind stat_first_kind(unsigned kinds, enum stat_id id)
{
	size_t i;

	for (i = 0; i < STAT_KINDS; i++) {
		if (kinds & 1u << i && stat_has(stat_kinds[i], id))
			return stat_kinds[i];
	}
	return 0;
}

const char *stat_allowed(enum kind kind, size_t index)
{
	unsigned bits = kind ? 1u << stat_kind_index(kind) : D | C | G | S;
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		if (!rows[i].alias && (rows[i].kinds & bits) && index-- == 0)
			return rows[i].name;
	}
	return NULL;
}

bool stat_overview(enum kind kind, size_t index, struct stat_asked *out)
{
	static const double ranks[] = { 90, 95, 99, 99.9 };
	const size_t rank_count = sizeof(ranks) / sizeof(*ranks);
	unsigned bit = 1u << stat_kind_index(kind);
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		if (rows[i].alias || !(rows[i].kinds & bit))
			continue;
		if (rows[i].id == STAT_RANK && index < rank_count) {
			set_rank(out, ranks[index]);
			return true;
		}
		if (rows[i].id == STAT_RANK) {
			index -= rank_count;
		} else if (index-- == 0) {
			set_named(out, rows[i].id);
			return true;
		}
	}
	return false;
}

/* ---- values --------------------------------------------------------------------------------- */

static struct stat_result eval_distribution(const struct stat_asked *stat,
					    const struct stat_subject *subject)
{
	struct sketch *sketch = cell_sketch(subject->cell);
	double count = (double)sketch_count(sketch);
	struct stat_result r = {
		.has = count > 0,
		.count = count,
		.sampled = cell_sampled(subject->cell),
	};
	/* These are kept beside the sketch and stay exact whatever becomes of it. */
	bool kept = stat->id == STAT_MIN || stat->id == STAT_MAX || stat->id == STAT_COUNT ||
		    stat->id == STAT_RATE;

	switch (stat->id) {
	case STAT_AVERAGE:
		r.value = sketch_mean(sketch);
		break;
	case STAT_MIN:
		r.value = sketch_min(sketch);
		break;
	case STAT_MAX:
		r.value = sketch_max(sketch);
		break;
	case STAT_MEDIAN:
	case STAT_RANK:
		r.value = sketch_quantile(sketch, stat->q);
		break;
	case STAT_COUNT:
		r.value = count;
		break;
	case STAT_SUM:
		r.value = sketch_sum(sketch);
		break;
	case STAT_RATE:
		r.value = count / (double)subject->seconds;
		break;
	case STAT_STDDEV:
		r.value = sketch_stddev(sketch);
		break;
	default:
		assert(false); /* stat_has() was asked */
	}
	r.exact = !r.sampled && (kept || sketch_exact(sketch));
	r.rank_error = kept ? 0 : sketch_rank_error(sketch);
	return r;
}

static struct stat_result eval_counter(const struct stat_asked *stat,
				       const struct stat_subject *subject)
{
	double total = cell_counter_sum(subject->cell);
	double samples = (double)cell_samples(subject->cell);
	struct stat_result r = {
		.has = samples > 0,
		.value = total,
		.count = total,
		.sampled = cell_sampled(subject->cell),
	};

	if (stat->id == STAT_SAMPLES)
		r.value = samples;
	else if (stat->id == STAT_RATE)
		r.value = total / (double)subject->seconds;
	else
		assert(stat->id == STAT_SUM || stat->id == STAT_COUNT);
	r.exact = !r.sampled;
	return r;
}

static struct stat_result eval_gauge(const struct stat_asked *stat,
				     const struct stat_subject *subject)
{
	const struct cell_gauge *gauge = &subject->gauge;
	struct stat_result r = {
		.has = gauge->has_set,
		.count = (double)subject->samples,
		.exact = true,
	};

	switch (stat->id) {
	case STAT_LAST:
		r.has = true;
		r.value = gauge->last;
		break;
	case STAT_SAMPLES:
		r.has = true;
		r.value = r.count;
		break;
	case STAT_MIN:
		r.value = gauge->min;
		break;
	case STAT_MAX:
		r.value = gauge->max;
		break;
	case STAT_AVERAGE:
		r.value = gauge->sets ? gauge->sum / (double)gauge->sets : 0;
		break;
	default:
		assert(false); /* stat_has() was asked */
	}
	return r;
}

static struct stat_result eval_set(const struct stat_asked *stat,
				   const struct stat_subject *subject)
{
	struct stat_result r = {
		.count = (double)cell_samples(subject->cell),
		.exact = true,
	};

	r.has = r.count > 0;
	r.value = r.count;
	if (stat->id == STAT_UNIQUE) {
		r.value = cell_set_unique(subject->cell, &r.exact);
		r.rank_error = r.exact ? 0 : UNIQUE_ERROR;
	}
	return r;
}

struct stat_result stat_eval(const struct stat_asked *stat, const struct stat_subject *subject)
{
	assert(stat_has(subject->kind, stat->id) && subject->seconds > 0);
	switch (subject->kind) {
	case KIND_DISTRIBUTION:
		return eval_distribution(stat, subject);
	case KIND_COUNTER:
		return eval_counter(stat, subject);
	case KIND_GAUGE:
		return eval_gauge(stat, subject);
	case KIND_SET:
		return eval_set(stat, subject);
	case KIND_WINDOW: /* has no stats: moving.h reads it */
		break;
	}
	return (struct stat_result){ 0 };
}

int64_t stat_seconds_passed(int64_t from_hour, int64_t to_hour, int64_t now_second)
{
	int64_t end = to_hour * HOUR_SECONDS;
	int64_t passed = (now_second < end ? now_second : end) - from_hour * HOUR_SECONDS;

	return passed > 0 ? passed : 1;
}
