// SPDX-License-Identifier: Apache-2.0
/*
 * Dunning & Ertl's t-digest with two differences. The limit of a cell is the k2 scale's
 * in the tails but capped in the middle, where k2 alone would leave cells of several
 * percent of all samples. And cells know whether they are a point mass (pure): equal
 * values stay together however many they are, so an atom keeps its edges.
 *
 * A pass is greedy: it takes as many neighbours into a cell as the limit at the cell's
 * middle allows. Which end it starts from follows a hash of the total weight: it
 * alternates well, and does not depend on which side of a merge a cell came from.
 */
#include "proto/sketch_impl.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* A run is averaged on the scale of bit patterns (about the logarithm) when its ends differ
 * by more than this factor: the mean would lie at the very top of the run. */
#define DIGEST_WIDE 1024
#define DIGEST_STEEP 8
#define DIGEST_GAP 16

/* A cell at rank q may have n / (1/c_mid + 1/(c_tail p)) samples, p = q (1 - q), with
 * c_mid = 1/(0.4 M) and c_tail = 2 ln n / (0.6 M): n p / (a p + b). */
struct digest_shape {
	double a, b;
	double total;
};

static struct digest_shape digest_shape_of(uint64_t total, double scale)
{
	double n = (double)total;

	return (struct digest_shape){
		.a = 0.4 * scale,
		.b = 0.6 * scale / (2 * log(n)),
		.total = n,
	};
}

static double digest_limit_at(const struct digest_shape *shape, double q)
{
	double p = q * (1 - q);

	return shape->total * p / (shape->a * p + shape->b);
}

/* The limit for a cell that begins at mass `before`: the one at its middle, which is found
 * in one step from the limit where it begins. 0 at both ends: they stay single. */
static double digest_limit(const struct digest_shape *shape, double before)
{
	double q = before / shape->total;
	double middle = q + digest_limit_at(shape, q) / shape->total / 2;

	return digest_limit_at(shape, middle < 1 ? middle : q);
}

/* Whether a mean between low and high should be taken on the key scale. */
static bool digest_wide(double low, double high)
{
	return (low > 0 && high > DIGEST_WIDE * low) || (high < 0 && low < DIGEST_WIDE * high);
}

/* The cell that begins at zero when no run should cross it, else NULL: the cells on both
 * sides grow by more than DIGEST_STEEP from one to the next, so it is likely that more lies
 * between them than the eye can see; or zero lies in a gap. */
static const struct sketch_cell *digest_zero(const struct sketch_cell *cells, size_t count)
{
	double below, above, gap;
	size_t i = 0;

	while (i < count && cells[i].value < 0)
		i++;
	if (i < 2 || i + 2 > count)
		return NULL;
	below = cells[i - 1].value - cells[i - 2].value;
	above = cells[i + 1].value - cells[i].value;
	gap = cells[i].value - cells[i - 1].value;
	if (gap > DIGEST_GAP * fmax(below, above) ||
	    (below > -DIGEST_STEEP * cells[i - 1].value && above > DIGEST_STEEP * cells[i].value))
		return &cells[i];
	return NULL;
}

/* The mean of a run low..high in ascending order, when it is not plain: on the key scale, or
 * by shares of the weight where products would overflow. */
static double digest_careful_mean(const struct sketch_cell *low, const struct sketch_cell *high,
				  double weight)
{
	uint64_t low_key = sketch_key(low->value);
	bool wide = digest_wide(low->value, high->value) || !isfinite(high->value - low->value);
	double sum = 0;

	for (const struct sketch_cell *c = low; c <= high; c++) {
		double away = wide ? (double)(sketch_key(c->value) - low_key)
				   : c->value - low->value;

		sum += away * ((double)(int64_t)sketch_weight(c) / weight);
	}
	return wide ? sketch_key_value(low_key + (uint64_t)sum) : low->value + sum;
}

/* Cells in[0], in[step], ... that become one. */
struct digest_run {
	const struct sketch_cell *first, *last;
	double weight;
	double away; /* sum of weight x distance from first */
};

/* Takes cells from run->first on, as many as the limit allows, and none after stop. */
static void digest_take_run(const struct sketch_cell *stop, ptrdiff_t step, double limit,
			    struct digest_run *run)
{
	const struct sketch_cell *cell = run->first;
	double weight = (double)(int64_t)sketch_weight(cell), origin = cell->value, away = 0;

