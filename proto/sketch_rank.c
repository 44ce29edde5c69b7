// SPDX-License-Identifier: Apache-2.0
/*
 * Quantiles. Samples in order have the indexes 0 .. n - 1; a pure cell answers for all of
 * its own, a mixed one stands with its mean at its middle. Rank q asks for index
 * h = q (n - 1), and what lies between two of these anchors is interpolated. So the answer
 * is type 7 wherever cells are pure, and never runs through the inside of an atom.
 */
#include "proto/sketch_impl.h"

#include <assert.h>
#include <math.h>

/* Between mixed cells of one sign so far apart, interpolate on the key scale, as
 * sketch_digest.c averages there (digest_careful_mean). */
#define RANK_WIDE 1024

/* A sample index whose value is known. answer is what a question for just this index gets: a
 * mean is rounded to the grid of the data, and answers never fall from one to the next. */
struct rank_anchor {
	double index;
	double value;
	double answer;
	bool mixed;
};

/* a + (b - a) f for 0 <= f <= 1, monotone in f and inside a..b also when rounding or
 * b - a overflow are against it. (a (1 - f) + b f is not monotone.) */
static double rank_between(double a, double b, double f)
{
	double away = b - a;
	double value = isfinite(away) ? a + away * f : 2 * (a / 2 + (b / 2 - a / 2) * f);

	if (value < a)
		return a;
	return value < b ? value : b;
}

static bool rank_wide(double a, double b)
{
	return (a > 0 && b > RANK_WIDE * a) || (b < 0 && a < RANK_WIDE * b);
}

static double rank_interpolate(const struct sketch *s, const struct rank_anchor *a,
			       const struct rank_anchor *b, double index)
{
	double f = (index - a->index) / (b->index - a->index), value;

	if (!a->mixed && !b->mixed)
		return rank_between(a->answer, b->answer, f);
	if (rank_wide(a->value, b->value)) {
		uint64_t low = sketch_key(a->value), span = sketch_key(b->value) - low;

		value = sketch_key_value(low + (uint64_t)((double)span * f));
		value = value < b->value ? value : b->value;
	} else {
		value = rank_between(a->value, b->value, f);
	}
	value = sketch_grid_round(s->grid, value);
	value = value > a->answer ? value : a->answer;
	return value < b->answer ? value : b->answer;
}

/* Where a cell's samples begin: the index of the first of equal ones, the middle of others. */
static struct rank_anchor rank_anchor_of(const struct sketch *s, const struct sketch_cell *cell,
					 double before, double lowest)
{
	bool mixed = sketch_mixed(cell);
	double answer = mixed ? sketch_grid_round(s->grid, cell->value) : cell->value;

	return (struct rank_anchor){
		.index = mixed ? before + ((double)(int64_t)sketch_weight(cell) - 1) / 2 : before,
		.value = cell->value,
		.answer = answer > lowest ? answer : lowest,
		.mixed = mixed,
	};
}

/* The first cell's anchor may lie after the minimum's, the last one's before the maximum's. */
static double rank_walk(const struct sketch *s, double index)
{
	struct rank_anchor a = { .value = s->min, .answer = s->min }, b;
	double before = 0;

	for (size_t i = 0; i < s->count; i++) {
		b = rank_anchor_of(s, &s->cells[i], before, a.answer);
		if (index < b.index)
			return rank_interpolate(s, &a, &b, index);
		before += (double)(int64_t)sketch_weight(&s->cells[i]);
		if (!b.mixed)
			b.index = before - 1;
		if (index <= b.index)
			return b.answer;
		a = b;
	}
	b = (struct rank_anchor){ (double)s->total - 1, s->max, s->max, false };
	return rank_interpolate(s, &a, &b, index);
}

double sketch_quantile(struct sketch *s, double q)
{
	double index, value;

	assert(q >= 0 && q <= 1);
	if (s->total == 0)
		return 0;
	sketch_settle(s);
	index = q * (double)(s->total - 1);
	if (index <= 0)
		return s->min;
	if (index >= (double)(s->total - 1))
		return s->max;
	value = rank_walk(s, index);
	value = value > s->min ? value : s->min;
	return value < s->max ? value : s->max;
}
