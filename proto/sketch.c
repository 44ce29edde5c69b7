// SPDX-License-Identifier: Apache-2.0
/*
 * The face of the two forms: which one a sketch is in, and when it leaves the first for the second
 * (sketch_impl.h has the layout of both, SKETCH.md the reasons).
 *
 * sketch_add has two short ways that need no call and no stack: a value that the index of the
 * exact form knows, and a place among the pending of a digest. All else (the first sample, a new
 * value, no room) goes the slow way, which makes room and, for a digest, comes back. Only what is
 * asked for puts a sketch in order: adding leaves cells as they came.
 */
#include "proto/sketch.h"

#include "proto/err.h"
#include "proto/sketch_impl.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* What SKETCH.md promises of any quantile of smooth data. */
#define SKETCH_RANK_ERROR 0.0015

struct sketch *sketch_new(void)
{
	struct sketch *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->min = INFINITY;
	s->max = -INFINITY;
	return s;
}

void sketch_free(struct sketch *s)
{
	if (s == NULL)
		return;
	free(s->cells);
	free(s->pending);
	free(s->index);
	free(s);
}

/* Adds to an exact sketch, whose limit the caller looks at. 0, -ENOMEM. */
static int sketch_put(struct sketch *s, double value, uint64_t weight)
{
	struct sketch_cell *cell = sketch_exact_find(s, value);

	if (cell != NULL) {
		cell->weight += weight;
		s->total += weight;
		return 0;
	}
	if (sketch_exact_reserve(s) != 0)
		return -ENOMEM;
	sketch_exact_append(s, value, weight);
	return 0;
}

/* What sketch_add does when the short ways in it are closed. Kept apart so that those need
 * no stack. */
static __attribute__((noinline)) int sketch_add_slowly(struct sketch *s, double value,
							uint64_t weight)
{
	assert(weight > 0);
	if (weight >= SKETCH_TOTAL_LIMIT - s->total)
		return ERR_OUT_OF_RANGE;
	if (s->digest) {
		if (sketch_digest_reserve(s) != 0)
			return -ENOMEM;
		return sketch_add(s, value, weight);
	}
	if (sketch_put(s, value, weight) != 0)
		return -ENOMEM;
	if (s->count > sketch_exact_limit(s->grid))
		sketch_digest_begin(s);
	return 0;
}

int sketch_add(struct sketch *s, double value, uint64_t weight)
{
	double zero = value - value; /* NaN for what is not finite */

	if (isnan(zero))
		return ERR_BAD_VALUE;
	value += zero; /* -0 becomes +0 */
	/* Also false for a weight of 0, which wraps: one comparison less. */
	if (weight - 1 >= SKETCH_TOTAL_LIMIT - 1 - s->total)
		return sketch_add_slowly(s, value, weight);
	if (s->indexed) {
		size_t place = sketch_exact_look_up(s, value);

		if (place == 0)
			return sketch_add_slowly(s, value, weight);
		s->cells[place - 1].weight += weight;
		s->total += weight;
		return 0;
	}
	if (s->pending_count == s->pending_capacity)
		return sketch_add_slowly(s, value, weight);
	s->pending[s->pending_count++] = (struct sketch_cell){ value, weight };
	s->total += weight;
	return 0;
}

void sketch_settle(struct sketch *s)
{
	if (s->digest)
		sketch_digest_flush(s);
	else
		sketch_exact_sort(s);
}

/* Makes the empty dst what src is, to the byte. */
static int sketch_copy(struct sketch *dst, struct sketch *src)
{
	struct sketch_cell *cells;

	sketch_settle(src);
	cells = malloc(src->count * sizeof(*cells));
	if (cells == NULL)
		return -ENOMEM;
	memcpy(cells, src->cells, src->count * sizeof(*cells));
	free(dst->cells);
	free(dst->index);
	*dst = *src;
	dst->cells = cells;
	dst->capacity = src->count;
	dst->index = NULL;
	dst->index_size = 0;
	dst->indexed = false;
	dst->pending = NULL;
	dst->pending_capacity = 0;
	return 0;
}