	while (cell != stop) {
		const struct sketch_cell *next = cell + step;
		double more = (double)(int64_t)sketch_weight(next), sum = weight + more;

		if (sum > limit)
			break;
		weight = sum;
		away += more * (next->value - origin);
		cell = next;
	}
	run->last = cell;
	run->weight = weight;
	run->away = away;
}

static struct sketch_cell digest_fold(const struct digest_run *run)
{
	bool up = run->first < run->last;
	const struct sketch_cell *low = up ? run->first : run->last;
	const struct sketch_cell *high = up ? run->last : run->first;
	double mean = run->first->value + run->away / run->weight;

	if (!isfinite(run->away) || digest_wide(low->value, high->value))
		mean = digest_careful_mean(low, high, run->weight);
	mean = mean > low->value ? mean : low->value;
	mean = mean < high->value ? mean : high->value;
	return (struct sketch_cell){
		.value = mean,
		.weight = (uint64_t)run->weight | SKETCH_MIXED,
	};
}

static size_t digest_pass(struct sketch_cell *cells, size_t count, uint64_t total, double scale)
{
	bool down = total * UINT64_C(0x9E3779B97F4A7C15) >> 63;
	struct digest_shape shape = digest_shape_of(total, scale);
	const struct sketch_cell *barrier = digest_zero(cells, count);
	const struct sketch_cell *last = down ? cells : cells + count - 1, *stop = last;
	struct sketch_cell *out = down ? cells + count - 1 : cells;
	struct digest_run run = { .first = out };
	ptrdiff_t step = down ? -1 : 1;
	size_t kept = 0;
	double before = 0;

	assert(count > 0);
	if (barrier != NULL)
		stop = down ? barrier : barrier - 1;
	for (;;) {
		digest_take_run(stop, step, digest_limit(&shape, before), &run);
		out[step * (ptrdiff_t)kept++] =
			run.first == run.last ? *run.first : digest_fold(&run);
		before += run.weight;
		if (run.last == last)
			break;
		if (run.last == stop)
			stop = last;
		run.first = run.last + step;
	}
	if (down)
		memmove(cells, cells + (count - kept), kept * sizeof(*cells));
	return kept;
}

size_t sketch_digest_compress(struct sketch_cell *cells, size_t count, uint64_t total,
			      unsigned scale, size_t max_cells)
{
	double m = scale;

	count = digest_pass(cells, count, total, m);
	while (count > max_cells) {
		m *= 0.75;
		count = digest_pass(cells, count, total, m);
	}
	return count;
}

/* A sorted list that grows. */
struct digest_list {
	struct sketch_cell *end;
	double highest; /* the value of the cell before end */
};

/* Appends a cell, or, when it and the last are pure and of one value, its weight to the last. */
static inline void digest_append(struct digest_list *list, const struct sketch_cell *cell)
{
	if (cell->value == list->highest &&
	    !((list->end[-1].weight | cell->weight) & SKETCH_MIXED)) {
		list->end[-1].weight += cell->weight;
		return;
	}
	list->highest = cell->value;
	*list->end++ = *cell;
}

/* Merges two sorted lists into out. Returns how many cells that makes. */
static size_t digest_union(const struct sketch_cell *a, size_t a_count,
			   const struct sketch_cell *b, size_t b_count, struct sketch_cell *out)
{
	const struct sketch_cell *a_end = a + a_count, *b_end = b + b_count;
	struct digest_list list = { .end = out, .highest = NAN };

	for (; a < a_end; a++) {
		while (b < b_end && sketch_before(b, a))
			digest_append(&list, b++);
		digest_append(&list, a);
	}
	while (b < b_end)
		digest_append(&list, b++);
	return (size_t)(list.end - out);
}

/* Gives the cells the room that any digest needs. 0; -ENOMEM, and they are as they were. */
static int digest_resize(struct sketch *s)
{
	struct sketch_cell *cells = realloc(s->cells, SKETCH_LIVE_CELLS * sizeof(*cells));

	if (cells == NULL)
		return -ENOMEM;
	s->cells = cells;
	s->capacity = SKETCH_LIVE_CELLS;
	return 0;
}

/* What every digest has: no index, and cells for SKETCH_LIVE. */
static void digest_adopt(struct sketch *s, size_t count)
{
	s->count = (uint32_t)count;
	s->digest = true;
	s->settled = false;
	free(s->index);
	s->index = NULL;
	s->index_size = 0;
	s->indexed = false;
	/* Giving memory back may fail; then there is only more of it than needed. */
	if (s->capacity > SKETCH_LIVE_CELLS)
		(void)digest_resize(s);
}

void sketch_digest_begin(struct sketch *s)
{
	sketch_exact_sort(s);
	s->moments = sketch_moments_of(s->cells, s->count, s->total,
				       sketch_moments_unit(s->min, s->max));
	digest_adopt(s, sketch_digest_compress(s->cells, s->count, s->total, SKETCH_LIVE,
					       SKETCH_LIVE_CELLS));
}

int sketch_digest_reserve(struct sketch *s)
{
	uint32_t capacity = s->pending_capacity ? 2 * s->pending_capacity : SKETCH_PENDING_FIRST;
	struct sketch_cell *pending;

	if (s->pending_count < s->pending_capacity)
		return 0;
	if (s->pending_capacity == SKETCH_PENDING) {
		sketch_digest_flush(s);
		return 0;
	}
	if (s->capacity < SKETCH_LIVE_CELLS && digest_resize(s) != 0)
		return -ENOMEM;
	pending = realloc(s->pending, capacity * sizeof(*pending));
	if (pending == NULL)
		return -ENOMEM;
	s->pending = pending;
	s->pending_capacity = capacity;
	return 0;
}

/* Only a value that the grid does not hold is looked at twice. */
static void digest_join_grid(struct sketch *s)
{
	for (size_t i = 0; i < s->pending_count && s->grid != SKETCH_GRID_NONE; i++)
		s->grid = sketch_grid_join(s->grid, s->pending[i].value);
	s->grid = sketch_grid_fit(s->grid, s->min, s->max);
}

void sketch_digest_flush(struct sketch *s)
{
	struct sketch_cell all[SKETCH_LIVE_CELLS + SKETCH_PENDING];
	struct sketch_moments added;
	size_t count;
	double unit;

	if (s->pending_count == 0)
		return;
	assert(s->count <= SKETCH_LIVE_CELLS && s->capacity >= SKETCH_LIVE_CELLS);
	sketch_sort(s->pending, s->pending_count, all);
	s->min = fmin(s->min, s->pending[0].value);
	s->max = fmax(s->max, s->pending[s->pending_count - 1].value);
	digest_join_grid(s);
	unit = sketch_moments_unit(s->min, s->max);
	added = sketch_moments_of(s->pending, s->pending_count, s->total - s->moments.weight, unit);
	s->moments = sketch_moments_join(s->moments, added, unit);
	count = digest_union(s->cells, s->count, s->pending, s->pending_count, all);
	count = sketch_digest_compress(all, count, s->total, SKETCH_LIVE, SKETCH_LIVE_CELLS);
	memcpy(s->cells, all, count * sizeof(*all));
	s->count = (uint32_t)count;
	s->pending_count = 0;
	s->settled = false;
}

int sketch_digest_merge(struct sketch *dst, struct sketch *src)
{
	struct sketch_cell *all;
	double unit;
	size_t count;

	sketch_settle(dst);
	sketch_settle(src);
	all = malloc((dst->count + src->count) * sizeof(*all));
	if (all == NULL || (dst->capacity < SKETCH_LIVE_CELLS && digest_resize(dst) != 0)) {
		free(all);
		return -ENOMEM;
	}
	dst->min = fmin(dst->min, src->min);
	dst->max = fmax(dst->max, src->max);
	unit = sketch_moments_unit(dst->min, dst->max);
	dst->moments = sketch_moments_join(sketch_moments_all(dst), sketch_moments_all(src), unit);
	dst->grid = dst->grid > src->grid ? dst->grid : src->grid;
	dst->grid = sketch_grid_fit(dst->grid, dst->min, dst->max);
	dst->total += src->total;
	count = digest_union(dst->cells, dst->count, src->cells, src->count, all);
	count = sketch_digest_compress(all, count, dst->total, SKETCH_LIVE, SKETCH_LIVE_CELLS);
	memcpy(dst->cells, all, count * sizeof(*all));
	free(all);
	digest_adopt(dst, count);
	return 0;
}