/* Both exact. The limit is looked at when all is in, so that the digest that may come of
 * it is made of the whole union, whichever side it came from. */
static int sketch_merge_exact(struct sketch *dst, const struct sketch *src)
{
	for (const struct sketch_cell *c = src->cells; c < src->cells + src->count; c++) {
		size_t place = dst->indexed ? sketch_exact_look_up(dst, c->value) : 0;

		if (place != 0) {
			dst->cells[place - 1].weight += c->weight;
			dst->total += c->weight;
		} else if (sketch_put(dst, c->value, c->weight) != 0) {
			return -ENOMEM;
		}
	}
	if (dst->count > sketch_exact_limit(dst->grid))
		sketch_digest_begin(dst);
	return 0;
}

/* A few values into a digest: they wait with others for its next pass, of which each would
 * otherwise cost one. */
static int sketch_merge_few(struct sketch *dst, const struct sketch *src)
{
	int status = 0;

	for (size_t i = 0; i < src->count && status == 0; i++)
		status = sketch_add(dst, src->cells[i].value, src->cells[i].weight);
	return status;
}

int sketch_merge(struct sketch *dst, struct sketch *src)
{
	assert(dst != src);
	if (src->total >= SKETCH_TOTAL_LIMIT - dst->total)
		return ERR_OUT_OF_RANGE;
	if (src->total == 0)
		return 0;
	if (dst->total == 0)
		return sketch_copy(dst, src);
	if (dst->digest && !src->digest && src->count < SKETCH_MERGE_PASS)
		return sketch_merge_few(dst, src);
	if (dst->digest || src->digest)
		return sketch_digest_merge(dst, src);
	return sketch_merge_exact(dst, src);
}

uint64_t sketch_count(const struct sketch *s)
{
	return s->total;
}

double sketch_min(const struct sketch *s)
{
	double min = s->total ? s->min : 0;

	for (size_t i = 0; i < s->pending_count; i++)
		min = s->pending[i].value < min ? s->pending[i].value : min;
	return min;
}

double sketch_max(const struct sketch *s)
{
	double max = s->total ? s->max : 0;

	for (size_t i = 0; i < s->pending_count; i++)
		max = s->pending[i].value > max ? s->pending[i].value : max;
	return max;
}

struct sketch_moments sketch_moments_all(struct sketch *s)
{
	sketch_settle(s);
	if (s->digest)
		return s->moments;
	return sketch_moments_of(s->cells, s->count, s->total, sketch_moments_unit(s->min, s->max));
}

double sketch_sum(struct sketch *s)
{
	struct sketch_moments m = sketch_moments_all(s);

	return (m.sum + m.lost) / m.unit;
}

double sketch_mean(struct sketch *s)
{
	struct sketch_moments m;
	double mean;

	if (s->total == 0)
		return 0;
	m = sketch_moments_all(s);
	mean = (m.sum + m.lost) / (double)m.weight / m.unit;
	/* Rounding may have carried it past the samples. */
	mean = mean > s->min ? mean : s->min;
	return mean < s->max ? mean : s->max;
}

double sketch_stddev(struct sketch *s)
{
	struct sketch_moments m;

	if (s->total == 0 || s->min == s->max)
		return 0;
	m = sketch_moments_all(s);
	return sqrt(m.second / (double)m.weight) / m.unit;
}

bool sketch_exact(struct sketch *s)
{
	return !s->digest;
}

size_t sketch_memory(const struct sketch *s)
{
	return sizeof(*s) + (s->capacity + s->pending_capacity) * sizeof(struct sketch_cell) +
	       s->index_size * sizeof(*s->index);
}

double sketch_rank_error(struct sketch *s)
{
	return s->digest ? SKETCH_RANK_ERROR : 0;
}
